//! Who hears of what is new on a ticket.

use crate::model::PersonId;
use crate::model::facts::{Facts, TicketFacts};
use crate::model::people::{Notify, Person};
use crate::model::ticket::Standing;

/// Agents who hear of a new ticket: the team's, else all; of them those who want to.
pub(super) fn of_team<'f>(facts: &'f Facts, team: Option<&str>) -> Vec<&'f Person> {
    let staff = facts.staff();
    let mut heard: Vec<_> = team.into_iter().flat_map(|team| staff.listening(Some(team))).collect();
    if heard.is_empty() {
        heard = staff.listening(None).collect();
    }
    heard.extend(staff.everything());
    unique(heard)
}

/// Whoever looks after what needs a person: the admins. Where none of them can be reached at `now` (ms), all agents.
pub(super) fn admins(facts: &Facts, now: i64) -> Vec<&Person> {
    admins_but(None, facts, now)
}

/// The same without whom it is about.
pub(super) fn admins_but(but: Option<PersonId>, facts: &Facts, now: i64) -> Vec<&Person> {
    let others = |p: &&Person| Some(p.id) != but;
    let admins: Vec<_> = facts.staff().admins().filter(others).collect();
    let is_reached = |p: &&Person| p.suppressed(&p.address, now).is_none();
    if admins.iter().any(is_reached) { admins } else { facts.staff().active().filter(others).collect() }
}

/// Who hears of a new message: the assignee and followers; the whole team while nobody has the ticket.
pub(super) fn of_ticket<'f>(facts: &'f Facts, ticket: &TicketFacts) -> Vec<&'f Person> {
    let assignee = ticket.ticket.assignee.and_then(|id| facts.person(id)).filter(|p| p.is_active_agent());
    let mut heard = match assignee {
        Some(assignee) => vec![assignee],
        None => of_team(facts, ticket.ticket.team.as_deref()),
    };
    heard.extend(followers(facts, ticket));
    heard.extend(facts.staff().everything());
    unique(heard.into_iter().filter(|p| p.settings.notify != Notify::None).collect())
}

/// Who hears of the first message that is too many: whoever hears of any, and the admins.
pub(super) fn of_loop<'f>(facts: &'f Facts, ticket: &TicketFacts, now: i64) -> Vec<&'f Person> {
    let mut heard = of_ticket(facts, ticket);
    heard.extend(admins(facts, now));
    unique(heard)
}

/// Who hears of a note: assignee and followers, and whoever it names.
pub(super) fn of_note<'f>(facts: &'f Facts, ticket: &TicketFacts, text: &str) -> Vec<&'f Person> {
    let assignee = ticket.ticket.assignee.and_then(|id| facts.person(id)).filter(|p| p.is_active_agent());
    let mut heard: Vec<_> = assignee.into_iter().collect();
    heard.extend(followers(facts, ticket));
    heard.extend(facts.staff().called(text));
    heard.extend(facts.staff().everything());
    unique(heard.into_iter().filter(|p| p.settings.notify != Notify::None).collect())
}

fn followers<'f>(facts: &'f Facts, ticket: &TicketFacts) -> impl Iterator<Item = &'f Person> {
    let following = ticket.participants.iter().filter(|p| p.standing == Standing::Follower);
    following.filter_map(|p| facts.staff().person(p.person)).filter(|p| !p.disabled)
}

fn unique(people: Vec<&Person>) -> Vec<&Person> {
    let mut seen = std::collections::BTreeSet::new();
    people.into_iter().filter(|p| seen.insert(p.id)).collect()
}
