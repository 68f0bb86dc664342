//! App passwords: made here, shown once, kept as an Argon2id hash (RFC 9106). An agent's mail client logs in with one.

use argon2::password_hash::{PasswordHash, PasswordHasher as _, PasswordVerifier as _, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};

use crate::model::PersonId;
use crate::model::address::fold;

use super::cmd::Outcome;
use super::conn::Conn;
use super::{Store, StoreError, random};

/// Octets of a password: 120 bits, 24 letters and digits.
const OCTETS: usize = 15;
/// Letters of a password as it is kept.
const LETTERS: usize = 24;
/// Its first letters find the row; what is left, 80 bits, is the secret.
const HANDLE: usize = 8;
/// Letters between two dashes where a person reads it.
const GROUP: usize = 4;
/// Most passwords of one agent: a phone, a laptop, and those that were forgotten.
const MOST: i64 = 20;
/// RFC 9106 §4 for little memory, as OWASP has it: 19 MiB, 2 passes, 1 lane.
const COST: (u32, u32, u32) = (19 * 1024, 2, 1);
/// What no password is: checking it takes as long as a real one.
const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$b21idWRub2JvZHlzc2FsdA$2pXnOeYZ1P8rQ1gX0zT0rj3m2v1y3o0l3n0Gz7m2uWQ";

/// A password to keep.
#[derive(Debug)]
pub struct NewPassword {
    /// One of the agent's addresses.
    pub agent: String,
    /// Its first letters.
    pub handle: String,
    /// Its hash.
    pub hash: String,
    /// In ms.
    pub now: i64,
}

/// A password as a client sends it: letters and digits alone.
#[derive(Clone)]
pub struct AppPassword(String);

impl NewPassword {
    /// A fresh password as it is shown, and what is kept of it. Takes a moment of the processor.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn make(agent: &str, now: i64) -> Result<(String, Self), StoreError> {
        let text = data_encoding::BASE32_NOPAD.encode(&random::<OCTETS>()?).to_lowercase();
        let failed = |e: argon2::password_hash::Error| StoreError::Io(format!("hashing a password: {e}"));
        let salt = SaltString::encode_b64(&random::<16>()?).map_err(failed)?;
        let hash = hasher()?.hash_password(text.as_bytes(), &salt).map_err(failed)?.to_string();
        let handle = text.chars().take(HANDLE).collect();
        let groups: Vec<String> = text.as_bytes().chunks(GROUP).map(|group| String::from_utf8_lossy(group).into_owned()).collect();
        Ok((groups.join("-"), Self { agent: agent.to_owned(), handle, hash, now }))
    }
}

impl AppPassword {
    /// Reads what a person typed; dashes, blanks and case do not matter. `None` for what no password of ours looks like.
    pub fn read(text: &str) -> Option<Self> {
        // A person's own password is not ours, however long: no need to copy it.
        if text.len() > 2 * LETTERS {
            return None;
        }
        let letters: String = text.chars().filter(|c| !matches!(c, '-' | ' ')).map(|c| c.to_ascii_lowercase()).collect();
        let ours = letters.len() == LETTERS && letters.bytes().all(|b| matches!(b, b'a'..=b'z' | b'2'..=b'7'));
        ours.then_some(Self(letters))
    }

    /// Whether `hash` is of this password; none is of nobody's, and takes as long. Takes a moment of the processor.
    pub fn is(&self, hash: Option<&str>) -> bool {
        let Ok(kept) = PasswordHash::new(hash.unwrap_or(NOBODY)) else { return false };
        let same = hasher().is_ok_and(|hasher| hasher.verify_password(self.0.as_bytes(), &kept).is_ok());
        same && hash.is_some()
    }

    fn handle(&self) -> &str {
        self.0.get(..HANDLE).unwrap_or_default()
    }
}

fn hasher() -> Result<Argon2<'static>, StoreError> {
    let (memory, passes, lanes) = COST;
    let params = Params::new(memory, passes, lanes, None).map_err(|e| StoreError::Corrupt(format!("cost of passwords: {e}")))?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

pub(super) async fn add(conn: &mut Conn<'_>, new: &NewPassword) -> Result<Outcome, StoreError> {
    let sql = "SELECT id FROM person WHERE disabled = 0 AND role IN ('agent', 'admin')
        AND (key = $1 OR id IN (SELECT person FROM alias WHERE key = $1))";
    let row = conn.opt(sql, vec![fold(&new.agent).into()]).await?;
    let id = row.ok_or_else(|| StoreError::NotFound(format!("{} is no active agent: see `ombud agent list`", new.agent)))?.int(0)?;
    if conn.one("SELECT COUNT(*) FROM app_password WHERE person = $1", vec![id.into()]).await?.int(0)? >= MOST {
        return Err(StoreError::Refused(format!("{} has {MOST} app passwords: take them back with --revoke first", new.agent)));
    }
    let sql = "INSERT INTO app_password(handle, person, hash, created_at) VALUES ($1, $2, $3, $4)";
    conn.exec(sql, vec![(&new.handle).into(), id.into(), (&new.hash).into(), new.now.into()]).await?;
    Ok(Outcome::Id(id))
}

/// Answers with how many there were.
pub(super) async fn revoke(conn: &mut Conn<'_>, agent: &str) -> Result<Outcome, StoreError> {
    let sql = "DELETE FROM app_password WHERE person IN
        (SELECT id FROM person WHERE key = $1 UNION ALL SELECT person FROM alias WHERE key = $1)";
    let gone = conn.exec(sql, vec![fold(agent).into()]).await?;
    Ok(Outcome::Id(i64::try_from(gone).unwrap_or(i64::MAX)))
}

impl Store {
    /// The hash that this password should have, and whose it is.
    ///
    /// # Errors
    /// When the database can't be read.
    pub async fn app_password(&self, password: &AppPassword) -> Result<Option<(String, PersonId)>, StoreError> {
        let mut read = self.read().await?;
        let row = read.conn().opt("SELECT hash, person FROM app_password WHERE handle = $1", vec![password.handle().into()]).await?;
        row.map(|row| Ok((row.text(0)?, PersonId(row.int(1)?)))).transpose()
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_password_is_known_however_it_is_typed() {
        let (text, kept) = NewPassword::make("jane@agents.test", 1).unwrap();
        assert!(kept.hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$") && !kept.hash.contains(&text));
        for typed in [text.clone(), text.replace('-', ""), text.to_uppercase(), text.replace('-', " "), format!(" {text} ")] {
            let password = AppPassword::read(&typed).unwrap();
            assert_eq!(password.handle(), kept.handle);
            assert!(password.is(Some(&kept.hash)), "{typed}");
        }
        let (other, _) = NewPassword::make("jane@agents.test", 1).unwrap();
        assert!(!AppPassword::read(&other).unwrap().is(Some(&kept.hash)));
        for wrong in ["", "secret", &text[1..], &text.replace(&text[..1], "1"), &"-".repeat(1000)] {
            assert!(AppPassword::read(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn nobody_is_a_hash_of_the_same_cost_and_of_nothing() {
        let kept = PasswordHash::new(NOBODY).unwrap();
        let params = Params::try_from(&kept).unwrap();
        assert_eq!((params.m_cost(), params.t_cost(), params.p_cost()), COST);
        let (text, new) = NewPassword::make("a@b.test", 1).unwrap();
        assert!(!AppPassword::read(&text).unwrap().is(None));
        assert!(!AppPassword::read(&text).unwrap().is(Some("plain")));
        assert_eq!(PasswordHash::new(&new.hash).unwrap().hash.unwrap().len(), kept.hash.unwrap().len());
    }

    proptest! {
        #[test]
        fn anything_can_be_typed(text in "\\PC*") {
            if let Some(password) = AppPassword::read(&text) {
                prop_assert_eq!(password.0.len(), LETTERS);
            }
        }
    }
}
