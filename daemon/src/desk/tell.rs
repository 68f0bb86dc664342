//! Mail that follows from an act on a ticket: to its customers, to agents who hear of it, to whoever has it now.

use crate::model::PersonId;
use crate::model::changes::{MessageRef, PersonRef, TicketRef};
use crate::model::facts::TicketFacts;
use crate::model::outgoing::{MailKind, Params};
use crate::model::people::{Notify, Person};
use crate::model::ticket::{Status, Ticket};

use super::audience;
use super::ledger::Ledger;

/// An agent's answer to every customer on the ticket: one mail each, for each has an address of their own.
pub(super) fn customers(ledger: &mut Ledger<'_>, agent: &Person, t: &TicketFacts, message: MessageRef) {
    for participant in t.participants.iter().filter(|p| p.standing.is_party() && p.person != agent.id) {
        // Whoever is taken off by the same mail does not get it.
        let leaves = ledger.changes.leaving.contains(&(t.ticket.id, participant.person));
        if let Some(person) = ledger.facts.person(participant.person).filter(|_| !leaves) {
            let params = Params { actor: Some(agent.id), ..Params::default() };
            ledger.send(MailKind::Answer, person, Some(TicketRef::Id(t.ticket.id)), Some(message), params);
        }
    }
}

/// A new message to agents; nobody is mailed about their own act.
pub(super) fn agents(ledger: &mut Ledger<'_>, heard: Vec<&Person>, ticket: TicketRef, message: MessageRef, sender: PersonRef) {
    for agent in heard {
        if sender != PersonRef::Id(agent.id) {
            ledger.send(MailKind::Notify, agent, Some(ticket), Some(message), Params::default());
        }
    }
}

/// A note to those who hear of it and whom it names.
pub(super) fn of_note(ledger: &mut Ledger<'_>, agent: &Person, t: &TicketFacts, message: MessageRef, text: &str) {
    let heard = audience::of_note(ledger.facts, t, text);
    agents(ledger, heard, TicketRef::Id(t.ticket.id), message, PersonRef::Id(agent.id));
}

/// Tells those who were told of a new ticket that somebody has it now, and whoever was given it. `by` is who did that;
/// `answer` what they sent.
pub(super) fn of_owner(ledger: &mut Ledger<'_>, by: Option<&Person>, t: &TicketFacts, after: &Ticket, answer: Option<MessageRef>) {
    let Some(owner) = after.assignee.filter(|a| t.ticket.assignee != Some(*a)) else { return };
    if after.status == Status::Spam {
        return;
    }
    let giver = by.map(|p| p.id);
    let lines = vec![by.map_or("the API", Person::shown_name).to_owned()];
    let params = Params { actor: Some(owner), lines, ..Params::default() };
    let notified = ledger.changes.outbox.iter().filter(|o| o.kind == MailKind::Notify);
    let hears: Vec<PersonRef> = notified.map(|o| o.recipient).collect();
    let was_new = t.ticket.assignee.is_none();
    let hears_not = |p: &PersonId| Some(*p) != giver && !hears.contains(&PersonRef::Id(*p));
    let told = t.told.iter().copied().filter(|p| was_new && *p != owner && hears_not(p));
    let given = Some(owner).filter(hears_not);
    let hears = |p: &Person| p.is_active_agent() && p.settings.notify != Notify::None;
    for person in told.chain(given).filter_map(|p| ledger.facts.person(p)).filter(|p| hears(p)).collect::<Vec<_>>() {
        ledger.send(MailKind::Taken, person, Some(TicketRef::Id(t.ticket.id)), answer, params.clone());
    }
}
