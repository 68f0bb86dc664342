//! What an agent gets when their quiet hours end, or an hour with too much news, and much has waited: one mail for all of it.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::desk::quiet;
use crate::model::Address;
use crate::model::outgoing::OutboxRow;
use crate::model::text::one_line;
use crate::store::StoreError;
use crate::store::read::{DAY, NewsItem};

use super::super::letter::Letter;
use super::super::wording::digest::{self, Line, Night};
use super::agent::shown;
use super::{Composer, Matter};

/// Characters of a subject, and of a name.
const SUBJECT: usize = 200;
const NAME: usize = 80;

impl Composer<'_> {
    /// A line for each ticket. It holds no address of a ticket: who wants to see one asks for it at the desk address.
    pub(super) async fn news(&self, letter: &mut Letter, row: &OutboxRow, matter: &Matter) -> Result<(), StoreError> {
        let Some(news) = &row.params.news else { return Err(StoreError::Corrupt("a digest of nothing".into())) };
        let address = self.desk_address(matter);
        let clock =
            Clock { now: self.now, zone: matter.recipient.settings.timezone.as_deref().and_then(quiet::zone).unwrap_or(TimeZone::UTC) };
        let items = self.store.news(&news.newest).await?;
        let lines: Vec<Line> = items.iter().map(|item| line(item, matter, &clock)).collect();
        let night = Night {
            count: news.count,
            hasty: news.hasty,
            tickets: news.tickets,
            since: &clock.shown(news.since),
            zone: clock.zone.iana_name().unwrap_or("UTC"),
            lines: &lines,
            desk: &address,
        };
        letter.subject = digest::subject(&night);
        letter.text = digest::text(&night);
        letter.html = Some(digest::html(&night));
        letter.reply_to = Some(address.clone());
        letter.desk_address = Some(address);
        Ok(())
    }
}

/// The clock that hangs where the agent is.
struct Clock {
    now: i64,
    zone: TimeZone,
}

impl Clock {
    /// A time (ms): of the last day its time of day, else its date, too.
    fn shown(&self, at: i64) -> String {
        let form = if (0..DAY).contains(&(self.now - at)) { "%H:%M" } else { "%Y-%m-%d %H:%M" };
        Timestamp::from_millisecond(at).map_or(String::new(), |at| at.to_zoned(self.zone.clone()).strftime(form).to_string())
    }
}

fn line(item: &NewsItem, matter: &Matter, clock: &Clock) -> Line {
    let ticket = &item.ticket;
    let mut facts = Vec::new();
    if let Some((author, at)) = &item.last {
        let name = one_line(author.as_ref().map_or("the desk", shown), NAME);
        facts.push(digest::last(&name, &clock.shown(*at)));
    }
    match item.messages {
        0 => {}
        1 => facts.push("1 new message".to_owned()),
        n => facts.push(format!("{n} new messages")),
    }
    facts.push(match ticket.merged_into {
        Some(into) => format!("merged into #{into}"),
        None => ticket.status.to_string(),
    });
    facts.push(match ticket.assignee.as_ref() {
        None => "assigned to nobody".to_owned(),
        Some(assignee) if matter.recipient.has_address(&Address::key(assignee)) => "assigned to you".to_owned(),
        Some(assignee) => format!("assigned to {}", one_line(shown(assignee), NAME)),
    });
    Line { number: ticket.number.0, subject: one_line(&ticket.subject, SUBJECT), facts: facts.join("; ") }
}
