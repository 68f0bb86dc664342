//! Webhooks: what may be one is checked (`choice`), events become deliveries (`fan`), what is sent of each is rendered once (`payload`), and the worker of
//! `ombud-webhooks` delivers them from the database (`queue`).

mod choice;
mod fan;
mod payload;
mod queue;

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use ombud_webhooks::{Client, ClientError, Guard, Limits, Settings, SystemResolver};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::config::{Config, Webhooks};

pub use choice::{Refusal, change, endpoint};
pub use fan::fan_out;
pub use payload::{TEST, test};
pub use queue::{Hooks, tried};

/// Deliveries to one receiver at once.
const PER_ENDPOINT: usize = 4;
/// The certificate authorities of this machine are read again so often, and at every reload.
const RENEWED: Duration = Duration::from_secs(24 * 60 * 60);
/// How long to wait before TLS is tried to be set up again.
const AGAIN: Duration = Duration::from_secs(60);

/// Which receivers the configuration allows.
pub fn guard(webhooks: &Webhooks) -> Guard {
    let nets = webhooks.allow_networks.iter().filter_map(|net| IpNet::new(net.address, net.prefix).ok());
    Guard { allow_http: webhooks.allow_http, allow_networks: nets.collect() }
}

/// What makes the requests.
///
/// # Errors
/// When this machine has no certificate authorities.
pub fn client(webhooks: &Webhooks) -> Result<Client, ClientError> {
    Client::new(guard(webhooks), Limits::default(), Arc::new(SystemResolver::default()), Vec::new())
}

/// Delivers until `cancel`; begins anew when the configuration was read again, and daily.
pub async fn deliver(hooks: Arc<Hooks>, mut config: watch::Receiver<Arc<Config>>, clock: Clock, cancel: CancellationToken) {
    while !cancel.is_cancelled() {
        let webhooks = config.borrow_and_update().webhooks.clone();
        let ended = cancel.child_token();
        let work = async {
            match client(&webhooks) {
                Ok(client) => {
                    let mut settings = Settings::new(Arc::new(move || clock.now()));
                    settings.per_endpoint = PER_ENDPOINT;
                    let nudge = hooks.nudge();
                    ombud_webhooks::run(hooks.clone(), Arc::new(client), settings, nudge, ended.clone()).await;
                }
                Err(error) => {
                    tracing::error!(%error, "no webhook is delivered; it is tried again in a minute");
                    let _ = tokio::time::timeout(AGAIN, ended.cancelled()).await;
                }
            }
        };
        tokio::join!(work, async {
            tokio::select! {
                () = cancel.cancelled() => {}
                () = renewed(&mut config) => {}
            }
            ended.cancel();
        });
    }
}

/// Waits for a reload, or for [`RENEWED`].
async fn renewed(config: &mut watch::Receiver<Arc<Config>>) {
    if let Ok(Err(_)) = tokio::time::timeout(RENEWED, config.changed()).await {
        pending().await
    }
}
