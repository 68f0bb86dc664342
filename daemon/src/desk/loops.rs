//! The loop breaker: where two programs answer each other, every mail is kept and the agents hear of the first that is too many.

use crate::model::changes::PersonRef;
use crate::model::facts::{Keys, RecentKey, RecentMessage};
use crate::model::people::Person;
use crate::model::{PersonId, TicketId};

use super::customer::As;
use super::draft::Draft;
use super::{Known, need};

/// Flag of a message of which its author has sent too many: they write too fast, or say the same again and again.
const LOOP: &str = "loop";
/// Messages of one author on one ticket within [`SHORT`] of which each is told.
const FAST: usize = 10;
/// In ms.
const SHORT: i64 = 600_000;
/// Messages of one author on one ticket with the same words within [`HOUR`] of which each is told.
const SAME: usize = 2;
/// In ms.
const HOUR: i64 = 3_600_000;
/// Flag of an automatic message of which there are too many on the ticket, whoever sends them.
const FLOOD: &str = "flood";
/// Automatic messages on one ticket within [`DAY`] of which each is told.
const AUTOMATIC: usize = 20;
/// In ms.
const DAY: i64 = 24 * HOUR;

/// How a message stands to a limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    /// Within it.
    #[default]
    Usual,
    /// The first over it.
    First,
    /// Over it like one before, which was told.
    Further,
}

/// How fast messages come on a ticket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Pace {
    /// Those of this author.
    pub(super) author: Level,
    /// Automatic ones, if this is one.
    pub(super) automatic: Level,
}

impl Pace {
    /// What the message is to be flagged with.
    pub(super) fn flags(self) -> impl Iterator<Item = String> {
        let over = [(self.author, LOOP), (self.automatic, FLOOD)].into_iter().filter(|(level, _)| *level != Level::Usual);
        over.map(|(_, flag)| flag.to_owned())
    }
}

/// How fast mail like this one comes on a ticket where others have written before. A message that was received a while
/// later counts, too: several may be decided at once, in any order.
pub(super) fn pace(draft: &Draft<'_>, ticket: TicketId, sender: PersonRef, role: As) -> Known<Pace> {
    let author = match sender {
        // The brake looks after those who work here.
        PersonRef::Id(id) if !draft.facts.person(id).is_some_and(Person::is_staff) => Some(id),
        _ => None,
    };
    let automatic = draft.mail.understood.automatic.is_some();
    if author.is_none() && !automatic {
        return Ok(Pace::default());
    }
    let at = draft.mail.received_at;
    let words = &draft.mail.understood.reply_text;
    let key = RecentKey { ticket, words: words.clone(), since: at - HOUR };
    need(draft.facts, Keys { recent: [key.clone()].into(), ..Keys::default() })?;
    let recent = draft.facts.recent.get(&key).map_or(&[][..], Vec::as_slice);
    let within = |m: &RecentMessage, window: i64| (m.created_at - at).abs() < window;
    // With those that are proven as well as it is: nobody is silenced by what others send in their name, nor by their own
    // newsletter.
    let like = |m: &RecentMessage| author.is_some_and(|author| is_alike(m, author, role.verified, automatic));
    let fast = level(recent, FAST, LOOP, |m| like(m) && within(m, SHORT));
    // Pictures without a word are no repetition.
    let has_words = !words.trim().is_empty();
    let same = level(recent, SAME, LOOP, |m| has_words && m.same_words && like(m) && within(m, HOUR));
    let machines = level(recent, AUTOMATIC, FLOOD, |m| automatic && m.automatic && within(m, DAY));
    Ok(Pace { author: fast.max(same), automatic: machines })
}

/// Where one more message stands after those that count, of which each is told up to a limit, and one with the flag was over it.
fn level(recent: &[RecentMessage], limit: usize, flag: &str, counts: impl Fn(&RecentMessage) -> bool) -> Level {
    let before: Vec<_> = recent.iter().filter(|m| counts(m)).collect();
    let told = before.iter().any(|m| m.flags.iter().any(|f| f == flag));
    match before.len() >= limit {
        false => Level::Usual,
        true if told => Level::Further,
        true => Level::First,
    }
}

fn is_alike(message: &RecentMessage, author: PersonId, verified: bool, automatic: bool) -> bool {
    let unverified = message.flags.iter().any(|flag| flag == "unverified");
    message.author == Some(author) && unverified != verified && message.automatic == automatic
}
