//! The loop breaker: where two programs answer each other, every mail is kept and the agents hear of the first that is too many.

use crate::model::changes::PersonRef;
use crate::model::facts::{Keys, RecentKey, RecentMessage};
use crate::model::people::Person;
use crate::model::{PersonId, TicketId};

use super::customer::As;
use super::draft::Draft;
use super::{Known, need};

/// Flag of a message that its author had better not have sent: they write too fast, or say the same again and again.
pub(super) const LOOP: &str = "loop";
/// Messages of one author on one ticket within [`SHORT`] of which each is told.
const FAST: usize = 10;
/// In ms.
const SHORT: i64 = 600_000;
/// Messages of one author on one ticket with the same words within [`HOUR`] of which each is told.
const SAME: usize = 2;
/// In ms.
const HOUR: i64 = 3_600_000;

/// Who hears of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    /// Whoever hears of any.
    Usual,
    /// They and the admins: it is the first over the limit.
    First,
    /// Nobody: they were told of the first.
    Further,
}

/// How fast the author of this mail writes on a ticket where others have written before. A message that was received a
/// while later counts, too: several may be decided at once, in any order. It is counted with those that are proven as well as
/// it is: nobody is silenced by what others send in their name, nor by their own vacation notice.
pub(super) fn pace(draft: &Draft<'_>, ticket: TicketId, sender: PersonRef, role: As) -> Known<Pace> {
    let PersonRef::Id(author) = sender else { return Ok(Pace::Usual) };
    // The brake looks after those who work here.
    if draft.facts.person(author).is_some_and(Person::is_staff) {
        return Ok(Pace::Usual);
    }
    let at = draft.mail.received_at;
    let words = &draft.mail.understood.reply_text;
    let key = RecentKey { ticket, words: words.clone(), since: at - HOUR };
    need(draft.facts, Keys { recent: [key.clone()].into(), ..Keys::default() })?;
    let recent = draft.facts.recent.get(&key).into_iter().flatten();
    let automatic = draft.mail.understood.automatic.is_some();
    let alike: Vec<_> = recent.filter(|m| is_alike(m, author, role.verified, automatic)).collect();
    let fast: Vec<_> = alike.iter().filter(|m| (m.created_at - at).abs() < SHORT).collect();
    // Pictures without a word are no repetition.
    let same: Vec<_> = alike.iter().filter(|m| m.same_words && !words.trim().is_empty() && (m.created_at - at).abs() < HOUR).collect();
    let over = [(fast, FAST), (same, SAME)].into_iter().filter(|(before, limit)| before.len() >= *limit);
    let told = over.map(|(before, _)| before.iter().any(|m| m.flags.iter().any(|flag| flag == LOOP))).max();
    Ok(match told {
        None => Pace::Usual,
        Some(false) => Pace::First,
        Some(true) => Pace::Further,
    })
}

fn is_alike(message: &RecentMessage, author: PersonId, verified: bool, automatic: bool) -> bool {
    let unverified = message.flags.iter().any(|flag| flag == "unverified");
    message.author == Some(author) && unverified != verified && message.automatic == automatic
}
