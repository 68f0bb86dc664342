//! The numbers behind the status page and `/metrics`, which need no token: counting is done for all askers at once, and
//! rests four times as long as it took.

use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use tokio::time::{Instant, timeout};

use super::App;
use super::problem::{Answer, Problem};
use crate::store::read::Counts;

/// How long counting may take.
const PATIENCE: Duration = Duration::from_secs(5);
const REST: u32 = 4;

/// Numbers, and until when they are good enough.
pub(super) struct Counted {
    counts: Arc<Counts>,
    until: Instant,
}

/// The desk in numbers.
///
/// # Errors
/// 503 when the database does not answer.
pub(super) async fn counts(app: &App) -> Answer<Arc<Counts>> {
    let counting = async {
        let mut last = app.state.guards.counted.lock().await;
        let begun = Instant::now();
        if let Some(counted) = last.as_ref().filter(|counted| counted.until > begun) {
            return Ok(Arc::clone(&counted.counts));
        }
        let counts = Arc::new(app.state.store.counts().await?);
        let ended = Instant::now();
        *last = Some(Counted { counts: Arc::clone(&counts), until: ended + (ended - begun) * REST });
        Ok(counts)
    };
    let late = |_| Problem::later(StatusCode::SERVICE_UNAVAILABLE, 5, "The database does not answer now.");
    timeout(PATIENCE, counting).await.map_err(late)?
}
