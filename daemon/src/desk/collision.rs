//! Whether an answer is outdated: another agent answered, or the ticket went elsewhere, since the address was handed out.

use crate::config::Collision;
use crate::model::PersonId;
use crate::model::ticket::Status;

use super::Desk;
use super::thread::Place;

/// Why this agent's answer would be a surprise to them; `None` when it would not.
pub(super) fn found(desk: &Desk, place: &Place<'_>, agent: PersonId) -> Option<&'static str> {
    let t = place.ticket?;
    let row = &t.ticket;
    if desk.book.mailbox(row.mailbox).is_some_and(|m| m.collision == Collision::Off) {
        return None;
    }
    if t.answers.iter().any(|(author, turn)| *author != agent && *turn > place.turn) {
        return Some("somebody else has answered since the mail that you answer");
    }
    if row.status == Status::Spam {
        return Some("the ticket was marked as spam");
    }
    let given_away = row.assignee.is_some_and(|assignee| assignee != agent) && row.assigned_by != Some(agent);
    if given_away && row.assigned_turn > place.turn {
        return Some("the ticket was given to somebody else since the mail that you answer");
    }
    None
}
