//! From the log to deliveries: one row for each event and receiver that wants it, in the commit that moves the place in the
//! log. So each event is fanned out once, whoever dies when.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::payload;
use crate::clock::Clock;
use crate::model::TicketId;
use crate::model::event::wants;
use crate::store::read::{EventItem, TicketItem};
use crate::store::{Cmd, Endpoint, FanOut, NewDelivery, Store, StoreError};

/// Events of one command, and octets of its bodies.
const EVENTS: i64 = 200;
const OCTETS: usize = 2 << 20;
/// Nudges only save time.
const POLL: Duration = Duration::from_secs(1);
/// Events that come together are fanned out together.
const GATHER: Duration = Duration::from_millis(20);
/// What history brought has not happened now; nobody is told.
const HISTORY: &str = "import";

/// Fans out what happens until `cancel`.
pub async fn fan_out(store: Store, clock: Clock, cancel: CancellationToken) {
    loop {
        // Listening comes before looking, so that nothing falls between.
        let mut grown = pin!(store.nudges().events.notified());
        grown.as_mut().enable();
        let more = match one(&store, clock).await {
            Ok(more) => more,
            // Another node was faster.
            Err(StoreError::Conflict(_)) => true,
            Err(error) => {
                tracing::warn!(%error, "events could not be prepared for webhooks; it is tried again");
                false
            }
        };
        tokio::select! {
            () = cancel.cancelled() => return,
            () = async {}, if more => continue,
            () = grown => {}
            () = tokio::time::sleep(POLL) => continue,
        }
        tokio::select! {
            () = cancel.cancelled() => return,
            () = tokio::time::sleep(GATHER) => {}
        }
    }
}

/// One command; says whether there may be more.
async fn one(store: &Store, clock: Clock) -> Result<bool, StoreError> {
    // The place first: whoever listens from later on wants nothing of what is before it.
    let (from, head) = store.webhooks_place().await?;
    if from >= head {
        return Ok(false);
    }
    let mut listeners = store.endpoints().await?;
    listeners.retain(|endpoint| endpoint.disabled_at.is_none());
    let Some(first) = listeners.iter().map(|endpoint| endpoint.from_seq).min() else { return Ok(false) };
    let after = from.max(first);
    let mut events = store.events_after(after, EVENTS).await?;
    events.retain(|event| event.seq <= head);
    let (mut to, mut deliveries, mut octets) = (after, Vec::new(), 0);
    let mut tickets = BTreeMap::new();
    for event in &events {
        let new = of_event(store, event, &listeners, &mut tickets).await?;
        octets += new.iter().map(|delivery| delivery.body.len()).sum::<usize>();
        deliveries.extend(new);
        to = event.seq;
        if octets > OCTETS {
            break;
        }
    }
    if to > from {
        store.run(Cmd::FanOut(Box::new(FanOut { from, to, deliveries, now: clock.now() }))).await?;
    }
    Ok(to < head)
}

async fn of_event(
    store: &Store,
    event: &EventItem,
    listeners: &[Endpoint],
    tickets: &mut BTreeMap<TicketId, Option<TicketItem>>,
) -> Result<Vec<NewDelivery>, StoreError> {
    let hears = |endpoint: &&Endpoint| endpoint.from_seq < event.seq && wants(&endpoint.events, &event.kind);
    let mut hearing = listeners.iter().filter(hears).peekable();
    if hearing.peek().is_none() || event.actor == HISTORY {
        return Ok(Vec::new());
    }
    if let Some(id) = event.ticket
        && !tickets.contains_key(&id)
    {
        tickets.insert(id, store.ticket(id).await?);
    }
    let ticket = event.ticket.and_then(|id| tickets.get(&id)).and_then(Option::as_ref);
    let message = match payload::message_of(event) {
        Some(id) => store.message_label(id).await?,
        None => None,
    };
    let body: Arc<str> = payload::body(event, ticket, message.as_ref()).into();
    let new = |endpoint: &Endpoint| NewDelivery { endpoint: endpoint.id, seq: event.seq, kind: event.kind.clone(), body: body.clone() };
    Ok(hearing.map(new).collect())
}
