//! Our own Message-IDs: the ticket and the outbox row with a MAC, so that a reference to one of them is proof that
//! we wrote it. No person stands in them.

use data_encoding::BASE32_NOPAD;
use sha2::{Digest as _, Sha256};

use crate::model::{OutboxId, TicketId};

use super::token::KeyRing;

/// A Message-ID that we made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnId {
    /// The ticket; 0 for mail that belongs to none.
    pub ticket: TicketId,
    /// The outbox row; 0 is the root of the ticket's thread, which no mail has.
    pub outbox: OutboxId,
}

impl OwnId {
    /// The id without angle brackets: at most 40 letters and digits before `@hostname` (RFC 5322 §3.6.4).
    pub fn sign(self, keys: &KeyRing, hostname: &str) -> String {
        let payload = self.payload();
        let Some((key, tag)) = keys.mark(&payload) else { return String::new() };
        let octets: Vec<u8> = std::iter::once(key).chain(payload).chain(tag).collect();
        format!("{}@{hostname}", BASE32_NOPAD.encode(&octets).to_ascii_lowercase())
    }

    /// The id if we made it, in any case of letters.
    pub fn verify(keys: &KeyRing, hostname: &str, id: &str) -> Option<Self> {
        let (local, domain) = id.rsplit_once('@')?;
        if !domain.eq_ignore_ascii_case(hostname) || local.len() > 40 {
            return None;
        }
        let octets = BASE32_NOPAD.decode(local.to_ascii_uppercase().as_bytes()).ok()?;
        let (key, rest) = octets.split_first()?;
        let (payload, tag) = rest.split_at_checked(10)?;
        if !keys.is_marked(*key, payload, tag) {
            return None;
        }
        let number = |octets: &[u8]| octets.iter().fold(0i64, |n, o| n << 8 | i64::from(*o));
        let (ticket, outbox) = payload.split_at_checked(5)?;
        Some(Self { ticket: TicketId(number(ticket)), outbox: OutboxId(number(outbox)) })
    }

    fn payload(self) -> [u8; 10] {
        let mut payload = [0; 10];
        let (ticket, outbox) = (self.ticket.0.to_be_bytes(), self.outbox.0.to_be_bytes());
        for (to, from) in payload.iter_mut().zip(ticket.iter().skip(3).chain(outbox.iter().skip(3))) {
            *to = *from;
        }
        payload
    }
}

/// The key under which a Message-ID is looked up: half of the SHA-256 of its lower-cased text, hex.
pub fn hash(id: &str) -> String {
    let digest = Sha256::digest(id.trim().to_lowercase().as_bytes());
    data_encoding::HEXLOWER.encode(digest.first_chunk::<16>().map_or(&[], |c| c.as_slice()))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn an_own_id_is_known_again_and_a_changed_one_is_not() {
        let keys = KeyRing::new(&[(1, [7; 32])]).unwrap();
        let own = OwnId { ticket: TicketId(12), outbox: OutboxId(34) };
        let id = own.sign(&keys, "desk.example");
        let (local, _) = id.split_once('@').unwrap();
        assert!(local.len() <= 40 && local.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()), "{id}");
        assert_eq!(OwnId::verify(&keys, "desk.example", &id.to_uppercase()), Some(own));
        assert_eq!(OwnId::verify(&keys, "other.example", &id), None);
        for i in 0..local.len() {
            let mut bytes = id.clone().into_bytes();
            let b = bytes.get_mut(i).unwrap();
            *b = if *b == b'a' { b'b' } else { b'a' };
            // The last letter holds bits that carry nothing.
            assert!(OwnId::verify(&keys, "desk.example", &String::from_utf8(bytes).unwrap()).is_none(), "letter {i}");
        }
    }
}
