//! The certificates of the listeners; renewed files are picked up while the daemon runs.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls::ServerConfig;
use rustls::crypto::ring::default_provider;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::config::{Config, TlsFiles};
use crate::receive::Certificates;

use super::AppError;

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(10);

/// Reads certificate and key.
///
/// # Errors
/// One line that names the file and says what is wrong with it.
pub fn load(files: &TlsFiles) -> Result<Arc<ServerConfig>, String> {
    let bad = |path: &Path, why: String| format!("{}: {why}", path.display());
    let chain: Result<Vec<_>, _> = CertificateDer::pem_file_iter(&files.cert).and_then(Iterator::collect);
    let chain = chain.map_err(|e| bad(&files.cert, e.to_string()))?;
    if chain.is_empty() {
        return Err(bad(&files.cert, "there is no certificate in it".into()));
    }
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|e| bad(&files.key, e.to_string()))?;
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key));
    config.map(Arc::new).map_err(|e| bad(&files.cert, format!("{e} (with {})", files.key.display())))
}

/// The certificates of a configuration, where it has some.
pub(super) fn of(config: &Config) -> Result<Certificates, AppError> {
    let load = |section: &str, files: Option<&TlsFiles>| {
        files.map(load).transpose().map_err(|why| AppError::Config(format!("[{section}] tls: {why}")))
    };
    let [smtp, submission] = files(config);
    Ok(Certificates { smtp: load("smtp", smtp)?, submission: load("submission", submission)? })
}

fn files(config: &Config) -> [Option<&TlsFiles>; 2] {
    [config.smtp.as_ref().and_then(|s| s.tls.as_ref()), config.submission.as_ref().and_then(|s| s.tls.as_ref())]
}

/// Loads the files again when they change. One that can't be read leaves the old one in place.
pub(super) async fn renew(config: watch::Receiver<Arc<Config>>, tls: Arc<watch::Sender<Certificates>>, cancel: CancellationToken) {
    let mut seen = stamps(&config.borrow());
    loop {
        tokio::select! {
            () = cancel.cancelled() => return,
            () = tokio::time::sleep(LOOK) => {}
        }
        let config = config.borrow().clone();
        let now = stamps(&config);
        if now == seen {
            continue;
        }
        match of(&config) {
            Ok(found) => {
                tls.send_replace(found);
                seen = now;
                tracing::info!("the certificate was loaded again");
            }
            Err(error) => tracing::error!(%error, "a new certificate can't be used; the old one stays"),
        }
    }
}

fn stamps(config: &Config) -> Vec<Option<SystemTime>> {
    let stamp = |path: &std::path::PathBuf| std::fs::metadata(path).and_then(|m| m.modified()).ok();
    files(config).into_iter().flatten().flat_map(|f| [stamp(&f.cert), stamp(&f.key)]).collect()
}
