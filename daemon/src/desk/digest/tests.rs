use std::sync::Arc;

use super::*;
use crate::config::Config;
use crate::desk::addresses::tests::book;
use crate::desk::timers;
use crate::desk::{Desk, Step};
use crate::model::changes::{Changes, QUIET, Timer, quiet_key};
use crate::model::facts::Facts;
use crate::model::people::{Person, Settings};
use crate::model::staff::Staff;

const JANE: PersonId = PersonId(7);

fn at(text: &str) -> i64 {
    text.parse::<jiff::Timestamp>().unwrap().as_millisecond()
}

/// Eight in the morning in Berlin.
fn end() -> i64 {
    at("2026-11-21T07:00:00Z")
}

fn jane() -> Person {
    let settings = Settings { quiet: Some("18:00-08:00".into()), timezone: Some("Europe/Berlin".into()), ..Settings::default() };
    Person { settings, ..Person::agent(JANE, "jane@agents.test") }
}

/// News about these tickets, in this order: the n-th is the message n, or none.
fn news(tickets: &[i64], has_message: bool) -> Vec<WaitingNews> {
    let one = |(n, ticket): (i64, &i64)| WaitingNews {
        id: OutboxId(100 + n),
        kind: MailKind::Notify,
        ticket: TicketId(*ticket),
        message: has_message.then_some(MessageId(n)),
        created_at: at("2026-11-20T20:00:00Z") + n,
    };
    (0..).zip(tickets).map(one).collect()
}

/// What the end of Jane's quiet hours decides.
fn fired(jane: Option<Person>, news: &[WaitingNews], now: i64) -> Changes {
    let config = Config::local(std::path::Path::new("/nowhere")).unwrap();
    let desk = Desk { config: Arc::new(config), book: book() };
    let timer = Timer { kind: QUIET.into(), ticket: 0, key: quiet_key(JANE, end()) };
    let mut facts = Facts { people_version: 3, ..Facts::default() };
    let Step::Need(keys) = timers::fire(&desk, &timer, &[], &facts, now) else { panic!("decided without a look") };
    assert_eq!((keys.staff, keys.news.iter().copied().collect::<Vec<_>>()), (true, vec![(JANE, end())]));
    facts.persons.extend(jane.iter().map(|p| (p.id, Some(p.clone()))));
    facts.staff = Some(Arc::new(Staff::new(jane.into_iter().collect())));
    facts.news.insert((JANE, end()), news.to_vec());
    match timers::fire(&desk, &timer, &[], &facts, now) {
        Step::Done(changes) => *changes,
        Step::Need(keys) => panic!("{keys:?}"),
    }
}

#[test]
fn a_few_leave_one_by_one() {
    let few = news(&[1, 2, 3, 4, 5], true);
    let changes = fired(Some(jane()), &few, end());
    assert_eq!((changes.folded.len(), changes.outbox.len()), (0, 0));
    assert_eq!(changes.timers_done, [(QUIET.to_owned(), 0, quiet_key(JANE, end()))]);
    assert_eq!(changes.guard.news, [((JANE, end()), few.iter().map(|n| n.id).collect())], "a sixth one would matter");
}

#[test]
fn more_are_one_mail_by_ticket_the_newest_first() {
    let night = news(&[4, 9, 4, 2, 9, 4], true);
    let changes = fired(Some(jane()), &night, end() + 700);
    let all: Vec<_> = night.iter().map(|n| n.id).collect();
    assert_eq!(changes.folded, all);
    assert_eq!((changes.guard.news, changes.guard.people_version), (vec![((JANE, end()), all)], Some(3)));
    let [mail] = &changes.outbox[..] else { panic!("{:?}", changes.outbox) };
    assert_eq!((mail.kind, mail.ticket, mail.address.as_str(), mail.due_at), (MailKind::News, None, "jane@agents.test", end() + 700));
    let of = |ticket, messages, last| NewsOf { ticket: TicketId(ticket), messages, last: Some(MessageId(last)) };
    let since = at("2026-11-20T17:00:00Z");
    let told = News { since, hasty: false, count: 6, tickets: 3, newest: vec![of(4, 3, 5), of(9, 2, 4), of(2, 1, 3)] };
    assert_eq!(mail.params.news.as_ref(), Some(&told));
    assert!(changes.timers.is_empty(), "the digest itself is no news");
}

#[test]
fn what_says_nothing_new_of_a_ticket_counts_as_news_and_not_as_a_message() {
    let changes = fired(Some(jane()), &news(&[4; 6], false), end());
    let told = changes.outbox[0].params.news.as_ref().unwrap();
    assert_eq!((told.count, &told.newest), (6, &vec![NewsOf { ticket: TicketId(4), messages: 0, last: None }]));
}

#[test]
fn very_many_tickets_are_counted_and_not_named() {
    let tickets: Vec<i64> = (1..=450).collect();
    let changes = fired(Some(jane()), &news(&tickets, true), end());
    let told = changes.outbox[0].params.news.as_ref().unwrap();
    assert_eq!((changes.folded.len(), told.count, told.tickets, told.newest.len()), (450, 450, 450, NAMED));
    assert_eq!((told.newest[0].ticket, told.newest[NAMED - 1].ticket), (TicketId(450), TicketId(251)));
}

fn deaf() -> Person {
    Person { settings: Settings { notify: Notify::None, ..jane().settings }, ..jane() }
}

#[test]
fn who_may_hear_of_none_of_it_or_wants_no_notification_gets_none() {
    for reader in [None, Some(Person { disabled: true, ..jane() }), Some(deaf())] {
        for count in [1, 9] {
            let changes = fired(reader.clone(), &news(&vec![3; count], true), end());
            assert_eq!((changes.folded.len(), changes.outbox.len()), (count, 0), "{reader:?}");
        }
    }
}

#[test]
fn who_wants_no_notification_gets_what_was_meant_for_them_alone() {
    for count in [2, 9] {
        let mut night = news(&vec![3; count], true);
        night[0].kind = MailKind::Woken;
        night[1].kind = MailKind::Taken;
        let changes = fired(Some(deaf()), &night, end());
        let rest: Vec<_> = night.iter().skip(2).map(|n| n.id).collect();
        assert_eq!((changes.folded, changes.outbox.len()), (rest, 0), "the two leave one by one");
        assert_eq!(changes.guard.news, [((JANE, end()), night.iter().map(|n| n.id).collect())]);
        let gone = fired(Some(Person { disabled: true, ..jane() }), &night, end());
        assert_eq!(gone.folded.len(), count, "who does not work here gets nothing");
    }
}

#[test]
fn a_digest_that_comes_in_the_next_quiet_hours_waits_for_their_end() {
    let evening = at("2026-11-21T19:00:00Z");
    let changes = fired(Some(jane()), &news(&[1; 6], true), evening);
    assert_eq!(changes.outbox[0].due_at, at("2026-11-22T07:00:00Z"));
    assert!(changes.timers.is_empty());
}

#[test]
fn hours_that_were_changed_meanwhile_say_nothing_of_when_it_began() {
    let night = news(&[1; 6], true);
    for quiet in [None, Some("20:00-06:00".into()), Some("23:30-08:00".into())] {
        let other = Person { settings: Settings { quiet, ..jane().settings }, ..jane() };
        let changes = fired(Some(other), &night, end());
        assert_eq!(changes.outbox[0].params.news.as_ref().unwrap().since, night[0].created_at);
    }
}

#[test]
fn a_key_that_is_none_does_nothing() {
    assert_eq!(of(&quiet_key(JANE, 5)), Some((JANE, 5)));
    for key in ["", "/", "7", "x/7", "7/x", "7/8/9"] {
        assert_eq!(of(key), None, "{key}");
    }
}
