//! Connections that wait a moment for the next mail to the same server.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::time::Instant;

use super::client::Session;

/// Most connections that wait at once; one more and the oldest goes.
const MOST: usize = 20;

/// Sessions that are between two mails.
#[derive(Default)]
pub(super) struct Pool {
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    /// Oldest first.
    idle: VecDeque<Idle>,
    /// Somebody sees to it that none waits too long.
    watched: bool,
}

struct Idle {
    server: String,
    until: Instant,
    session: Session,
}

impl Pool {
    /// The session with this server that waits for the shortest time, if one does.
    pub(super) fn take(&self, server: &str) -> Option<Session> {
        let idle = &mut self.waiting().idle;
        let at = idle.iter().rposition(|waiting| waiting.server == server)?;
        idle.remove(at).map(|taken| taken.session)
    }

    /// Keeps a session for `limit`, which is the same for all; then it is ended in order.
    pub(super) fn keep(self: &Arc<Self>, server: &str, session: Session, limit: Duration) {
        let mut waiting = self.waiting();
        waiting.idle.push_back(Idle { server: server.to_owned(), until: Instant::now() + limit, session });
        if waiting.idle.len() > MOST
            && let Some(oldest) = waiting.idle.pop_front()
        {
            tokio::spawn(oldest.session.quit());
        }
        if !std::mem::replace(&mut waiting.watched, true) {
            tokio::spawn(watch(Arc::downgrade(self)));
        }
    }

    /// The oldest, if its time is over; else when it will be; `None` when none waits, and nobody watches from then on.
    fn expired(&self) -> Option<Result<Session, Instant>> {
        let mut waiting = self.waiting();
        let until = waiting.idle.front().map(|oldest| oldest.until);
        waiting.watched = until.is_some();
        match until? {
            until if until > Instant::now() => Some(Err(until)),
            _ => waiting.idle.pop_front().map(|oldest| Ok(oldest.session)),
        }
    }

    /// How many wait.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.waiting().idle.len()
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        // Nothing that can panic is done under the lock.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends what has waited its time, until none waits.
async fn watch(pool: Weak<Pool>) {
    while let Some(oldest) = pool.upgrade().and_then(|pool| pool.expired()) {
        match oldest {
            Ok(session) => drop(tokio::spawn(session.quit())),
            Err(until) => tokio::time::sleep_until(until).await,
        }
    }
}
