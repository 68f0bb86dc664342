//! Commands that give what customers and agents write to somebody else: a mail that might be forged must not do that. They wait
//! for a word of the agent's own, who is told exactly what will happen; who has logged in to send them is known better.

use crate::model::MailboxId;
use crate::model::address::{fold, split};
use crate::model::facts::TicketFacts;
use crate::model::people::Person;

use super::commands::Command;
use super::draft::Draft;
use super::who::{Channel, From};

/// What the commands would give away on a ticket whose people are known, a sentence each.
pub(super) fn of(draft: &Draft<'_>, commands: &[Command], t: &TicketFacts) -> Vec<String> {
    commands.iter().filter_map(|command| sentence(draft, command, t)).collect()
}

/// The same of a conversation that begins with somebody at `address`, in the name of a mailbox.
pub(super) fn of_new(draft: &Draft<'_>, commands: &[Command], address: &str, mailbox: MailboxId) -> Vec<String> {
    let sentence = |command: &Command| match command {
        Command::Requester(to) => Some(format!("@requester {to}: what you write to {address} goes to {to}")),
        Command::Cc(true, to) if is_strange(draft, to, address, mailbox) => Some(format!(
            "@cc add {to}: this address is neither of {address}'s domain nor of ours; it gets a copy of each answer, with what the \
             customer wrote last quoted below it"
        )),
        _ => None,
    };
    commands.iter().filter_map(sentence).collect()
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
    let key = fold(address);
    let mut on_ticket = t.participants.iter().filter(|p| p.standing.is_party()).filter_map(|p| draft.facts.person(p.person));
    !on_ticket.any(|p| p.has_address(&key)) && is_strange(draft, address, requester, t.ticket.mailbox)
}

/// Whether an address is neither the requester's, ours, nor near one of them.
fn is_strange(draft: &Draft<'_>, address: &str, requester: &str, mailbox: MailboxId) -> bool {
    let key = fold(address);
    let mailbox = draft.desk.book.mailbox(mailbox).map_or("", |m| m.address.as_str());
    let works_here = draft.facts.staff().agent_at(&key).is_some();
    !(works_here || is_near(requester, address) || is_near(mailbox, address))
}

/// The same address, or one of the same house. At a provider that gives addresses to anybody they are strangers.
fn is_near(known: &str, address: &str) -> bool {
    let relatives = |(one, other): (String, String)| are_relatives(&one, &other) && !is_public(&one) && !is_public(&other);
    fold(known) == fold(address) || domain(known).zip(domain(address)).is_some_and(relatives)
}

/// Providers of mailboxes for anybody.
const PUBLIC: [&str; 36] = [
    "gmail.com",
    "googlemail.com",
    "outlook.com",
    "msn.com",
    "icloud.com",
    "me.com",
    "mac.com",
    "web.de",
    "freenet.de",
    "t-online.de",
    "mail.ru",
    "bk.ru",
    "list.ru",
    "inbox.ru",
    "rambler.ru",
    "ya.ru",
    "proton.me",
    "protonmail.com",
    "pm.me",
    "aol.com",
    "qq.com",
    "foxmail.com",
    "163.com",
    "126.com",
    "yeah.net",
    "sina.com",
    "naver.com",
    "daum.net",
    "mail.com",
    "zoho.com",
    "fastmail.com",
    "tutanota.com",
    "orange.fr",
    "free.fr",
    "libero.it",
    "seznam.cz",
];
/// The same with a name of their own in each country.
const PUBLIC_EVERYWHERE: [&str; 7] = ["hotmail.", "live.", "outlook.", "yahoo.", "gmx.", "yandex.", "mail.yahoo."];

fn is_public(domain: &str) -> bool {
    PUBLIC.contains(&domain) || PUBLIC_EVERYWHERE.iter().any(|name| domain.starts_with(name))
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
    use super::{are_relatives, is_near};

    #[test]
    fn at_a_public_provider_only_the_same_address_is_near() {
        for domain in ["gmail.com", "hotmail.co.uk", "yahoo.fr", "gmx.de", "proton.me", "163.com", "yandex.ru"] {
            assert!(!is_near(&format!("ann@{domain}"), &format!("eve@{domain}")), "{domain}");
            assert!(is_near(&format!("ann@{domain}"), &format!("Ann@{domain}")), "{domain}");
        }
        assert!(
            is_near("ann@acme.test", "bob@mail.acme.test") && !is_near("ann@acme.test", "bob@gmail.com") && !is_near("", "bob@gmail.com")
        );
    }

    #[test]
    fn a_domain_is_related_to_what_is_above_and_below_it() {
        assert!(are_relatives("acme.test", "acme.test") && are_relatives("mail.acme.test", "acme.test"));
        assert!(are_relatives("acme.test", "mail.acme.test"));
        assert!(!are_relatives("acme.test", "notacme.test") && !are_relatives("a.acme.test", "b.acme.test"));
    }
}
