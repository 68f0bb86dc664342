//! The log as server-sent events (HTML Living Standard, 9.2): what has happened, then what happens.
//!
//! A task reads the log and hands pieces to the connection over a short queue. Whoever does not take them in time is cut
//! off and goes on later with `Last-Event-ID`; no client makes the desk keep more than the queue for it.

use std::fmt::Write as _;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::header::{CONNECTION, CONTENT_TYPE, HeaderMap, HeaderValue};
use axum::response::Response;
use hyper::body::Frame;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::App;
use super::auth;
use super::serve::Line;
use super::views::EventView;
use crate::store::StoreError;
use crate::store::read::EventItem;

/// Events of one piece.
const PIECE: i64 = 100;
/// Pieces that may wait for a client.
const QUEUE: usize = 4;

/// How a stream passes its time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// How often the log is looked at when nothing wakes us.
    pub(super) poll: Duration,
    /// How often the token is looked at.
    pub(super) check: Duration,
    /// After so long a silence a comment keeps the connection alive.
    pub(super) quiet: Duration,
    /// How long a client may take for a piece.
    pub(super) slow: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { poll: seconds(1), check: seconds(5), quiet: seconds(15), slow: seconds(10) }
    }
}

/// One client that follows the log.
pub(super) struct Follower {
    /// What it asks.
    pub(super) app: App,
    /// Its request's header: its token is looked at again and again.
    pub(super) headers: HeaderMap,
    /// Its connection.
    pub(super) line: Line,
    /// Its place among the streams.
    pub(super) _slot: OwnedSemaphorePermit,
    /// The last event that it has seen.
    pub(super) after: i64,
}

/// Why a stream ends.
enum End {
    /// The client has gone, its token is dead, or we stop.
    Fair,
    /// The client takes nothing.
    Slow,
}

/// Starts following; the answer carries what comes, and its connection ends with it.
pub(super) fn answer(follower: Follower) -> Response {
    let (pieces, queue) = mpsc::channel(QUEUE);
    follower.line.outlives();
    tokio::spawn(follower.run(pieces));
    let mut response = Response::new(Body::new(Pieces(queue)));
    let fields =
        [(CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8")), (CONNECTION, HeaderValue::from_static("close"))];
    response.headers_mut().extend(fields);
    response
}

impl Follower {
    async fn run(mut self, pieces: mpsc::Sender<Bytes>) {
        let (cancel, line) = (self.app.cancel.clone(), self.line.clone());
        let end = cancel.run_until_cancelled(self.follow(&pieces)).await;
        let slow = self.app.state.guards.pace.slow;
        // Its place is free and its answer is over; a client that takes nothing would keep the connection for ever.
        drop((self, pieces));
        if !matches!(end, Some(End::Slow)) {
            sleep(slow).await;
        }
        tracing::debug!("a stream's connection is over, or is cut off");
        line.cut();
    }

    /// Follows the log until there is a reason to end.
    async fn follow(&mut self, pieces: &mpsc::Sender<Bytes>) -> End {
        let (store, pace) = (self.app.state.store.clone(), self.app.state.guards.pace);
        let (mut said, mut checked) = (Instant::now(), Instant::now());
        loop {
            // Listening comes before looking, so that nothing falls between.
            let mut grown = std::pin::pin!(store.nudges().events.notified());
            grown.as_mut().enable();
            loop {
                if checked.elapsed() >= pace.check {
                    if auth::caller(&self.app, &self.headers).await.is_err() {
                        return End::Fair;
                    }
                    checked = Instant::now();
                }
                let piece = match self.next().await {
                    Ok(Some(piece)) => piece,
                    Ok(None) if said.elapsed() >= pace.quiet => Bytes::from_static(b": still here\n\n"),
                    Ok(None) => break,
                    Err(error) => {
                        tracing::warn!(%error, "a stream of events ends: the log can't be read");
                        return End::Fair;
                    }
                };
                match timeout(pace.slow, pieces.send(piece)).await {
                    Ok(Ok(())) => said = Instant::now(),
                    Ok(Err(_)) => return End::Fair,
                    Err(_) => return End::Slow,
                }
            }
            let wake = (Instant::now() + pace.poll).min(said + pace.quiet).min(checked + pace.check);
            tokio::select! {
                () = grown => {}
                () = sleep_until(wake) => {}
                () = pieces.closed() => return End::Fair,
            }
        }
    }

    /// What has come since.
    async fn next(&mut self) -> Result<Option<Bytes>, StoreError> {
        let events = self.app.state.store.events_after(self.after, PIECE).await?;
        let Some(last) = events.last() else { return Ok(None) };
        self.after = last.seq;
        Ok(Some(events.iter().map(block).collect::<String>().into()))
    }
}

/// One event: no field of it holds a line end.
fn block(event: &EventItem) -> String {
    let mut block = String::new();
    let data = serde_json::to_string(&EventView::from(event)).unwrap_or_default();
    // Writing into a String cannot fail.
    let _ = write!(block, "id: {}\nevent: {}\ndata: {data}\n\n", event.seq, event.kind);
    block
}

/// A body that comes piece by piece.
struct Pieces(mpsc::Receiver<Bytes>);

impl hyper::body::Body for Pieces {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.0.poll_recv(cx).map(|piece| piece.map(|bytes| Ok(Frame::data(bytes))))
    }
}
