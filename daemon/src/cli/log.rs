//! Logs of a running daemon: stderr, as much as `$OMBUD_LOG` asks for.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

/// Logs from now on. `usual` is the filter where `$OMBUD_LOG` says nothing, in the form of tracing: `info,sqlx=warn`.
pub(super) fn start(usual: &str) {
    let filter = std::env::var("OMBUD_LOG").ok().and_then(|text| EnvFilter::try_new(text).ok()).unwrap_or_else(|| EnvFilter::new(usual));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(std::io::stderr().is_terminal());
    // A second start in one process keeps the first.
    let _ = log.try_init();
}
