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
    Client::new(guard(webhooks), Limits::default(), Arc::new(SystemResolver), Vec::new())
}

/// Delivers until `cancel`; begins anew when `[webhooks]` of the configuration has changed.
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
                () = changed(&mut config, &webhooks) => {}
            }
            ended.cancel();
        });
    }
}

/// Waits for another `[webhooks]`.
async fn changed(config: &mut watch::Receiver<Arc<Config>>, before: &Webhooks) {
    if config.wait_for(|config| config.webhooks != *before).await.is_err() {
        pending().await
    }
}
