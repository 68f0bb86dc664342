//! What a token endpoint answers (RFC 6749 §5), taken apart. Pure.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use crate::config::Secret;
use crate::model::text::{blackened, one_line};

/// Octets of a token.
const TOKEN: usize = 16 << 10;
/// How long a token is valid when nobody says it.
const LIFE: u64 = 3_600;
/// Characters of an endpoint's words that are shown.
const SHOWN: usize = 200;
/// Errors that mean "not now".
const LATER: [&str; 3] = ["temporarily_unavailable", "server_error", "slow_down"];

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum TokenFault {
    /// The provider says no, and will until a person does something.
    #[error("the provider gives no token ({said}): {}", advice(.code))]
    Refused {
        /// Its code (RFC 6749 §5.2).
        code: String,
        /// The code, and what it says beside that.
        said: String,
    },
    /// Nobody could be asked, or not now.
    #[error("no token could be had: {0}")]
    Unavailable(String),
}

fn advice(code: &str) -> &'static str {
    match code {
        "invalid_grant" | "interaction_required" | "consent_required" | "login_required" => {
            "the consent has ended or was withdrawn; sign in there again, put the new refresh token into refresh_token_file and reload"
        }
        "invalid_client" | "unauthorized_client" => "check client_id and client_secret of [mailboxes.imap.oauth]",
        _ => "check [mailboxes.imap.oauth]",
    }
}

/// A token that was given.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Granted {
    pub(super) access: Secret,
    pub(super) life: Duration,
    /// The refresh token for next time, where it is another one.
    pub(super) refresh: Option<Secret>,
}

#[derive(Deserialize)]
struct Answer {
    access_token: Option<String>,
    refresh_token: Option<String>,
    expires_in: Option<Value>,
    error: Option<Value>,
    error_description: Option<String>,
}

/// Reads an answer. `secrets` are kept out of what is shown.
pub(super) fn read(status: u16, body: &[u8], secrets: &[String]) -> Result<Granted, TokenFault> {
    let unavailable = |what: &str| Err(TokenFault::Unavailable(format!("{what} (status {status})")));
    let Ok(answer) = serde_json::from_slice::<Answer>(body) else { return unavailable("the token endpoint answers no JSON") };
    if (200..300).contains(&status) {
        let access = match answer.access_token {
            Some(token) if is_token(&token) => Secret::new(token),
            _ => return unavailable("the token endpoint gives no token that can be sent"),
        };
        let refresh = answer.refresh_token.filter(|token| is_token(token)).map(Secret::new);
        return Ok(Granted { access, life: life(answer.expires_in.as_ref()), refresh });
    }
    let code = match &answer.error {
        Some(Value::String(code)) if !code.is_empty() => one_line(code, 60),
        _ => return unavailable("the token endpoint does not say what is wrong"),
    };
    let described = answer.error_description.map_or_else(String::new, |words| format!(": {words}"));
    let said = one_line(&blackened(&format!("{code}{described}"), secrets), SHOWN);
    match (400..500).contains(&status) && !matches!(status, 408 | 429) && !LATER.contains(&code.as_str()) {
        true => Err(TokenFault::Refused { code, said }),
        false => Err(TokenFault::Unavailable(format!("{said} (status {status})"))),
    }
}

/// RFC 6750 §2.1, with some room: what stands in a SASL string must not end a field of it.
fn is_token(text: &str) -> bool {
    !text.is_empty() && text.len() <= TOKEN && text.bytes().all(|b| b.is_ascii_graphic())
}

/// Some write the number as text.
fn life(expires_in: Option<&Value>) -> Duration {
    let seconds = match expires_in {
        Some(Value::Number(number)) => number.as_u64(),
        Some(Value::String(text)) => text.parse().ok(),
        _ => None,
    };
    Duration::from_secs(seconds.unwrap_or(LIFE).clamp(1, 24 * LIFE))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;

    use super::*;

    fn no(status: u16, body: &str) -> (bool, String) {
        let fault = read(status, body.as_bytes(), &["1//geheim-77".into()]).unwrap_err();
        (matches!(fault, TokenFault::Refused { .. }), fault.to_string())
    }

    #[test]
    fn a_token_and_its_life_are_read() {
        let body = br#"{"access_token":"a.b-c","expires_in":"3599","refresh_token":"r2","token_type":"Bearer","scope":"x"}"#;
        let granted = read(200, body, &[]).unwrap();
        assert_eq!((granted.access.reveal(), granted.life.as_secs()), ("a.b-c", 3599));
        assert_eq!(granted.refresh.unwrap().reveal(), "r2");
        let granted = read(200, br#"{"access_token":"a","expires_in":-5}"#, &[]).unwrap();
        assert_eq!((granted.life.as_secs(), granted.refresh), (3600, None));
    }

    #[test]
    fn what_a_person_must_do_is_said_and_no_secret() {
        let (refused, said) = no(400, r#"{"error":"invalid_grant","error_description":"Token 1//geheim-77 has been expired or revoked."}"#);
        assert!(refused && said.contains("(invalid_grant: Token *** has been expired") && said.contains("sign in there again"), "{said}");
        let (refused, said) = no(401, r#"{"error":"invalid_client"}"#);
        assert!(refused && said.contains("check client_id"), "{said}");
        for (status, body) in [
            (503, r#"{"error":"temporarily_unavailable"}"#),
            (400, r#"{"error":"server_error"}"#),
            (429, r#"{"error":"rate"}"#),
            (302, ""),
            (200, "{}"),
            (200, r#"{"access_token":"a\u0001auth=b"}"#),
            (400, "<html>"),
        ] {
            assert!(!no(status, body).0, "{status} {body}");
        }
    }

    proptest! {
        #[test]
        fn any_answer_is_one(status in 100u16..600, body in "\\PC{0,80}|\\{(\"(access_token|error|expires_in)\":(1|null|\"\\PC{0,20}\"|\\[\\]),?){0,3}\\}") {
            if let Ok(granted) = read(status, body.as_bytes(), &[]) {
                prop_assert!(granted.access.reveal().bytes().all(|b| b.is_ascii_graphic()));
            }
        }
    }
}
