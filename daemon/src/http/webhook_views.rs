//! Webhooks and their deliveries as the API and the command line show them.

use serde::Serialize;

use super::views::time;
use crate::model::{DeliveryId, EndpointId};
use crate::store::read::{DeliveryItem, DeliveryState};
use crate::store::{Endpoint, NewEndpoint, Tried};

/// A receiver. Its secret is shown once, when it is made.
#[derive(Debug, Serialize)]
pub struct EndpointView<'a> {
    id: EndpointId,
    url: &'a str,
    events: &'a [String],
    enabled: bool,
    created_at: String,
    disabled_at: Option<String>,
    disabled_reason: Option<&'a str>,
    failing_since: Option<String>,
    last_success_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<&'a str>,
}

impl<'a> From<&'a Endpoint> for EndpointView<'a> {
    fn from(endpoint: &'a Endpoint) -> Self {
        Self {
            id: endpoint.id,
            url: &endpoint.url,
            events: &endpoint.events,
            enabled: endpoint.disabled_at.is_none(),
            created_at: time(endpoint.created_at),
            disabled_at: endpoint.disabled_at.map(time),
            disabled_reason: endpoint.disabled_at.map(|_| endpoint.disabled_why.as_str()),
            failing_since: endpoint.failing_since.map(time),
            last_success_at: endpoint.last_success_at.map(time),
            secret: None,
        }
    }
}

impl<'a> EndpointView<'a> {
    /// One that was just made, with its secret, for the one time: nothing that fails later keeps it from being seen.
    pub fn made(id: i64, new: &'a NewEndpoint) -> Self {
        Self {
            id: EndpointId(id),
            url: new.url.reveal(),
            events: &new.events,
            enabled: true,
            created_at: time(new.now),
            disabled_at: None,
            disabled_reason: None,
            failing_since: None,
            last_success_at: None,
            secret: Some(new.secret.reveal()),
        }
    }
}

/// One try of a delivery.
#[derive(Debug, Serialize)]
struct TryView<'a> {
    at: String,
    status: Option<u16>,
    reason: Option<&'a str>,
    ms: i64,
}

/// A delivery with its newest tries, oldest first.
#[derive(Debug, Serialize)]
pub struct DeliveryView<'a> {
    id: DeliveryId,
    webhook: EndpointId,
    webhook_id: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    seq: Option<i64>,
    state: DeliveryState,
    attempts: i64,
    created_at: String,
    next_attempt_at: Option<String>,
    status: Option<u16>,
    reason: Option<&'a str>,
    tries: Vec<TryView<'a>>,
}

impl<'a> DeliveryView<'a> {
    /// A delivery and what became of it.
    pub fn of(delivery: &'a DeliveryItem) -> Self {
        let last = delivery.last.as_ref().map(|(_, tried)| tried);
        let tried = |(at, tried): &'a (i64, Tried)| TryView { at: time(*at), status: tried.status, reason: reason(tried), ms: tried.ms };
        Self {
            id: delivery.id,
            webhook: delivery.endpoint,
            webhook_id: &delivery.message,
            kind: &delivery.kind,
            seq: Some(delivery.seq).filter(|seq| *seq > 0),
            state: delivery.state,
            attempts: delivery.attempts,
            created_at: time(delivery.created_at),
            next_attempt_at: (delivery.state == DeliveryState::Waiting).then(|| time(delivery.due_at)),
            status: last.and_then(|tried| tried.status),
            reason: last.and_then(reason),
            tries: delivery.tries.iter().map(tried).collect(),
        }
    }
}

fn reason(tried: &Tried) -> Option<&str> {
    (!tried.is_success()).then_some(tried.reason.as_str())
}
