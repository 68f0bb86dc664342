//! AUTH (RFC 4954) where agents send: PLAIN (RFC 4616) and LOGIN, over TLS only, and few guesses.

use std::time::Duration;

use data_encoding::BASE64;
use tokio::time::Instant;
use tracing::{info, warn};

use super::line::Longest;
use super::session::{AUTH_LINE, End, Session};
use crate::config::Limits;
use crate::model::Reply;
use crate::receive::door::Door;
use crate::receive::gate::Gate;
use crate::receive::tally::Window;

const DONE: Reply = Reply::new(235, "2.7.0", "Welcome");
const TLS_FIRST: Reply = Reply::new(538, "5.7.11", "Passwords go over TLS only: send STARTTLS first");
const HELLO_FIRST: Reply = Reply::new(503, "5.5.1", "Greet first");
const NOT_NOW: Reply = Reply::new(503, "5.5.1", "You have logged in, or a mail is begun");
const UNKNOWN: Reply = Reply::new(504, "5.5.4", "Use AUTH PLAIN or AUTH LOGIN");
const CANCELLED: Reply = Reply::new(501, "5.7.0", "Log-in given up");
const UNREADABLE: Reply = Reply::new(501, "5.5.2", "That is no such response in base64");
const LONG: Reply = Reply::new(500, "5.5.6", "That response is too long");
const TOO_OFTEN: Reply = Reply::new(421, "4.7.0", "Too many wrong passwords from your address, try again later");
const ENOUGH: Reply = Reply::new(421, "4.7.0", "Too many wrong passwords, closing");

/// A name and what is to prove it.
struct Login {
    user: String,
    password: String,
}

impl<G: Gate, D: Door> Session<G, D> {
    /// Whether AUTH would be heard now.
    pub(super) fn may_log_in(&self) -> bool {
        self.protocol.is_submission() && self.tls && self.agent.is_none()
    }

    /// `AUTH mechanism [initial-response]`.
    pub(super) async fn auth(&mut self, mechanism: &str, initial: Option<String>) -> Result<(), End> {
        if !self.tls {
            return self.say(&TLS_FIRST).await;
        }
        if self.name.is_none() {
            return self.say(&HELLO_FIRST).await;
        }
        if self.agent.is_some() || self.transaction.is_some() {
            return self.say(&NOT_NOW).await;
        }
        let windows = windows(&self.config.limits);
        let counted = self.peer.ip.filter(|_| !self.peer.exempt);
        if counted.is_some_and(|ip| self.shared.guesses.is_over(ip, windows, Instant::now())) {
            warn!(peer = ?self.peer.ip, "too many refused log-ins");
            return Err(self.part(&TOO_OFTEN));
        }
        let login = match mechanism {
            "PLAIN" => self.plain(initial).await?,
            "LOGIN" => self.login(initial).await?,
            _ => Err(UNKNOWN),
        };
        let refused = match login {
            Ok(login) => match self.shared.gate.login(&login.user, &login.password).await {
                Ok(agent) => {
                    info!(peer = ?self.peer.ip, %agent, "logged in");
                    self.agent = Some(agent);
                    return self.say(&DONE).await;
                }
                Err(reply) => reply,
            },
            Err(reply) => return self.say(&reply).await,
        };
        if refused.is_temporary() {
            return self.say(&refused).await;
        }
        info!(peer = ?self.peer.ip, "log-in refused");
        if let Some(ip) = counted {
            self.shared.guesses.add(ip, windows, Instant::now());
        }
        self.guesses += 1;
        self.say(&refused).await?;
        if self.guesses >= self.config.limits.logins_per_connection { Err(self.part(&ENOUGH)) } else { Ok(()) }
    }

    /// `authzid NUL authcid NUL password` in one response (RFC 4616 §2). Nobody acts for somebody else.
    async fn plain(&mut self, initial: Option<String>) -> Result<Result<Login, Reply>, End> {
        let response = match initial {
            Some(initial) => decoded(&initial),
            None => self.asked("").await?,
        };
        Ok(response.and_then(|text| {
            let parts: Vec<&str> = text.split('\0').collect();
            match parts.as_slice() {
                [acts_for, user, password] if acts_for.is_empty() || acts_for == user => {
                    Ok(Login { user: (*user).to_owned(), password: (*password).to_owned() })
                }
                _ => Err(UNREADABLE),
            }
        }))
    }

    /// Name and password in two responses; never a standard, and what Outlook speaks.
    async fn login(&mut self, initial: Option<String>) -> Result<Result<Login, Reply>, End> {
        let user = match initial {
            Some(initial) => decoded(&initial),
            None => self.asked("VXNlcm5hbWU6").await?,
        };
        let user = match user {
            Ok(user) => user,
            Err(reply) => return Ok(Err(reply)),
        };
        Ok(self.asked("UGFzc3dvcmQ6").await?.map(|password| Login { user, password }))
    }

    /// Asks for a response and reads it.
    async fn asked(&mut self, challenge: &'static str) -> Result<Result<String, Reply>, End> {
        self.write(&Reply::new(334, "", challenge));
        let most = AUTH_LINE.max(self.config.limits.command_line);
        Ok(match self.line(Longest { any: most, auth: most }).await?.as_deref() {
            None => Err(LONG),
            Some(b"*") => Err(CANCELLED),
            Some(line) => std::str::from_utf8(line).map_err(|_| UNREADABLE).and_then(decoded),
        })
    }
}

/// A response; `=` stands for an empty one (RFC 4954 §4).
fn decoded(response: &str) -> Result<String, Reply> {
    if response == "=" {
        return Ok(String::new());
    }
    let octets = BASE64.decode(response.trim().as_bytes()).map_err(|_| UNREADABLE)?;
    String::from_utf8(octets).map_err(|_| UNREADABLE)
}

fn windows(limits: &Limits) -> [Window; 2] {
    let window = |seconds, most| Window { time: Duration::from_secs(seconds), most };
    [window(60, limits.logins_per_minute), window(86_400, limits.logins_per_day)]
}
