//! What stands in `webhook-signature`.

use data_encoding::BASE64;
use hmac::Mac;

use crate::Secret;

/// The value of `webhook-signature`: `v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body`, once for each secret and in
/// their order, with a space between. While a secret is being changed, the old one and the new one sign.
///
/// `id` is the `webhook-id`; `timestamp` is in seconds since 1970 and is what stands in `webhook-timestamp`.
pub fn sign(secrets: &[Secret], id: &str, timestamp: i64, body: &[u8]) -> String {
    let timestamp = timestamp.to_string();
    let signed = secrets.iter().map(|secret| format!("v1,{}", BASE64.encode(&secret.mac(id, &timestamp, body).finalize().into_bytes())));
    signed.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    /// The vector that the specification's libraries test themselves with.
    #[test]
    fn signs_the_known_answer() {
        let secret = Secret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signed = sign(&[secret], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn every_secret_signs_in_its_order() {
        let [new, old] = [Secret::generate().unwrap(), Secret::generate().unwrap()];
        let one = |secret: &Secret| sign(std::slice::from_ref(secret), "m", 1, b"{}");
        assert_eq!(sign(&[new.clone(), old.clone()], "m", 1, b"{}"), format!("{} {}", one(&new), one(&old)));
    }
}
