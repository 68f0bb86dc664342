//! A token in place of a password: had from the provider for a refresh token (RFC 6749 §6), used until shortly before it
//! expires, and a refresh token that the provider has changed is kept.

mod answer;
mod kept;
#[cfg(any(test, fuzzing))]
pub(super) mod outside;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use ombud_webhooks::{Client, Guard, Limits, SystemResolver};
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};

use crate::config::{Imap, OAuth, Secret};

use answer::Granted;
pub use answer::TokenFault;
use kept::Kept;

/// Another process may be asking with the same refresh token: that is waited for so long.
const TURN: Duration = Duration::from_secs(30);
const GLANCE: Duration = Duration::from_millis(100);
/// A token is not used any more so long before it expires, or in the last quarter of its life.
const MARGIN: Duration = Duration::from_secs(5 * 60);
/// Asking for a token: connecting, and all of it.
const LIMITS: Limits = Limits { connect: Duration::from_secs(10), whole: Duration::from_secs(30), drain: Duration::from_secs(1) };

/// The tokens of one account.
pub struct Tokens {
    oauth: OAuth,
    kept: Kept,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    access: Option<(Secret, Instant)>,
    /// A changed refresh token that could not be written down.
    unkept: Option<Secret>,
}

/// A token to log in with.
pub(super) struct Token {
    pub(super) secret: Secret,
    /// Whether the provider gave it just now.
    pub(super) fresh: bool,
}

impl Tokens {
    /// Of an account, if it logs in by token. `data` is the data folder.
    pub fn of(imap: &Imap, data: &Path) -> Option<Self> {
        let oauth = imap.oauth.clone()?;
        let kept = Kept::new(data, &oauth, &imap.user);
        Some(Self { oauth, kept, state: Mutex::default() })
    }

    /// A token that is valid for a while, from memory or from the provider.
    pub(super) async fn token(&self) -> Result<Token, TokenFault> {
        let mut state = self.state.lock().await;
        if let Some((secret, until)) = &state.access
            && Instant::now() < *until
        {
            return Ok(Token { secret: secret.clone(), fresh: false });
        }
        state.access = None;
        // Two who refresh at once would spend one refresh token twice, which some providers take for theft.
        let _turn = self.turn().await?;
        let refresh = match state.unkept.clone() {
            Some(unkept) => unkept,
            None => self.kept.read().unwrap_or_else(|| self.oauth.refresh_token.clone()),
        };
        let granted = self.ask(&refresh).await?;
        let life = granted.life;
        state.access = Some((granted.access.clone(), Instant::now() + life - MARGIN.min(life / 4)));
        let newest = granted.refresh.unwrap_or_else(|| refresh.clone());
        if newest != refresh || state.unkept.is_some() {
            state.unkept = match self.kept.write(&newest) {
                Ok(()) => None,
                Err(error) => {
                    tracing::error!(%error, "the provider has changed the refresh token, and the new one could not be kept in the data folder");
                    Some(newest)
                }
            };
        }
        Ok(Token { secret: granted.access, fresh: true })
    }

    /// The server does not take the token in memory.
    pub(super) async fn forget(&self) {
        self.state.lock().await.access = None;
    }

    async fn turn(&self) -> Result<std::fs::File, TokenFault> {
        let since = Instant::now();
        loop {
            match self.kept.lock() {
                Ok(Some(lock)) => return Ok(lock),
                Ok(None) if since.elapsed() < TURN => sleep(GLANCE).await,
                Ok(None) => return Err(TokenFault::Unavailable("another process is asking for a token all the time".into())),
                Err(error) => return Err(TokenFault::Unavailable(format!("{}: {error}", self.kept.path().display()))),
            }
        }
    }

    async fn ask(&self, refresh: &Secret) -> Result<Granted, TokenFault> {
        let oauth = &self.oauth;
        let client_secret = oauth.client_secret.as_ref().map(|secret| ("client_secret", secret.reveal()));
        let scope = oauth.scope.as_deref().map(|scope| ("scope", scope));
        let fields: Vec<(&str, &str)> =
            [("grant_type", "refresh_token"), ("refresh_token", refresh.reveal()), ("client_id", &oauth.client_id)]
                .into_iter()
                .chain(client_secret)
                .chain(scope)
                .collect();
        let guard = guard(&oauth.token_url);
        // The roots are files. They are read each time, so that renewed ones count.
        let client = tokio::task::spawn_blocking(move || Client::new(guard, LIMITS, Arc::new(SystemResolver::default()), Vec::new()));
        let unavailable = |why: String| TokenFault::Unavailable(format!("{}: {why}", host(&oauth.token_url)));
        let client = client.await.map_err(|e| unavailable(e.to_string()))?.map_err(|e| unavailable(e.to_string()))?;
        let reply = client.post_form(&oauth.token_url, &fields).await.map_err(|reason| unavailable(reason.to_string()))?;
        let secrets =
            [Some(refresh), oauth.client_secret.as_ref()].into_iter().flatten().map(|s| s.reveal().to_owned()).collect::<Vec<_>>();
        answer::read(reply.status, &reply.body, &secrets)
    }
}

/// The owner has named the endpoint, so it may be in any network; without TLS it must be this very machine.
fn guard(url: &str) -> Guard {
    let allow_http = url.starts_with("http://");
    let networks = if allow_http { ["127.0.0.0/8", "::1/128"] } else { ["0.0.0.0/0", "::/0"] };
    let allow_networks: Vec<IpNet> = networks.iter().filter_map(|net| net.parse().ok()).collect();
    Guard { allow_http, allow_networks }
}

fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split(['/', '?']).next().unwrap_or_default()
}

/// What is said to a server for `user` in AUTHENTICATE XOAUTH2, before it is written in base64.
pub(super) fn xoauth2(user: &str, token: &Secret) -> String {
    format!("user={user}\u{1}auth=Bearer {}\u{1}\u{1}", token.reveal())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_tls_a_token_is_asked_for_on_this_machine_alone() {
        let here = guard("http://127.0.0.1:8080/token");
        assert!(here.url("http://127.0.0.1:8080/token").is_ok() && here.url("http://10.0.0.1/token").is_err());
        assert!(!here.allows([10, 0, 0, 1].into()) && here.allows([127, 0, 0, 1].into()));
        let own = guard("https://login.example.com/token");
        assert!(own.allows([10, 0, 0, 1].into()) && own.url("http://10.0.0.1/token").is_err());
    }

    #[test]
    fn the_string_is_as_google_documents_it() {
        let said = xoauth2("someuser@example.com", &Secret::new("ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg"));
        let base64 = "dXNlcj1zb21ldXNlckBleGFtcGxlLmNvbQFhdXRoPUJlYXJlciB5YTI5LnZGOWRmdDRxbVRjMk52YjNSbGNrQmhkSFJoZG1semRHRXVZMjl0Q2cBAQ==";
        assert_eq!(data_encoding::BASE64.encode(said.as_bytes()), base64);
    }
}
