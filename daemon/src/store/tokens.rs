//! API tokens: shown once, kept as a hash.

use crate::model::PersonId;
use crate::model::address::fold;
use crate::model::ticket::words;

use super::cmd::Outcome;
use super::conn::Conn;
use super::value::Value;
use super::{Store, StoreError, random, sha256};

words!(
    /// What a token may do.
    Scope {
        /// Look.
        Read = "read",
        /// Change tickets.
        Write = "write",
        /// Manage the desk.
        Admin = "admin",
    }
);

/// A token to make.
#[derive(Debug)]
pub struct NewToken {
    /// SHA-256 of the token.
    pub hash: Vec<u8>,
    /// What it is for.
    pub name: String,
    /// What it may do.
    pub scope: Scope,
    /// Address of the agent who speaks through it.
    pub agent: Option<String>,
    /// In ms.
    pub now: i64,
    /// In ms.
    pub expires_at: Option<i64>,
}

/// A token as listed.
#[derive(Clone, Debug)]
pub struct ApiToken {
    /// For revoking.
    pub id: i64,
    /// What it is for.
    pub name: String,
    /// What it may do.
    pub scope: Scope,
    /// The agent who speaks through it.
    pub agent: Option<PersonId>,
    /// In ms.
    pub created_at: i64,
    /// In ms.
    pub expires_at: Option<i64>,
    /// In ms.
    pub revoked_at: Option<i64>,
}

impl NewToken {
    /// A fresh secret of 256 bits and its hash.
    pub fn secret() -> Result<(String, Vec<u8>), StoreError> {
        let token = format!("ombud_{}", data_encoding::BASE32_NOPAD.encode(&random::<32>()?).to_lowercase());
        let hash = sha256(token.as_bytes());
        Ok((token, hash))
    }

    /// Whether a text looks like a token that was made here.
    pub fn is_plausible(text: &str) -> bool {
        let secret = text.strip_prefix("ombud_").unwrap_or_default();
        secret.len() == 52 && secret.bytes().all(|b| matches!(b, b'a'..=b'z' | b'2'..=b'7'))
    }
}

pub(super) async fn create(conn: &mut Conn<'_>, token: &NewToken) -> Result<Outcome, StoreError> {
    let agent = match &token.agent {
        None => None,
        Some(address) => {
            let sql = "SELECT id FROM person WHERE key = $1 AND disabled = 0 AND role IN ('agent', 'admin')";
            let row = conn.opt(sql, vec![fold(address).into()]).await?;
            Some(row.ok_or_else(|| StoreError::NotFound(format!("{address} is no active agent: see `ombud agent list`")))?.int(0)?)
        }
    };
    let sql = "INSERT INTO api_token(name, hash, scope, agent, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6) RETURNING id";
    let args = vec![
        (&token.name).into(),
        token.hash.clone().into(),
        token.scope.word().into(),
        agent.into(),
        token.now.into(),
        token.expires_at.into(),
    ];
    Ok(Outcome::Id(conn.one(sql, args).await?.int(0)?))
}

pub(super) async fn revoke(conn: &mut Conn<'_>, id: i64, now: i64) -> Result<Outcome, StoreError> {
    match conn.exec("UPDATE api_token SET revoked_at = $1 WHERE id = $2 AND revoked_at IS NULL", vec![now.into(), id.into()]).await? {
        0 => Err(StoreError::NotFound(format!("there is no valid token {id}: see `ombud token list`"))),
        _ => Ok(Outcome::Done),
    }
}

impl Store {
    /// The token that this text is, if it is valid at `now` (ms).
    pub async fn token(&self, text: &str, now: i64) -> Result<Option<ApiToken>, StoreError> {
        let found = self
            .tokens_by(
                "SELECT id, name, scope, agent, created_at, expires_at, revoked_at FROM api_token WHERE hash = $1",
                sha256(text.as_bytes()).into(),
            )
            .await?
            .pop();
        Ok(found.filter(|t| t.revoked_at.is_none() && t.expires_at.is_none_or(|end| end > now)))
    }

    /// All tokens, revoked ones too.
    pub async fn tokens(&self) -> Result<Vec<ApiToken>, StoreError> {
        self.tokens_by(
            "SELECT id, name, scope, agent, created_at, expires_at, revoked_at FROM api_token WHERE id > $1 ORDER BY id",
            0.into(),
        )
        .await
    }

    async fn tokens_by(&self, sql: &'static str, key: Value) -> Result<Vec<ApiToken>, StoreError> {
        let mut read = self.glance().await?;
        let rows = read.conn().all(sql, vec![key]).await?;
        rows.iter()
            .map(|r| {
                Ok(ApiToken {
                    id: r.int(0)?,
                    name: r.text(1)?,
                    scope: r.word(2, Scope::of)?,
                    agent: r.opt_int(3)?.map(PersonId),
                    created_at: r.int(4)?,
                    expires_at: r.opt_int(5)?,
                    revoked_at: r.opt_int(6)?,
                })
            })
            .collect()
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_token_looks_like_one() {
        let (token, _) = NewToken::secret().unwrap();
        assert!(NewToken::is_plausible(&token));
        let longer = format!("{token}a");
        for other in ["", "wrong", &token[1..], &token[..57], &longer, &token.to_uppercase(), &token.replace("ombud_", "OMBUD_")] {
            assert!(!NewToken::is_plausible(other), "{other}");
        }
    }
}
