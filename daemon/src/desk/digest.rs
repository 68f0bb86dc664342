//! The end of quiet hours, or of an hour with too much news: many notifications that waited for it are one mail, a few leave one by one.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::facts::WaitingNews;
use crate::model::outgoing::{MailKind, News, NewsOf, Params};
use crate::model::people::Notify;
use crate::model::{MessageId, OutboxId, PersonId, TicketId};

use super::ledger::Ledger;
use super::quiet;

/// Notifications that leave one by one.
const FEW: usize = 5;
/// Tickets that a digest names.
const NAMED: usize = 200;

/// Whose quiet hours end, and when (ms), by the key of the timer.
pub(super) fn of(key: &str) -> Option<(PersonId, i64)> {
    let (end, person) = key.split_once('/')?;
    Some((PersonId(person.parse().ok()?), end.parse().ok()?))
}

/// Decides what becomes of all that waits for the end of somebody's quiet hours. Who does not work here any more gets nothing of
/// it. Who wants to hear of nothing by now is not notified, and gets what was meant for them alone: a ticket that they have put off
/// is open again, a ticket is theirs.
pub(super) fn fire(ledger: &mut Ledger<'_>, key: &str) {
    let facts = ledger.facts;
    let Some((person, end)) = of(key) else { return };
    let Some(news) = facts.news.get(&(person, end)) else { return };
    let ids = |of: &dyn Fn(MailKind) -> bool| news.iter().filter(|news| of(news.kind)).map(|news| news.id).collect::<Vec<_>>();
    let all = ids(&|_| true);
    ledger.changes.guard.news.push(((person, end), all.clone()));
    match facts.person(person).filter(|p| p.is_staff() && !p.disabled) {
        None => ledger.changes.folded = all,
        Some(reader) if reader.settings.notify == Notify::None => ledger.changes.folded = ids(&|kind| kind == MailKind::Notify),
        Some(_) if news.len() <= FEW => {}
        Some(reader) => {
            ledger.changes.folded = all;
            let Some(first) = news.first() else { return };
            let began = quiet::began(&reader.settings, end);
            let since = began.filter(|began| *began <= first.created_at).unwrap_or(first.created_at);
            let news = News { hasty: began.is_none(), ..summary(news, since) };
            let params = Params { news: Some(news), ..Params::default() };
            ledger.send(MailKind::News, reader, None, None, params);
        }
    }
}

/// By ticket, newest first.
fn summary(news: &[WaitingNews], since: i64) -> News {
    let mut tickets: BTreeMap<TicketId, (OutboxId, BTreeSet<MessageId>)> = BTreeMap::new();
    for one in news {
        let (last, messages) = tickets.entry(one.ticket).or_insert((one.id, BTreeSet::new()));
        *last = one.id.max(*last);
        messages.extend(one.message);
    }
    let mut newest: Vec<_> = tickets.into_iter().collect();
    newest.sort_by_key(|(_, (last, _))| std::cmp::Reverse(*last));
    let tickets = newest.len();
    let of = |(ticket, (_, messages)): (TicketId, (OutboxId, BTreeSet<MessageId>))| NewsOf {
        ticket,
        messages: messages.len(),
        last: messages.last().copied(),
    };
    News { since, hasty: false, count: news.len(), tickets, newest: newest.into_iter().take(NAMED).map(of).collect() }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]
mod tests;
