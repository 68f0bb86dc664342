//! The log-in: by token or by password (RFC 9051 §6.2.2, §6.2.3).

use data_encoding::BASE64;

use super::error::Fault;
use super::names::quoted;
use super::oauth::{self, Tokens};
use super::response::Response;
use super::session::{Ended, Session};
use crate::config::Imap;
use crate::model::text::blackened;

/// Answers to a log-in that say "not now" and nothing about the password (RFC 5530).
const LATER: [&str; 4] = ["UNAVAILABLE", "INUSE", "LIMIT", "SERVERBUG"];

/// Logs in.
pub(super) async fn log_in(session: &mut Session, imap: &Imap, tokens: Option<&Tokens>) -> Result<(), Fault> {
    match (tokens, imap.password.as_ref()) {
        (Some(tokens), _) => by_token(session, &imap.user, tokens).await,
        (None, Some(password)) => by_password(session, &imap.user, password.reveal()).await,
        (None, None) => Err(Fault::NoLogin),
    }
}

/// A token from memory may have been withdrawn meanwhile: then a new one is had before anybody is blamed.
async fn by_token(session: &mut Session, user: &str, tokens: &Tokens) -> Result<(), Fault> {
    const ADVICE: &str = "`user` must be who has signed in, and IMAP must be allowed for them";
    if !session.can("AUTH=XOAUTH2") {
        return Err(Fault::NoTokenLogin);
    }
    loop {
        let token = tokens.token().await?;
        let said = BASE64.encode(oauth::xoauth2(user, &token.secret).as_bytes());
        let ended = authenticate(session, "XOAUTH2", &said).await?;
        let judged = judged(ended, &[token.secret.reveal().to_owned(), said], ADVICE);
        if matches!(judged, Err(Fault::LoginRefused { .. })) {
            tokens.forget().await;
            if !token.fresh {
                continue;
            }
        }
        return judged;
    }
}

async fn by_password(session: &mut Session, user: &str, password: &str) -> Result<(), Fault> {
    const ADVICE: &str = "check user and password of [mailboxes.imap]";
    // RFC 4616 §2: no authorization identity, NUL, user, NUL, password.
    let plain = BASE64.encode(format!("\0{user}\0{password}").as_bytes());
    let ended = if session.can("AUTH=PLAIN") {
        authenticate(session, "PLAIN", &plain).await?
    } else if !session.can("LOGINDISABLED") && user.is_ascii() && password.bytes().all(|b| (b' '..=b'~').contains(&b)) {
        let line = format!("LOGIN {} {}", quoted(user), quoted(password));
        session.run("LOGIN", line.as_bytes(), session.short(), None, |_| Ok(())).await?
    } else {
        return Err(Fault::NoLogin);
    };
    judged(ended, &[password.to_owned(), BASE64.encode(password.as_bytes()), plain], ADVICE)
}

/// Some servers repeat the line that they did not understand, and this is logged and shown.
fn judged(ended: Ended, secrets: &[String], advice: &'static str) -> Result<(), Fault> {
    let Ended::No { code, text } = ended else { return Ok(()) };
    let text = blackened(&text, secrets);
    let code = code.split(' ').next().unwrap_or_default();
    match LATER.iter().any(|later| code.eq_ignore_ascii_case(later)) {
        true => Err(Fault::Refused { when: "LOGIN", text }),
        false => Err(Fault::LoginRefused { text, advice }),
    }
}

/// AUTHENTICATE (RFC 9051 §6.2.2), in one line where the server takes it (RFC 4959).
async fn authenticate(session: &mut Session, mechanism: &str, response: &str) -> Result<Ended, Fault> {
    const WHEN: &str = "AUTHENTICATE";
    let leash = session.short();
    let line = format!("AUTHENTICATE {mechanism}");
    let at_once = session.can("SASL-IR");
    let line = if at_once { format!("{line} {response}") } else { line };
    let (tag, mut leash) = session.begin(WHEN, line.as_bytes(), leash).await?;
    // XOAUTH2: a server that refuses says why before the end, and waits for an empty line.
    let rest: &[&str] = if at_once { &[""] } else { &[response, ""] };
    let mut rest = rest.iter();
    loop {
        match session.next(WHEN, &tag, &mut leash, None).await? {
            Ok(Response::Continue) => match rest.next() {
                Some(line) => session.say(WHEN, line, &leash).await?,
                None => return Err(Fault::Nonsense { when: WHEN, what: "the server asks again and again" }),
            },
            Ok(_) => {}
            Err(ended) => return Ok(ended),
        }
    }
}
