//! From nothing to a session that is logged in: TCP, TLS, greeting, log-in.

use std::time::Duration;

use data_encoding::BASE64;
use tokio::time::timeout;

use super::error::Fault;
use super::names::quoted;
use super::response::Response;
use super::session::{Ended, Session};
use crate::config::Imap;
use crate::model::text::blackened;
use crate::net::{Security, Stream, Tls, dial};

/// Name look-up, connection and handshake, each.
const PATIENCE: Duration = Duration::from_secs(20);
/// Answers to a log-in that say "not now" and nothing about the password (RFC 5530).
const LATER: [&str; 4] = ["UNAVAILABLE", "INUSE", "LIMIT", "SERVERBUG"];

/// Connects and logs in.
pub(super) async fn open(imap: &Imap) -> Result<Session, Fault> {
    let (stream, loopback) = dial(&imap.host, imap.port, PATIENCE).await?;
    let security = security(imap, loopback);
    let stream: Box<dyn Stream> = Box::new(stream);
    let mut session = match security {
        Security::Implicit => Session::greeted(handshake(imap, security, stream).await?, true, imap.patience).await?,
        Security::Required | Security::Opportunistic => {
            start_tls(imap, security, Session::greeted(stream, false, imap.patience).await?).await?
        }
    };
    session.ask_capabilities().await?;
    log_in(&mut session, imap).await?;
    // More may be offered to whom the server knows.
    session.ask_capabilities().await?;
    Ok(session)
}

/// Clear text stays on this machine; there any certificate will do, unless `ca` says which.
fn security(imap: &Imap, loopback: bool) -> Security {
    match imap.implicit_tls {
        true => Security::Implicit,
        false if loopback && imap.ca.is_none() => Security::Opportunistic,
        false => Security::Required,
    }
}

async fn handshake(imap: &Imap, security: Security, stream: Box<dyn Stream>) -> Result<Box<dyn Stream>, Fault> {
    let (host, ca) = (imap.host.clone(), imap.ca.clone());
    let verify = security != Security::Opportunistic;
    // The roots are files. They are read each time, so that renewed ones count.
    let tls = tokio::task::spawn_blocking(move || Tls::new(&host, verify, ca.as_deref()));
    let tls = tls.await.map_err(|e| Fault::Spool(std::io::Error::other(e)))??;
    let done = timeout(PATIENCE, tls.connect(security, stream)).await;
    let done = done.map_err(|_| Fault::Silent { when: "TLS handshake", limit: PATIENCE })?;
    done.map_err(|source| Fault::Tls { host: imap.host.clone(), source })
}

/// RFC 9051 §6.2.1. What the server said in clear is forgotten.
async fn start_tls(imap: &Imap, security: Security, mut session: Session) -> Result<Session, Fault> {
    session.ask_capabilities().await?;
    match (session.can("STARTTLS"), security) {
        (true, _) => {
            session.simple("STARTTLS", "STARTTLS").await?;
            Session::continued(handshake(imap, security, session.into_stream()?).await?, true, imap.patience)
        }
        (false, Security::Opportunistic) => Ok(session),
        (false, _) => Err(Fault::NoTls),
    }
}

async fn log_in(session: &mut Session, imap: &Imap) -> Result<(), Fault> {
    let Some(password) = imap.password.as_ref().map(|p| p.reveal()) else { return Err(Fault::NoLogin) };
    // RFC 4616 §2: no authorization identity, NUL, user, NUL, password.
    let plain = BASE64.encode(format!("\0{}\0{password}", imap.user).as_bytes());
    let ended = if session.can("AUTH=PLAIN") {
        authenticate(session, &plain).await?
    } else if !session.can("LOGINDISABLED") && imap.user.is_ascii() && password.bytes().all(|b| (b' '..=b'~').contains(&b)) {
        let line = format!("LOGIN {} {}", quoted(&imap.user), quoted(password));
        session.run("LOGIN", line.as_bytes(), session.short(), None, |_| Ok(())).await?
    } else {
        return Err(Fault::NoLogin);
    };
    match ended {
        Ended::Ok => Ok(()),
        Ended::No { code, text } => {
            // Some servers repeat the line that they did not understand, and this is logged and shown.
            let secrets = [password.to_owned(), BASE64.encode(password.as_bytes()), plain];
            let text = blackened(&text, &secrets);
            let code = code.split(' ').next().unwrap_or_default();
            match LATER.iter().any(|later| code.eq_ignore_ascii_case(later)) {
                true => Err(Fault::Refused { when: "LOGIN", text }),
                false => Err(Fault::LoginRefused { text }),
            }
        }
    }
}

/// AUTHENTICATE PLAIN (RFC 9051 §6.2.2), in one line where the server takes it (RFC 4959).
async fn authenticate(session: &mut Session, plain: &str) -> Result<Ended, Fault> {
    const WHEN: &str = "AUTHENTICATE";
    let leash = session.short();
    if session.can("SASL-IR") {
        let line = format!("AUTHENTICATE PLAIN {plain}");
        return session.run(WHEN, line.as_bytes(), leash, None, |_| Ok(())).await;
    }
    let (tag, mut leash) = session.begin(WHEN, b"AUTHENTICATE PLAIN", leash).await?;
    loop {
        match session.next(WHEN, &tag, &mut leash, None).await? {
            Ok(Response::Continue) => break,
            Ok(_) => {}
            Err(ended) => return Ok(ended),
        }
    }
    session.say(WHEN, plain, &leash).await?;
    session.end(WHEN, &tag, leash, None, |_| Ok(())).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clear_text_stays_on_this_machine() {
        let imap = Imap {
            host: "h.test".into(),
            port: 143,
            implicit_tls: false,
            user: "ann".into(),
            password: None,
            oauth: std::collections::BTreeMap::new(),
            folders: Vec::new(),
            after: "keep".into(),
            start: "now".into(),
            trust: None,
            ca: None,
            poll: PATIENCE,
            patience: PATIENCE,
            pause: PATIENCE,
        };
        let with_ca = Imap { ca: Some("ca.pem".into()), ..imap.clone() };
        assert_eq!(security(&Imap { implicit_tls: true, ..imap.clone() }, true), Security::Implicit);
        assert_eq!(security(&imap, false), Security::Required);
        assert_eq!(security(&imap, true), Security::Opportunistic);
        assert_eq!(security(&with_ca, true), Security::Required);
    }
}
