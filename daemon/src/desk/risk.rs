//! Commands that give what customers and agents write to somebody else: a mail that might be forged must not do that. They wait
//! for a word of the agent's own, who is told exactly what will happen; who has logged in to send them is known better.

use crate::model::address::{fold, split};
use crate::model::facts::{Facts, TicketFacts};
use crate::model::people::Person;

use super::commands::Command;
use super::draft::Draft;
use super::who::{Channel, From};

/// What the commands would give away on a ticket whose people are known, a sentence each.
pub(super) fn of(draft: &Draft<'_>, commands: &[Command], t: &TicketFacts) -> Vec<String> {
    commands.iter().filter_map(|command| sentence(draft, command, t)).collect()
}

/// Why a mail waits that would do this.
pub(super) fn unconfirmed(draft: &Draft<'_>, agent: &Person, risks: &[String]) -> Option<String> {
    let sure = draft.mail.has_passed("confirm") || draft.mail.channel(From::Owner, Some(agent)) == Channel::Submission;
    (!sure && !risks.is_empty()).then(|| risks.join("; "))
}

fn sentence(draft: &Draft<'_>, command: &Command, t: &TicketFacts) -> Option<String> {
    let number = t.ticket.id;
    let requester = draft.facts.person(t.ticket.requester).map_or("", |p| p.address.as_str());
    match command {
        Command::Requester(to) => {
            let (before, of) = match requester {
                "" => ("its requester", String::new()),
                known => (known, format!(" instead of {known}'s")),
            };
            Some(format!(
                "@requester {to}: #{number} becomes {to}'s{of}; what is answered from now on, in this mail too, goes to {to}, and nothing \
                 more to {before}"
            ))
        }
        Command::Cc(true, to) if is_outside(draft, to, t, requester) => Some(format!(
            "@cc add {to}: this address belongs to nobody on #{number} and to none of their domains; from the next answer on it gets \
             a copy of each, with what the customer wrote last quoted below it"
        )),
        _ => None,
    }
}

/// Whether an address is of neither the customer's side nor ours.
fn is_outside(draft: &Draft<'_>, address: &str, t: &TicketFacts, requester: &str) -> bool {
    let mailbox = draft.desk.book.mailbox(t.ticket.mailbox).map_or("", |m| m.address.as_str());
    let near = |known: &str| domain(known).zip(domain(address)).is_some_and(|(known, other)| are_relatives(&known, &other));
    !(is_there(draft.facts, address, t) || near(requester) || near(mailbox))
}

fn is_there(facts: &Facts, address: &str, t: &TicketFacts) -> bool {
    let key = fold(address);
    let on_ticket = t.participants.iter().filter(|p| p.standing.is_party()).filter_map(|p| facts.person(p.person));
    let works_here = facts.staff().iter().filter(|p| p.is_active_agent());
    on_ticket.chain(works_here).any(|p| p.has_address(&key))
}

fn domain(address: &str) -> Option<String> {
    split(&fold(address)).map(|(_, domain)| domain.to_owned()).filter(|domain| domain.contains('.'))
}

/// The same domain, or one below the other: without a list of public suffixes nobody can say it of more.
fn are_relatives(one: &str, other: &str) -> bool {
    let below = |low: &str, high: &str| low.strip_suffix(high).is_some_and(|rest| rest.ends_with('.'));
    one == other || below(one, other) || below(other, one)
}

#[cfg(test)]
mod tests {
    use super::are_relatives;

    #[test]
    fn a_domain_is_related_to_what_is_above_and_below_it() {
        assert!(are_relatives("acme.test", "acme.test") && are_relatives("mail.acme.test", "acme.test"));
        assert!(are_relatives("acme.test", "mail.acme.test"));
        assert!(!are_relatives("acme.test", "notacme.test") && !are_relatives("a.acme.test", "b.acme.test"));
    }
}
