//! Connections that wait a moment for the next mail to the same server.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::client::Session;

/// Most connections that wait at once; one more and the oldest goes.
const MOST: usize = 20;

/// Sessions that are between two mails.
#[derive(Default)]
pub(super) struct Pool {
    idle: Mutex<Vec<Idle>>,
}

struct Idle {
    server: String,
    since: Instant,
    session: Session,
}

impl Pool {
    /// A session with this server, if one waits.
    pub(super) fn take(&self, server: &str) -> Option<Session> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let at = idle.iter().rposition(|waiting| waiting.server == server)?;
        Some(idle.remove(at).session)
    }

    /// Keeps a session for `limit`; then it is ended in order.
    pub(super) fn keep(self: &Arc<Self>, server: &str, session: Session, limit: Duration) {
        let waiting = Idle { server: server.to_owned(), since: Instant::now(), session };
        let oldest = {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            idle.push(waiting);
            if idle.len() > MOST { Some(idle.remove(0)) } else { None }
        };
        let pool = Arc::downgrade(self);
        tokio::spawn(async move {
            if let Some(oldest) = oldest {
                oldest.session.quit().await;
            }
            tokio::time::sleep(limit).await;
            let Some(pool) = pool.upgrade() else { return };
            for waited in pool.expired(limit) {
                waited.session.quit().await;
            }
        });
    }

    fn expired(&self, limit: Duration) -> Vec<Idle> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let (over, rest) = std::mem::take(&mut *idle).into_iter().partition(|waiting| waiting.since.elapsed() >= limit);
        *idle = rest;
        over
    }
}
