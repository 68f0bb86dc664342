//! Mail that no person wrote just now: kept and shown, never answered, changes nothing.

use crate::model::changes::{Changes, Fate, TicketRef};
use crate::model::ticket::MessageKind;
use crate::model::understood::Automatic;

use super::Known;
use super::author::{self, Author};
use super::customer::{self, As};
use super::draft::Draft;
use super::recipients::Addressed;
use super::thread::Place;
use super::who::{From, Kind};

/// Files automatic mail: bulk mail to a mailbox opens a ticket; everything else shows collapsed on the ticket it names,
/// else only in the inbox. Sent to an agent's address it is never published and never a command.
pub(super) fn decide(mut draft: Draft<'_>, to: &Addressed, author: &Author, place: &Place<'_>) -> Known<Changes> {
    let class = draft.mail.understood.automatic.unwrap_or(Automatic::Bulk);
    let agents = matches!(place.kind, Kind::Agent | Kind::AgentExpired);
    if class == Automatic::Bulk && !agents {
        let third_party = place.ticket.is_some() && author::class(draft.facts, author, place) != From::Party;
        return customer::write(draft, to, author, place, As { verified: false, third_party, acknowledge: false });
    }
    let Some((t, address)) = place.ticket.zip(author.address.clone()) else {
        return Ok(draft.fate(Fate::Automatic, None, class.word(), "automatic mail that names no ticket"));
    };
    let id = TicketRef::Id(t.ticket.id);
    let sender = draft.person(&address);
    draft.message(id, t.ticket.turn, MessageKind::Customer, false, sender);
    let mut after = t.ticket.clone();
    after.messages += 1;
    draft.update(&t.ticket, after, "system");
    Ok(draft.fate(Fate::Automatic, Some(id), class.word(), "automatic mail, shown on the ticket"))
}
