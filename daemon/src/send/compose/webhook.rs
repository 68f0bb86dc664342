//! What admins get when a webhook was disabled.

use crate::clock::rfc3339;
use crate::model::outgoing::OutboxRow;
use crate::store::StoreError;

use super::super::letter::Letter;
use super::super::wording::{self, Disabled};
use super::{Composer, Matter};

impl Composer<'_> {
    pub(super) async fn webhook(&self, letter: &mut Letter, row: &OutboxRow, matter: &Matter) -> Result<(), StoreError> {
        letter.desk_address = Some(self.desk_address(matter));
        letter.subject = format!("A webhook of {} is disabled", self.desk.config.desk.name);
        let found = match row.params.endpoint {
            Some(id) => self.store.endpoint(id).await?,
            None => None,
        };
        let Some((endpoint, at)) = found.and_then(|endpoint| endpoint.disabled_at.map(|at| (endpoint, at))) else {
            letter.text = "A webhook was disabled and has been dealt with meanwhile.".into();
            return Ok(());
        };
        letter.text = wording::webhook(&Disabled {
            id: endpoint.id.0,
            host: host(&endpoint.url),
            why: &endpoint.disabled_why,
            at: &rfc3339(at),
            since: endpoint.failing_since.map(rfc3339).as_deref(),
        });
        Ok(())
    }
}

/// The host of a URL; people put tokens into the rest.
fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split(['/', '?', '#']).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_but_the_host_is_told() {
        for (url, told) in [
            ("https://hooks.example.com/T0K3N/x", "hooks.example.com"),
            ("http://127.0.0.1:9000/", "127.0.0.1:9000"),
            ("https://[2001:db8::1]:8443?token=x", "[2001:db8::1]:8443"),
            ("", ""),
        ] {
            assert_eq!(host(url), told);
        }
    }
}
