//! What may be a webhook, for the API and the command line.

use ombud_webhooks::{SecretError, UrlError};

use super::guard;
use crate::config::{Secret, Webhooks};
use crate::model::EndpointId;
use crate::model::event::{self, ChoiceError};
use crate::store::{EndpointChange, NewEndpoint};

/// Why something can't be a webhook. Each is one sentence that says what is wrong.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Refusal {
    /// Its URL.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// Its events.
    #[error(transparent)]
    Events(#[from] ChoiceError),
    /// There is no secret for it.
    #[error(transparent)]
    Secret(#[from] SecretError),
}

/// A new receiver with a fresh secret, at `now` in ms.
///
/// # Errors
/// [`Refusal`].
pub fn endpoint<S: AsRef<str>>(webhooks: &Webhooks, url: &str, events: &[S], now: i64) -> Result<NewEndpoint, Refusal> {
    Ok(NewEndpoint {
        url: checked(webhooks, url)?,
        events: event::chosen(events)?,
        secret: Secret::new(ombud_webhooks::Secret::generate()?.reveal()),
        now,
    })
}

/// A change of a receiver, at `now` in ms; what is none stays.
///
/// # Errors
/// [`Refusal`].
pub fn change<S: AsRef<str>>(
    webhooks: &Webhooks,
    id: EndpointId,
    url: Option<&str>,
    events: Option<&[S]>,
    enabled: Option<bool>,
    now: i64,
) -> Result<EndpointChange, Refusal> {
    let url = url.map(|url| checked(webhooks, url)).transpose()?;
    Ok(EndpointChange { id, url, events: events.map(event::chosen).transpose()?, enabled, now })
}

fn checked(webhooks: &Webhooks, url: &str) -> Result<Secret, UrlError> {
    guard(webhooks).url(url.trim()).map(Secret::new)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::config::Net;

    #[test]
    fn what_is_wrong_is_named() {
        let webhooks = Webhooks::default();
        let refused = |url: &str, events: &[&str]| endpoint(&webhooks, url, events, 1).unwrap_err().to_string();
        assert!(refused("http://a.example/", &["*"]).contains("allow_http"));
        assert!(refused("https://127.0.0.1/", &["*"]).contains("allow_networks"));
        assert!(refused("https://a.example/", &["ticket.create"]).contains("\"ticket.created\""));
        assert!(refused("https://a.example/", &[]).contains("no event"));
        let made = endpoint(&webhooks, " HTTPS://A.example ", &["*"], 1).unwrap();
        assert_eq!(made.url.reveal(), "https://a.example/");
        assert!(!format!("{made:?}").contains("a.example") && made.secret.reveal().starts_with("whsec_"));
    }

    #[test]
    fn the_configuration_opens_networks_by_name() {
        let net = Net { address: "127.0.0.0".parse().unwrap(), prefix: 8 };
        let webhooks = Webhooks { allow_http: true, allow_networks: vec![net] };
        assert!(endpoint(&webhooks, "http://127.0.0.1:9/", &["*"], 1).is_ok());
        assert!(endpoint(&webhooks, "http://10.0.0.1:9/", &["*"], 1).is_err());
    }
}
