//! Signed tokens: the part of an address that says which ticket, which person and which act a mail is.
//!
//! 44 letters of lower-case base32 (RFC 4648 §6) without padding: version 4 bits, purpose 4, key 8, ticket 40,
//! person 32, epoch 8, expiry day 14, turn 14, MAC 96. The MAC is HMAC-SHA-256 over all of it, under a key that no
//! other use shares. A token proves nothing about who sent a mail: it says where the mail goes.

use data_encoding::BASE32_NOPAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::model::{PersonId, TicketId};

/// Letters of a token.
pub const LETTERS: usize = 44;
/// Octets of the fields before the MAC (124 bits and 4 bits of the MAC's first octet share the 16th).
const FIELDS_BITS: u32 = 124;
const MAC_BITS: u32 = 96;
const VERSION: u8 = 1;
/// 2026-01-01T00:00:00Z in days since 1970: day 0 of an expiry.
const DAY_ZERO: i64 = 20_454;
const DAY_MS: i64 = 86_400_000;

crate::model::ticket::words!(
    /// What a mail to a token's address is.
    Purpose {
        /// An agent's public answer.
        Answer = "answer",
        /// An agent's internal note.
        Note = "note",
        /// An agent's commands on any tickets.
        Desk = "desk",
        /// A customer's message.
        Customer = "customer",
        /// A bounce of one mail; `ticket` is the outbox row.
        Bounce = "bounce",
        /// Lets a held mail through; `ticket` is the inbox row.
        Release = "release",
        /// Drops a held mail; `ticket` is the inbox row.
        Drop = "drop",
        /// A mail by which the desk tries its own way out and in; `ticket` is its number.
        Probe = "probe",
        /// Lets all answers go that the brake has held; `ticket` is the inbox row about which the agent was asked.
        Lot = "lot",
        /// Drops them all; `ticket` is the same.
        LotDrop = "lot_drop",
    }
);

impl Purpose {
    fn number(self) -> u8 {
        match self {
            Self::Answer => 1,
            Self::Note => 2,
            Self::Desk => 3,
            Self::Customer => 4,
            Self::Bounce => 5,
            Self::Release => 6,
            Self::Drop => 7,
            Self::Probe => 8,
            Self::Lot => 9,
            Self::LotDrop => 10,
        }
    }

    fn of_number(n: u8) -> Option<Self> {
        Self::ALL.iter().copied().find(|p| p.number() == n)
    }
}

/// A token whose MAC is right. Made by [`KeyRing::sign`] and [`KeyRing::verify`] alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    purpose: Purpose,
    ticket: u64,
    person: u32,
    epoch: u8,
    expires: u16,
    turn: u16,
}

impl Token {
    /// What a mail to it is.
    pub fn purpose(&self) -> Purpose {
        self.purpose
    }

    /// The ticket; of a bounce, release, drop or lot address the row it is about.
    pub fn subject(&self) -> i64 {
        i64::try_from(self.ticket).unwrap_or(i64::MAX)
    }

    /// The ticket of an answer, note or customer address.
    pub fn ticket(&self) -> TicketId {
        TicketId(self.subject())
    }

    /// Whose address it is.
    pub fn person(&self) -> PersonId {
        PersonId(i64::from(self.person))
    }

    /// The turn of the ticket when the address was handed out.
    pub fn turn(&self) -> i64 {
        i64::from(self.turn)
    }

    /// Whether the day of its expiry has passed at `now` (ms).
    pub fn is_expired(&self, now: i64) -> bool {
        now.div_euclid(DAY_MS) - DAY_ZERO > i64::from(self.expires)
    }

    /// Whether it was handed out under these epochs (person's plus participant's).
    pub fn is_of_epoch(&self, sum: i64) -> bool {
        sum.rem_euclid(256) == i64::from(self.epoch)
    }
}

/// What goes into a token.
#[derive(Clone, Copy, Debug)]
pub struct Grant {
    /// What a mail to it will be.
    pub purpose: Purpose,
    /// Ticket or row.
    pub subject: i64,
    /// Whose it is.
    pub person: PersonId,
    /// Epoch of the person plus that of their place on the ticket.
    pub epoch: i64,
    /// Last moment of its life, in ms; the day counts.
    pub expires_at: i64,
    /// Turn of the ticket.
    pub turn: i64,
}

/// The desk's keys: the newest signs, all verify.
#[derive(Clone)]
pub struct KeyRing {
    keys: Vec<(u8, Hmac<Sha256>, Hmac<Sha256>)>,
}

impl std::fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.keys.iter().map(|(id, ..)| id)).finish()
    }
}

impl KeyRing {
    /// Keys by number, the newest last; `None` when there is none.
    pub fn new(keys: &[(u8, [u8; 32])]) -> Option<Self> {
        let keys: Vec<_> = keys.iter().map(|(id, key)| (*id, derive(key, b"token"), derive(key, b"message-id"))).collect();
        (!keys.is_empty()).then_some(Self { keys })
    }

    /// Signs a token. Fields that do not fit are cut to their width; ids never reach it.
    pub fn sign(&self, grant: Grant) -> String {
        let Some((key, mac, _)) = self.keys.last() else { return String::new() };
        let day = (grant.expires_at.div_euclid(DAY_MS) - DAY_ZERO).clamp(0, 0x3fff);
        let mut bits = Bits::default();
        bits.push(u64::from(VERSION), 4);
        bits.push(u64::from(grant.purpose.number()), 4);
        bits.push(u64::from(*key), 8);
        bits.push(grant.subject.unsigned_abs(), 40);
        bits.push(grant.person.0.unsigned_abs(), 32);
        bits.push(grant.epoch.rem_euclid(256).unsigned_abs(), 8);
        bits.push(day.unsigned_abs(), 14);
        bits.push(grant.turn.clamp(0, 0x3fff).unsigned_abs(), 14);
        let tag = mac.clone().chain_update(bits.octets).finalize().into_bytes();
        for octet in tag.iter().take(12) {
            bits.push(u64::from(*octet), 8);
        }
        let mut text = BASE32_NOPAD.encode(&bits.octets).to_ascii_lowercase();
        text.truncate(LETTERS);
        text
    }

    /// The token that this text is, in any case of letters; `None` when it is none of ours.
    pub fn verify(&self, text: &str) -> Option<Token> {
        if text.len() != LETTERS {
            return None;
        }
        let octets: [u8; 28] = BASE32_NOPAD.decode(format!("{text}A").to_ascii_uppercase().as_bytes()).ok()?.try_into().ok()?;
        let mut bits = Bits { octets, at: 0 };
        let (version, purpose, key) = (bits.take(4), bits.take(4), bits.take(8));
        let (ticket, person, epoch) = (bits.take(40), bits.take(32), bits.take(8));
        let (expires, turn) = (bits.take(14), bits.take(14));
        let mut tag = [0; 12];
        tag.iter_mut().for_each(|octet| *octet = u8::try_from(bits.take(8)).unwrap_or(0));
        // The 4 bits that are left over must be as we wrote them, or one token had 16 spellings.
        let rest = bits.take(4);
        let (_, mac, _) = self.keys.iter().find(|(id, ..)| u64::from(*id) == key)?;
        let mut fields = Bits { octets, at: 0 };
        fields.clear_from(FIELDS_BITS);
        mac.clone().chain_update(fields.octets).verify_truncated_left(&tag).ok()?;
        if rest != 0 || version != u64::from(VERSION) {
            return None;
        }
        Some(Token {
            purpose: Purpose::of_number(u8::try_from(purpose).ok()?)?,
            ticket,
            person: u32::try_from(person).ok()?,
            epoch: u8::try_from(epoch).ok()?,
            expires: u16::try_from(expires).ok()?,
            turn: u16::try_from(turn).ok()?,
        })
    }

    /// MAC of a Message-ID's payload, 96 bits.
    pub(super) fn mark(&self, payload: &[u8]) -> Option<(u8, [u8; 12])> {
        let (key, _, mac) = self.keys.last()?;
        let tag = mac.clone().chain_update([*key]).chain_update(payload).finalize().into_bytes();
        Some((*key, tag.first_chunk::<12>().copied()?))
    }

    /// Whether `tag` is the MAC of a Message-ID's payload under key `key`.
    pub(super) fn is_marked(&self, key: u8, payload: &[u8], tag: &[u8]) -> bool {
        let found = self.keys.iter().find(|(id, ..)| *id == key);
        tag.len() == 12
            && found.is_some_and(|(_, _, mac)| mac.clone().chain_update([key]).chain_update(payload).verify_truncated_left(tag).is_ok())
    }
}

/// A key of its own for each use, so that no text signed for one is valid for another.
fn derive(key: &[u8; 32], purpose: &[u8]) -> Hmac<Sha256> {
    let mac = |key: &[u8]| Hmac::<Sha256>::new_from_slice(key).unwrap_or_else(|_| Hmac::<Sha256>::new(&Default::default()));
    let derived = mac(key).chain_update(b"ombud/1/").chain_update(purpose).finalize().into_bytes();
    mac(&derived)
}

/// Whether a text has a token's length and alphabet.
pub fn looks_like_token(text: &str) -> bool {
    text.len() == LETTERS && text.bytes().all(|b| b.is_ascii_alphabetic() || (b'2'..=b'7').contains(&b))
}

/// 224 bits, written and read from the left.
#[derive(Default)]
struct Bits {
    octets: [u8; 28],
    at: u32,
}

impl Bits {
    fn push(&mut self, value: u64, width: u32) {
        for i in (0..width).rev() {
            if let Some(octet) = self.octets.get_mut(self.at as usize / 8)
                && value >> i & 1 == 1
            {
                *octet |= 0x80 >> (self.at % 8);
            }
            self.at += 1;
        }
    }

    fn take(&mut self, width: u32) -> u64 {
        (0..width).fold(0, |value, _| {
            let octet = self.octets.get(self.at as usize / 8).copied().unwrap_or(0);
            let bit = octet >> (7 - self.at % 8) & 1;
            self.at += 1;
            value << 1 | u64::from(bit)
        })
    }

    fn clear_from(&mut self, from: u32) {
        for bit in from..FIELDS_BITS + MAC_BITS + 4 {
            if let Some(octet) = self.octets.get_mut(bit as usize / 8) {
                *octet &= !(0x80 >> (bit % 8));
            }
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ring() -> KeyRing {
        KeyRing::new(&[(1, [7; 32]), (2, [9; 32])]).unwrap()
    }

    fn grant() -> Grant {
        let expires_at = (DAY_ZERO + 300) * DAY_MS;
        Grant { purpose: Purpose::Answer, subject: 12, person: PersonId(7), epoch: 3, expires_at, turn: 5 }
    }

    #[test]
    fn a_token_survives_case_folding_and_says_what_was_signed() {
        let text = ring().sign(grant());
        assert_eq!(text.len(), LETTERS);
        assert!(looks_like_token(&text));
        for spelled in [text.clone(), text.to_uppercase()] {
            let token = ring().verify(&spelled).unwrap();
            assert_eq!((token.purpose(), token.subject(), token.person(), token.turn()), (Purpose::Answer, 12, PersonId(7), 5));
            assert!(token.is_of_epoch(3) && token.is_of_epoch(259) && !token.is_of_epoch(4));
        }
    }

    #[test]
    fn a_token_lives_through_its_last_day() {
        let token = ring().verify(&ring().sign(grant())).unwrap();
        assert!(!token.is_expired((DAY_ZERO + 301) * DAY_MS - 1));
        assert!(token.is_expired((DAY_ZERO + 301) * DAY_MS));
    }

    #[test]
    fn an_old_key_still_verifies_and_a_foreign_one_never_does() {
        let old = KeyRing::new(&[(1, [7; 32])]).unwrap();
        assert!(ring().verify(&old.sign(grant())).is_some());
        let foreign = KeyRing::new(&[(2, [8; 32])]).unwrap();
        assert!(ring().verify(&foreign.sign(grant())).is_none());
    }

    #[test]
    fn every_single_bit_counts() {
        let text = ring().sign(grant());
        let octets = BASE32_NOPAD.decode(format!("{text}A").to_uppercase().as_bytes()).unwrap();
        for bit in 0..224 {
            let mut other = octets.clone();
            *other.get_mut(bit / 8).unwrap() ^= 0x80 >> (bit % 8);
            let mut text = BASE32_NOPAD.encode(&other);
            text.truncate(LETTERS);
            // The last 4 bits do not fit into 44 letters.
            assert_eq!(ring().verify(&text).is_none(), bit < 220, "bit {bit}");
        }
    }

    proptest! {
        /// Any single field of one token in another token: refused.
        #[test]
        fn a_field_of_another_token_is_refused(
            a in (0..8usize, 1..1i64 << 40, 1..1i64 << 32, 0..256i64, 0..16_000i64, 0..16_384i64),
            b in (0..8usize, 1..1i64 << 40, 1..1i64 << 32, 0..256i64, 0..16_000i64, 0..16_384i64),
            field in 0..8usize,
        ) {
            let sign = |g: (usize, i64, i64, i64, i64, i64)| ring().sign(Grant {
                purpose: *Purpose::ALL.get(g.0).unwrap(), subject: g.1, person: PersonId(g.2), epoch: g.3,
                expires_at: (DAY_ZERO + g.4) * DAY_MS, turn: g.5,
            });
            let (one, two) = (sign(a), sign(b));
            let octets = |t: &str| -> [u8; 28] { BASE32_NOPAD.decode(format!("{t}A").to_uppercase().as_bytes()).unwrap().try_into().unwrap() };
            let widths = [4, 4, 8, 40, 32, 8, 14, 14, 96];
            let (mut from_one, mut from_two, mut mixed) = (Bits { octets: octets(&one), at: 0 }, Bits { octets: octets(&two), at: 0 }, Bits::default());
            for (i, width) in widths.into_iter().enumerate() {
                // 96 bits in two halves: a value has 64.
                for part in if width > 64 { vec![48, 48] } else { vec![width] } {
                    let (x, y) = (from_one.take(part), from_two.take(part));
                    mixed.push(if i == field { y } else { x }, part);
                }
            }
            let mut text = BASE32_NOPAD.encode(&mixed.octets).to_lowercase();
            text.truncate(LETTERS);
            prop_assert_eq!(ring().verify(&text).is_some(), text == one);
        }

        #[test]
        fn random_text_is_no_token(text in "[a-zA-Z2-7]{44}") {
            prop_assert!(ring().verify(&text).is_none());
        }

        #[test]
        fn any_text_is_survived(text in ".{0,60}") {
            prop_assert!(ring().verify(&text).is_none());
        }
    }
}
