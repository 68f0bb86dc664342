//! `ombud webhook`: who is told of events over HTTPS. A secret is shown once.

use std::time::Duration;

use clap::Subcommand;
use ombud_webhooks::{Claimed, Secret};

use super::failure::{Failure, TEMPORARY, UNAVAILABLE};
use super::input::Paging;
use super::json::List;
use super::out::{Answer, Done};
use super::table::{Table, time};
use super::ticket::more;
use crate::app::{Opened, is_served};
use crate::feed::hooks::{self, Refusal};
use crate::http::webhook_views::{DeliveryView, EndpointView};
use crate::model::{DeliveryId, EndpointId};
use crate::store::read::{DeliveryItem, DeliveryState};
use crate::store::{Cmd, Endpoint, Outcome, TestDelivery, fresh_message};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make a webhook; its secret is the last word that is printed, and shown only now
    Add {
        /// Where to, like https://hooks.example.com/ombud
        url: String,
        /// What it is told of, like ticket.created,message.received; * is all
        #[arg(long, value_name = "EVENTS", required = true, value_delimiter = ',')]
        events: Vec<String>,
    },
    /// List all webhooks, without their secrets
    List,
    /// Send one test event now, and say what came of it (exit code 69 when it failed)
    Test {
        /// The webhook's number in the list
        id: i64,
    },
    /// List what was sent to a webhook, or waits for it, newest first
    Deliveries {
        /// The webhook's number in the list
        id: i64,
        #[command(flatten)]
        paging: Paging,
    },
    /// Send deliveries again, with the same webhook-id
    Redeliver {
        /// Their numbers in the list of deliveries
        #[arg(required = true, value_name = "DELIVERY")]
        ids: Vec<i64>,
    },
    /// Send to a webhook again; what waited for it goes on
    Enable {
        /// Its number in the list
        id: i64,
    },
    /// Send nothing to a webhook until it is enabled
    Disable {
        /// Its number in the list
        id: i64,
    },
    /// Remove a webhook with what waits for it
    Remove {
        /// Its number in the list
        id: i64,
    },
}

pub(super) async fn run(command: Command, opened: &Opened, json: bool) -> Done {
    match command {
        Command::Add { url, events } => add(opened, json, &url, &events).await,
        Command::List => list(opened, json).await,
        Command::Test { id } => test(opened, json, EndpointId(id)).await,
        Command::Deliveries { id, paging } => deliveries(opened, json, EndpointId(id), &paging).await,
        Command::Redeliver { ids } => redeliver(opened, json, &ids).await,
        Command::Enable { id } => enable(opened, json, EndpointId(id), true).await,
        Command::Disable { id } => enable(opened, json, EndpointId(id), false).await,
        Command::Remove { id } => {
            opened.store.run(Cmd::RemoveEndpoint { id: EndpointId(id), now: opened.clock.now() }).await?;
            Answer::of(json, &serde_json::json!({ "id": id, "removed": true }), || format!("webhook {id} is removed"))
        }
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Secret(_) => Self::new(TEMPORARY, refusal.to_string()),
            _ => Self::data(refusal.to_string()),
        }
    }
}

async fn add(opened: &Opened, json: bool, url: &str, events: &[String]) -> Done {
    let new = hooks::endpoint(&opened.config.webhooks, url, events, opened.clock.now())?;
    let Outcome::Id(id) = opened.store.run(Cmd::AddEndpoint(Box::new(new.clone()))).await? else {
        return Err(Failure::bug("the new webhook has no number"));
    };
    Answer::of(json, &EndpointView::made(id, &new), || {
        let events = new.events.join(", ");
        format!("Webhook {id} is told of: {events}. Its secret is shown only now:\n{}", new.secret.reveal())
    })
}

async fn list(opened: &Opened, json: bool) -> Done {
    let found = opened.store.endpoints().await?;
    let text = || {
        if found.is_empty() {
            return "There are no webhooks: see `ombud webhook add --help`".to_owned();
        }
        let mut table = Table::headed(["ID", "STATE", "SINCE", "LAST SUCCESS", "EVENTS", "URL"]);
        for endpoint in &found {
            let (state, since) = state(endpoint);
            let success = endpoint.last_success_at.map_or_else(String::new, time);
            table.row([&endpoint.id.to_string(), state, &time(since), &success, &endpoint.events.join(","), &endpoint.url]);
        }
        table.text()
    };
    Answer::of(json, &List::all(found.iter().map(EndpointView::from).collect()), text)
}

fn state(endpoint: &Endpoint) -> (&'static str, i64) {
    match (endpoint.disabled_at, endpoint.failing_since) {
        (Some(at), _) => ("disabled", at),
        (None, Some(at)) => ("failing", at),
        (None, None) => ("enabled", endpoint.enabled_at),
    }
}

/// One try by this very command, whether or not a daemon runs: nothing waits, nothing is tried again, and it says nothing
/// about the webhook's other deliveries.
async fn test(opened: &Opened, json: bool, id: EndpointId) -> Done {
    let endpoint = find(opened, id).await?;
    let secret = opened.store.endpoint_secret(id).await?.ok_or_else(|| missing(id))?;
    let client = hooks::client(&opened.config.webhooks).map_err(|error| Failure::new(UNAVAILABLE, error.to_string()))?;
    let now = opened.clock.now();
    let (message, body) = (fresh_message()?, hooks::test(now));
    let claimed = Claimed {
        id: 0,
        message: message.clone(),
        endpoint: id.0.cast_unsigned(),
        url: endpoint.url,
        secrets: Secret::parse(secret.reveal()).into_iter().collect(),
        body: body.clone(),
        attempts: 1,
        first_at: now,
    };
    let attempt = client.attempt(&claimed, now.div_euclid(1000)).await;
    let tried = hooks::tried(attempt.result.as_ref().map(|status| *status), attempt.ms);
    let now = opened.clock.now();
    let kind = hooks::TEST.to_owned();
    let cmd = TestDelivery { endpoint: id, message, kind, body, tried: tried.clone(), now };
    let Outcome::Id(delivery) = opened.store.run(Cmd::TestedEndpoint(Box::new(cmd))).await? else {
        return Err(Failure::bug("the test has no number"));
    };
    let delivery = opened.store.delivery(DeliveryId(delivery)).await?.ok_or_else(|| Failure::bug("the test is gone"))?;
    let took = Duration::from_millis(tried.ms.unsigned_abs());
    let answer = Answer::of(json, &DeliveryView::of(&delivery), || match tried.is_success() {
        true => format!("webhook {id} took the test event: status {} after {took:?}", tried.status.unwrap_or(0)),
        false => String::new(),
    })?;
    let failure = || Failure::new(UNAVAILABLE, format!("webhook {id} did not take the test event: {} after {took:?}", tried.reason));
    Ok(Answer { failure: (!tried.is_success()).then(failure), ..answer })
}

async fn deliveries(opened: &Opened, json: bool, id: EndpointId, paging: &Paging) -> Done {
    find(opened, id).await?;
    let page = opened.store.deliveries(id, paging.cursor(1)?, paging.limit()).await?;
    Answer::of(json, &List::page(&page, DeliveryView::of), || {
        if page.items.is_empty() {
            return "There are no deliveries".to_owned();
        }
        let mut table = Table::headed(["ID", "STATE", "TRIES", "CREATED", "NEXT TRY", "TYPE", "LAST TRY"]);
        for delivery in &page.items {
            table.row([
                &delivery.id.to_string(),
                delivery.state.word(),
                &delivery.attempts.to_string(),
                &time(delivery.created_at),
                &if delivery.state == DeliveryState::Waiting { time(delivery.due_at) } else { String::new() },
                &delivery.kind,
                &last(delivery),
            ]);
        }
        table.text() + more(page.next.as_deref()).as_str()
    })
}

fn last(delivery: &DeliveryItem) -> String {
    match &delivery.last {
        None => String::new(),
        Some((_, tried)) if tried.is_success() => format!("status {}", tried.status.unwrap_or(0)),
        Some((_, tried)) => tried.reason.clone(),
    }
}

async fn redeliver(opened: &Opened, json: bool, ids: &[i64]) -> Done {
    let mut found = Vec::new();
    for id in ids.iter().map(|id| DeliveryId(*id)) {
        opened.store.run(Cmd::Redeliver { id, now: opened.clock.now() }).await?;
        found.extend(opened.store.delivery(id).await?);
    }
    let views = List::all(found.iter().map(DeliveryView::of).collect());
    let lines = || found.iter().map(|delivery| format!("delivery {} is sent again", delivery.id)).collect::<Vec<_>>().join("\n");
    let answer = Answer::of(json, &views, lines)?;
    match opened.store.is_shared() || is_served(&opened.config.desk.data) {
        true => Ok(answer),
        false => Ok(answer.noting("no daemon runs on this desk: it is sent when `ombud serve` runs")),
    }
}

async fn enable(opened: &Opened, json: bool, id: EndpointId, enabled: bool) -> Done {
    let change = hooks::change::<String>(&opened.config.webhooks, id, None, None, Some(enabled), opened.clock.now())?;
    opened.store.run(Cmd::ChangeEndpoint(Box::new(change))).await?;
    let word = if enabled { "enabled" } else { "disabled" };
    Answer::of(json, &EndpointView::from(&find(opened, id).await?), || format!("webhook {id} is {word}"))
}

async fn find(opened: &Opened, id: EndpointId) -> Result<Endpoint, Failure> {
    opened.store.endpoint(id).await?.ok_or_else(|| missing(id))
}

fn missing(id: EndpointId) -> Failure {
    Failure::missing(format!("there is no webhook {id}: see `ombud webhook list`"))
}
