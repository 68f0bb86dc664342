//! From nothing to a session that is logged in: TCP, TLS, greeting, log-in.

use std::time::Duration;

use super::error::Fault;
use super::login::log_in;
use super::oauth::Tokens;
use super::session::Session;
use crate::config::Imap;
use crate::net::{Security, Stream, Tls, dial};

/// Name look-up, connection and handshake, each.
const PATIENCE: Duration = Duration::from_secs(20);

/// Connects and logs in.
pub(super) async fn open(imap: &Imap, tokens: Option<&Tokens>) -> Result<Session, Fault> {
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
    log_in(&mut session, imap, tokens).await?;
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
    Ok(tls.handshake(security, stream, PATIENCE).await?)
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
            oauth: None,
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
