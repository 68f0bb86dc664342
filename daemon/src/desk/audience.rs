//! Who hears of what is new on a ticket.

use crate::model::PersonId;
use crate::model::facts::{Facts, TicketFacts};
use crate::model::people::{Notify, Person};
use crate::model::ticket::{Role, Standing};

/// Agents who hear of a new ticket: the team's, else all; of them those who want to.
pub(super) fn of_team<'f>(facts: &'f Facts, team: Option<&str>) -> Vec<&'f Person> {
    let wanting = || facts.staff().iter().filter(|p| p.is_active_agent() && matches!(p.settings.notify, Notify::Team | Notify::All));
    let in_team = |p: &&Person| team.is_some_and(|t| p.settings.teams.iter().any(|own| own.eq_ignore_ascii_case(t)));
    let mut heard: Vec<_> = wanting().filter(in_team).collect();
    if heard.is_empty() {
        heard = wanting().collect();
    }
    heard.extend(everything(facts));
    unique(heard)
}

/// Agents who want to hear of everything.
fn everything(facts: &Facts) -> impl Iterator<Item = &Person> {
    facts.staff().iter().filter(|p| p.is_active_agent() && p.settings.notify == Notify::All)
}

/// Whoever looks after what needs a person: the admins. Where none of them can be reached at `now` (ms), all agents.
pub(super) fn admins(facts: &Facts, now: i64) -> Vec<&Person> {
    admins_but(None, facts, now)
}

/// The same without whom it is about.
pub(super) fn admins_but(but: Option<PersonId>, facts: &Facts, now: i64) -> Vec<&Person> {
    let active = || facts.staff().iter().filter(|p| p.is_active_agent() && Some(p.id) != but);
    let admins: Vec<_> = active().filter(|p| p.role == Role::Admin).collect();
    let is_reached = |p: &&Person| p.suppressed(&p.address, now).is_none();
    if admins.iter().any(is_reached) { admins } else { active().collect() }
}

/// Who hears of a new message: the assignee and followers; the whole team while nobody has the ticket.
pub(super) fn of_ticket<'f>(facts: &'f Facts, ticket: &TicketFacts) -> Vec<&'f Person> {
    let assignee = ticket.ticket.assignee.and_then(|id| facts.person(id)).filter(|p| p.is_active_agent());
    let mut heard = match assignee {
        Some(assignee) => vec![assignee],
        None => of_team(facts, ticket.ticket.team.as_deref()),
    };
    heard.extend(followers(facts, ticket));
    heard.extend(everything(facts));
    unique(heard.into_iter().filter(|p| p.settings.notify != Notify::None).collect())
}

/// Who hears of a note: assignee and followers, and whoever it names.
pub(super) fn of_note<'f>(facts: &'f Facts, ticket: &TicketFacts, text: &str) -> Vec<&'f Person> {
    let assignee = ticket.ticket.assignee.and_then(|id| facts.person(id)).filter(|p| p.is_active_agent());
    let mut heard: Vec<_> = assignee.into_iter().collect();
    heard.extend(followers(facts, ticket));
    let names_somebody = text.contains('@');
    heard.extend(facts.staff().iter().filter(|p| names_somebody && p.is_active_agent() && is_named(p, text)));
    heard.extend(everything(facts));
    unique(heard.into_iter().filter(|p| p.settings.notify != Notify::None).collect())
}

fn followers<'f>(facts: &'f Facts, ticket: &TicketFacts) -> impl Iterator<Item = &'f Person> {
    let ids: Vec<PersonId> = ticket.participants.iter().filter(|p| p.standing == Standing::Follower).map(|p| p.person).collect();
    facts.staff().iter().filter(move |p| ids.contains(&p.id) && !p.disabled)
}

/// Whether a note says `@NAME`: the first name, the whole name or the local part of the address.
pub fn is_named(person: &Person, text: &str) -> bool {
    let text = text.to_lowercase();
    let name = person.shown_name().to_lowercase();
    let local = person.address.split('@').next().unwrap_or("").to_lowercase();
    let first = name.split_whitespace().next().unwrap_or("").to_owned();
    [name, local, first].iter().filter(|n| !n.is_empty()).any(|n| {
        text.match_indices(&format!("@{n}")).any(|(i, found)| {
            let after = text.get(i + found.len()..).and_then(|rest| rest.chars().next());
            !after.is_some_and(char::is_alphanumeric)
        })
    })
}

fn unique(people: Vec<&Person>) -> Vec<&Person> {
    let mut seen = std::collections::BTreeSet::new();
    people.into_iter().filter(|p| seen.insert(p.id)).collect()
}
