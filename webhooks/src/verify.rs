//! The receiver's side: whether a request came from somebody who has the secret, and lately.

use std::time::Duration;

use data_encoding::BASE64;
use hmac::Mac;

use crate::Secret;

/// How far the time in a request may be from ours, as the specification's libraries have it.
pub const TOLERANCE: Duration = Duration::from_secs(300);

/// The three headers of a request.
#[derive(Clone, Copy, Debug)]
pub struct SignedHeaders<'a> {
    /// `webhook-id`
    pub id: &'a str,
    /// `webhook-timestamp`
    pub timestamp: &'a str,
    /// `webhook-signature`
    pub signature: &'a str,
}

/// Why a request is not to be believed. Answer it with 400 or 401 and don't act on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// A header is missing or empty.
    #[error("the request has no `{0}` header")]
    Missing(&'static str),
    /// `webhook-timestamp` is not a whole number of seconds.
    #[error("`webhook-timestamp` is not a number of seconds since 1970")]
    Timestamp,
    /// It was signed too long ago: a replay, or one of the clocks is wrong.
    #[error("the request was signed too long ago: if it is not a replay, look at the clocks")]
    TooOld,
    /// It was signed in the future: one of the clocks is wrong.
    #[error("the request was signed in the future: look at the clocks")]
    TooNew,
    /// No signature of a version we know fits: another secret, or somebody changed the request.
    #[error("no signature fits: the secret is another one, or the request was changed")]
    Signature,
}

impl<'a> SignedHeaders<'a> {
    /// Takes them from wherever the request has them.
    ///
    /// # Errors
    /// [`VerifyError::Missing`].
    pub fn read(get: impl Fn(&str) -> Option<&'a str>) -> Result<Self, VerifyError> {
        let need = |name| get(name).filter(|value| !value.is_empty()).ok_or(VerifyError::Missing(name));
        Ok(Self { id: need("webhook-id")?, timestamp: need("webhook-timestamp")?, signature: need("webhook-signature")? })
    }
}

/// Whether one of the signatures was made with one of the secrets over exactly this body, within `tolerance` of `now`
/// (seconds since 1970). Signatures are compared in constant time; those of versions other than `v1` are skipped.
///
/// A valid request can still be a second try: what it says was done once `webhook-id` has been seen.
///
/// # Errors
/// [`VerifyError`] says what is wrong; the body must not be used then.
pub fn verify(secrets: &[Secret], headers: &SignedHeaders<'_>, body: &[u8], now: i64, tolerance: Duration) -> Result<(), VerifyError> {
    let digits = !headers.timestamp.is_empty() && headers.timestamp.bytes().all(|b| b.is_ascii_digit());
    let signed_at: i64 = headers.timestamp.parse().ok().filter(|_| digits).ok_or(VerifyError::Timestamp)?;
    let tolerance = i64::try_from(tolerance.as_secs()).unwrap_or(i64::MAX);
    if now.saturating_sub(signed_at) > tolerance {
        return Err(VerifyError::TooOld);
    }
    if signed_at.saturating_sub(now) > tolerance {
        return Err(VerifyError::TooNew);
    }
    for secret in secrets {
        let mac = secret.mac(headers.id, headers.timestamp, body);
        let fits = |signature: &str| {
            let tag = signature.strip_prefix("v1,").and_then(|text| BASE64.decode(text.as_bytes()).ok());
            tag.is_some_and(|tag| mac.clone().verify_slice(&tag).is_ok())
        };
        if headers.signature.split(' ').any(fits) {
            return Ok(());
        }
    }
    Err(VerifyError::Signature)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::sign;

    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const AT: i64 = 1_614_265_330;
    const BODY: &[u8] = br#"{"test": 2432232314}"#;
    const SIGNED: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

    fn secret() -> Secret {
        Secret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap()
    }

    fn check(timestamp: &str, signature: &str, now: i64) -> Result<(), VerifyError> {
        verify(&[secret()], &SignedHeaders { id: ID, timestamp, signature }, BODY, now, TOLERANCE)
    }

    #[test]
    fn believes_the_known_answer() {
        assert_eq!(check("1614265330", SIGNED, AT), Ok(()));
    }

    #[test]
    fn a_replay_and_a_wrong_clock_are_told_apart() {
        assert_eq!(check("1614265330", SIGNED, AT + 300), Ok(()));
        assert_eq!(check("1614265330", SIGNED, AT + 301), Err(VerifyError::TooOld));
        assert_eq!(check("1614265330", SIGNED, AT - 300), Ok(()));
        assert_eq!(check("1614265330", SIGNED, AT - 301), Err(VerifyError::TooNew));
        assert_eq!(check("9223372036854775807", SIGNED, i64::MIN), Err(VerifyError::TooNew));
    }

    #[test]
    fn a_timestamp_is_digits() {
        for odd in ["", " ", "+1614265330", "-1", "1614265330.5", "1614265330 ", "0x10", "9223372036854775808", "now"] {
            assert_eq!(check(odd, SIGNED, AT), Err(VerifyError::Timestamp), "{odd:?}");
        }
    }

    #[test]
    fn one_of_several_signatures_is_enough_and_unknown_versions_are_skipped() {
        for list in [
            format!("v1,aGVsbG8= {SIGNED}"),
            format!("v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg== {SIGNED}"),
            format!("v2,future  {SIGNED} v1,"),
        ] {
            assert_eq!(check("1614265330", &list, AT), Ok(()), "{list}");
        }
        let unknown = SIGNED.replace("v1,", "v2,");
        for list in ["", "v1", "v1,", ",", " ", &unknown, &SIGNED[3..], &SIGNED[..20], &format!("{SIGNED}AAAA")] {
            assert_eq!(check("1614265330", list, AT), Err(VerifyError::Signature), "{list}");
        }
    }

    #[test]
    fn any_of_our_secrets_may_have_signed() {
        let headers = SignedHeaders { id: ID, timestamp: "1614265330", signature: SIGNED };
        let other = Secret::generate().unwrap();
        assert_eq!(verify(&[other.clone(), secret()], &headers, BODY, AT, TOLERANCE), Ok(()));
        assert_eq!(verify(&[other], &headers, BODY, AT, TOLERANCE), Err(VerifyError::Signature));
        assert_eq!(verify(&[], &headers, BODY, AT, TOLERANCE), Err(VerifyError::Signature));
    }

    #[test]
    fn a_missing_header_is_named() {
        assert_eq!(SignedHeaders::read(|_| Some("x")).unwrap().signature, "x");
        for gone in ["webhook-id", "webhook-timestamp", "webhook-signature"] {
            let get = |name: &str| if name == gone { Some("") } else { Some("x") };
            assert_eq!(SignedHeaders::read(get).err(), Some(VerifyError::Missing(gone)));
        }
    }

    proptest! {
        #[test]
        fn any_headers_have_an_answer(id in "\\PC*", timestamp in "\\PC*|[0-9]{1,20}", signature in "\\PC*|(v1,[A-Za-z0-9+/]{0,60}=* ?){0,4}", body: Vec<u8>, now: i64) {
            let headers = SignedHeaders { id: &id, timestamp: &timestamp, signature: &signature };
            prop_assert!(verify(&[secret()], &headers, &body, now, TOLERANCE).is_err());
        }

        #[test]
        fn what_we_sign_is_believed_until_one_bit_changes(id in "[a-z_]{1,20}", body in prop::collection::vec(any::<u8>(), 1..200), at in 0..i64::MAX, bit: prop::sample::Index) {
            let (signature, timestamp) = (sign(&[secret()], &id, at, &body), at.to_string());
            let headers = SignedHeaders { id: &id, timestamp: &timestamp, signature: &signature };
            prop_assert_eq!(verify(&[secret()], &headers, &body, at, TOLERANCE), Ok(()));
            let (mut changed, bit) = (body.clone(), bit.index(body.len() * 8));
            changed[bit / 8] ^= 1 << (bit % 8);
            prop_assert_eq!(verify(&[secret()], &headers, &changed, at, TOLERANCE), Err(VerifyError::Signature));
        }
    }
}
