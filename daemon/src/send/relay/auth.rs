//! AUTH PLAIN and AUTH LOGIN (RFC 4954, RFC 4616). The caller has made sure that the connection may carry a password.

use data_encoding::BASE64;

use super::offers::Offers;
use super::reply::Answer;
use super::wire::{Fault, Wire};
use crate::model::text::blackened;

/// Longest command line that every server takes, in octets with its CRLF (RFC 5321 §4.5.3.1.4).
const COMMAND_LINE: usize = 512;

/// Who we are to the relay. Has no `Debug` on purpose.
#[derive(Clone, Copy)]
pub(super) struct Login<'a> {
    pub(super) user: &'a str,
    pub(super) password: &'a str,
}

/// Logs in by PLAIN, else by LOGIN.
pub(super) async fn log_in(wire: &mut Wire, offers: &Offers, login: Login<'_>) -> Result<(), Fault> {
    let offered = |name: &str| offers.auth.iter().any(|mechanism| mechanism == name);
    let answer = if offered("PLAIN") {
        plain(wire, login).await?
    } else if offered("LOGIN") {
        by_login(wire, login).await?
    } else {
        return Err(Fault::NoAuth);
    };
    if answer.code == 235 { Ok(()) } else { Err(refused(&answer, login)) }
}

async fn plain(wire: &mut Wire, login: Login<'_>) -> Result<Answer, Fault> {
    let response = initial_response(login);
    let line = format!("AUTH PLAIN {response}");
    // RFC 4954 §4: what does not fit the line goes without an initial response.
    if line.len() + 2 <= COMMAND_LINE {
        return wire.command("AUTH", &line).await;
    }
    challenged(wire.command("AUTH", "AUTH PLAIN").await?, login)?;
    wire.command("AUTH", &response).await
}

async fn by_login(wire: &mut Wire, login: Login<'_>) -> Result<Answer, Fault> {
    challenged(wire.command("AUTH", "AUTH LOGIN").await?, login)?;
    challenged(wire.command("AUTH", &BASE64.encode(login.user.as_bytes())).await?, login)?;
    wire.command("AUTH", &BASE64.encode(login.password.as_bytes())).await
}

fn challenged(answer: Answer, login: Login<'_>) -> Result<(), Fault> {
    if answer.code == 334 { Ok(()) } else { Err(refused(&answer, login)) }
}

/// RFC 4616 §2: no authorization identity, NUL, user, NUL, password.
fn initial_response(login: Login<'_>) -> String {
    BASE64.encode(format!("\0{}\0{}", login.user, login.password).as_bytes())
}

fn refused(answer: &Answer, login: Login<'_>) -> Fault {
    // Some servers repeat the line that they did not understand, whole or cut, and replies are logged and shown.
    let secrets = [login.password.to_owned(), BASE64.encode(login.password.as_bytes()), initial_response(login)];
    Fault::Refused { when: "AUTH", reply: blackened(&answer.to_string(), &secrets) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANN: Login<'static> = Login { user: "ann", password: "hunter2 is long" };

    #[test]
    fn plain_is_as_in_rfc_4616() {
        assert_eq!(initial_response(Login { user: "tim", password: "tanstaaftanstaaf" }), "AHRpbQB0YW5zdGFhZnRhbnN0YWFm");
    }

    #[test]
    fn a_reply_that_repeats_the_password_is_blackened() {
        let response = initial_response(ANN);
        let cut = response.get(..14).unwrap_or_default();
        for said in [response.as_str(), cut, "hunter2 is long", "aHVudGVyMiBpcyBsb25n"] {
            let answer = Answer { code: 500, lines: vec![format!("5.5.2 bad command: \"AUTH PLAIN {said}\"")] };
            let shown = refused(&answer, ANN).to_string();
            assert!(shown.starts_with("AUTH: 500 5.5.2 bad command: \"AUTH PLAIN ***"), "{shown}");
            assert!(!shown.contains(said), "{shown}");
        }
        let plain = Answer { code: 535, lines: vec!["5.7.8 Error: authentication failed: UGFzc3dvcmQ6".to_owned()] };
        assert_eq!(refused(&plain, ANN).to_string(), "AUTH: 535 5.7.8 Error: authentication failed: UGFzc3dvcmQ6");
    }
}
