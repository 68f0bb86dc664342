//! Connections in, requests to the routes. HTTP/1 only: one way to frame a request leaves nothing to smuggle between.

use std::future::pending;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1::Builder;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

use super::{App, State, routes};
use crate::receive::listen::{Listener, Stream};

/// Largest header of a request, its first line included, in octets.
const HEADER_SIZE: usize = 16 << 10;
/// Most fields of it.
const HEADER_FIELDS: usize = 64;
/// A header must be complete after this; also how long an idle connection stays.
const HEADER_TIME: Duration = Duration::from_secs(10);
/// How long requests in hand may take when we shut down.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(8);
/// After accept(2) has failed: with no file descriptor left it fails at once, for ever.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How old connections become.
#[derive(Clone, Copy, Debug)]
pub(super) struct Age {
    /// After this a connection takes no new request.
    pub(super) life: Duration,
    /// What is in hand then may take this long, or as long as an upload of a mail may, before it is cut off: also where
    /// the client reads its answer for ever.
    pub(super) grace: Duration,
}

impl Default for Age {
    fn default() -> Self {
        Self { life: Duration::from_secs(15 * 60), grace: Duration::from_secs(60) }
    }
}

/// What an answer may ask of the connection that carries it.
#[derive(Clone, Debug, Default)]
pub(super) struct Line {
    outlives: Arc<AtomicBool>,
    cut: CancellationToken,
}

impl Line {
    /// The connection may become as old as its answer.
    pub(super) fn outlives(&self) {
        self.outlives.store(true, Ordering::Relaxed);
    }

    /// The connection ends at once, also one whose client takes nothing.
    pub(super) fn cut(&self) {
        self.cut.cancel();
    }

    /// Until the connection is too old to go on as it is.
    async fn old(&self, age: Duration) {
        sleep(age).await;
        if self.outlives.load(Ordering::Relaxed) {
            pending::<()>().await;
        }
    }

    /// Until the connection has to end.
    async fn end(&self, age: Duration) {
        self.cut.run_until_cancelled(self.old(age)).await;
    }
}

/// Takes connections until `cancel`; then no new ones, and requests in hand are answered within 8 s. Returns when all
/// connections of this listener are over.
pub async fn serve(listener: Listener, state: State, cancel: CancellationToken) {
    let slots = Arc::clone(&state.guards.connections);
    let app = App { state, cancel: cancel.clone() };
    let service = TowerToHyperService::new(routes::router(&app));
    let (connections, cut) = (TaskTracker::new(), CancellationToken::new());
    let next = async || {
        // Whoever comes when all slots are taken waits in the kernel's queue.
        let slot = Arc::clone(&slots).acquire_owned().await;
        (listener.accept().await, slot)
    };
    while let Some((accepted, slot)) = cancel.run_until_cancelled(next()).await {
        match accepted {
            Ok((io, _)) => {
                let Age { life, grace } = app.state.guards.age;
                let age = Age { life, grace: grace.max(app.desk().config.limits.data_timeout) };
                let talk = talk(io, service.clone(), age, cancel.clone());
                let cut = cut.clone();
                connections.spawn(async move {
                    let _slot = slot;
                    cut.run_until_cancelled(talk).await
                });
            }
            Err(error) => {
                warn!(%error, listener = listener.address(), "cannot take a connection");
                cancel.run_until_cancelled(sleep(ACCEPT_PAUSE)).await;
            }
        }
    }
    drop(listener);
    connections.close();
    if timeout(SHUTDOWN_GRACE, connections.wait()).await.is_err() {
        warn!(connections = connections.len(), "HTTP connections were cut off at shutdown");
        cut.cancel();
        connections.wait().await;
    }
}

/// One connection, from its first request to its end.
async fn talk(io: Box<dyn Stream>, service: TowerToHyperService<Router>, age: Age, cancel: CancellationToken) {
    let line = Line::default();
    let service = service_fn(|mut request| {
        request.extensions_mut().insert(line.clone());
        service.call(request)
    });
    let mut connection = pin!(http1().serve_connection(TokioIo::new(io), service));
    let whole = async {
        tokio::select! {
            ended = connection.as_mut() => return ended,
            () = cancel.cancelled() => {}
            () = line.old(age.life) => {}
        }
        // An answer in hand is given; then the connection closes.
        connection.as_mut().graceful_shutdown();
        connection.await
    };
    tokio::select! {
        ended = whole => {
            if let Err(error) = ended {
                debug!(%error, "an HTTP connection ended early");
            }
        }
        () = line.end(age.life.saturating_add(age.grace)) => debug!("an HTTP connection became too old or took nothing"),
    }
}

fn http1() -> Builder {
    let mut http1 = Builder::new();
    http1.timer(TokioTimer::new()).header_read_timeout(HEADER_TIME);
    http1.max_header_size(HEADER_SIZE).max_headers(HEADER_FIELDS).max_buf_size(4 * HEADER_SIZE);
    http1
}
