//! The key that an endpoint shares with us, in the form of the Standard Webhooks specification.

use std::fmt;

use data_encoding::BASE64;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

const PREFIX: &str = "whsec_";
const MIN: usize = 24;
const MAX: usize = 64;
const FRESH: usize = 32;

/// A signing key of 24 to 64 bytes. Only [`reveal`](Self::reveal) shows it; `Debug` doesn't.
#[derive(Clone)]
pub struct Secret(Vec<u8>);

/// Why a text is no secret, or why none could be made. Never contains the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// Not base64 with its padding.
    #[error("the secret is not base64: write `whsec_` and the base64 of 24 to 64 random bytes")]
    Encoding,
    /// Too short to be safe, or longer than the specification allows.
    #[error("the secret has {0} bytes: it must have 24 to 64")]
    Length(usize),
    /// The system gave no random bytes.
    #[error("the system has no random bytes for a new secret: try again")]
    Random,
}

impl Secret {
    /// A new one of 32 random bytes.
    ///
    /// # Errors
    /// [`SecretError::Random`].
    pub fn generate() -> Result<Self, SecretError> {
        let mut key = vec![0; FRESH];
        getrandom::fill(&mut key).map_err(|_| SecretError::Random)?;
        Ok(Self(key))
    }

    /// Reads `whsec_` and base64. The prefix may be missing, as in the specification's own libraries.
    ///
    /// # Errors
    /// [`SecretError::Encoding`] and [`SecretError::Length`].
    pub fn parse(text: &str) -> Result<Self, SecretError> {
        let key = BASE64.decode(text.strip_prefix(PREFIX).unwrap_or(text).as_bytes()).map_err(|_| SecretError::Encoding)?;
        if (MIN..=MAX).contains(&key.len()) { Ok(Self(key)) } else { Err(SecretError::Length(key.len())) }
    }

    /// The text to show once and to keep: `whsec_…`.
    pub fn reveal(&self) -> String {
        format!("{PREFIX}{}", BASE64.encode(&self.0))
    }

    /// HMAC-SHA256 over `id.timestamp.body`, not finished: to sign with or to compare with.
    pub(crate) fn mac(&self, id: &str, timestamp: &str, body: &[u8]) -> Hmac<Sha256> {
        // RFC 2104: a key of at most a block is filled up with zeros, and a block is what `new` takes without an error.
        let mut block = [0; MAX];
        block[..self.0.len()].copy_from_slice(&self.0);
        let mut mac = Hmac::<Sha256>::new(&block.into());
        for part in [id.as_bytes(), b".", timestamp.as_bytes(), b".", body] {
            mac.update(part);
        }
        mac
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_fresh_one_is_read_back_and_no_two_are_alike() {
        let secret = Secret::generate().unwrap();
        assert_eq!(secret.0.len(), 32);
        assert_eq!(Secret::parse(&secret.reveal()).unwrap().0, secret.0);
        assert_ne!(Secret::generate().unwrap().0, secret.0);
    }

    #[test]
    fn the_prefix_may_be_missing() {
        let text = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        assert_eq!(Secret::parse(text).unwrap().reveal(), format!("whsec_{text}"));
    }

    #[test]
    fn what_is_no_secret_is_named() {
        for (bytes, error) in [(0, Some(0)), (23, Some(23)), (24, None), (64, None), (65, Some(65))] {
            let text = format!("whsec_{}", BASE64.encode(&vec![7; bytes]));
            assert_eq!(Secret::parse(&text).err(), error.map(SecretError::Length), "{bytes} bytes");
        }
        for text in
            ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLa-w", "whsec_ MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsk_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]
        {
            assert_eq!(Secret::parse(text).err(), Some(SecretError::Encoding), "{text}");
        }
    }

    #[test]
    fn debug_does_not_show_it() {
        let secret = Secret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        assert_eq!(format!("{secret:?}"), "Secret(***)");
    }

    proptest! {
        #[test]
        fn any_text_has_an_answer(text in "\\PC*") {
            let _ = Secret::parse(&text);
        }

        #[test]
        fn any_key_survives_its_text(key in prop::collection::vec(any::<u8>(), MIN..=MAX)) {
            prop_assert_eq!(Secret::parse(&Secret(key.clone()).reveal()).unwrap().0, key);
        }
    }
}
