//! The DNS as this desk asks it.

use std::net::SocketAddr;
use std::time::Duration;

use mail_auth::MessageAuthenticator;
use mail_auth::hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig, ResolverOpts};
use mail_auth::hickory_resolver::system_conf::read_system_conf;

/// A question is put twice, and this long each.
const PATIENCE: Duration = Duration::from_millis(2_500);
/// Answers that are kept.
const CACHE: u64 = 16_384;
/// Answers are believed no longer than this, whatever they say.
const LONGEST: Duration = Duration::from_secs(86_400);

/// Asks the configured server, or the system's.
///
/// # Errors
/// In words, when the system's configuration can't be read.
pub fn resolver(server: Option<SocketAddr>) -> Result<MessageAuthenticator, String> {
    let (config, mut options) = match server {
        Some(address) => (ResolverConfig::from_name_servers(vec![name_server(address)]), ResolverOpts::default()),
        None => read_system_conf().map_err(|e| format!("the system's resolver can't be used: {e}"))?,
    };
    options.timeout = PATIENCE;
    options.attempts = 1;
    options.cache_size = CACHE;
    options.positive_max_ttl = Some(LONGEST);
    options.negative_max_ttl = Some(LONGEST);
    options.max_active_requests = 1_024;
    MessageAuthenticator::new(config, options).map_err(|e| format!("the resolver can't be used: {e}"))
}

fn name_server(address: SocketAddr) -> NameServerConfig {
    let at = |mut connection: ConnectionConfig| {
        connection.port = address.port();
        connection
    };
    NameServerConfig::new(address.ip(), true, vec![at(ConnectionConfig::udp()), at(ConnectionConfig::tcp())])
}
