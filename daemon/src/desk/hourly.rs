//! So many notifications an hour for one agent: what is over it waits and is one mail an hour, as after quiet hours.

use std::collections::BTreeMap;

use crate::model::PersonId;
use crate::model::changes::{Changes, NewTimer, PersonRef, QUIET, quiet_key};
use crate::model::facts::{CountKey, Facts, Keys};
use crate::model::people::Person;

use super::{Desk, Known, Step, need, quiet};

/// In ms.
const HOUR: i64 = 3_600_000;

/// A decision within the cap, if enough is known to say so.
pub(super) fn capped(desk: &Desk, facts: &Facts, mut changes: Changes, now: i64) -> Step {
    match cap(desk, facts, &mut changes, now) {
        Ok(()) => Step::Done(Box::new(changes)),
        Err(keys) => Step::Need(keys),
    }
}

/// Puts off what is new for agents who have been told of as much as they may within the last hour, until the next full hour: so
/// there is one digest an hour at most. What was asked for, and what is about an agent's own mail, neither counts nor waits. Two
/// decisions at one moment may both be the last one that leaves: nothing is lost by one more.
fn cap(desk: &Desk, facts: &Facts, changes: &mut Changes, now: i64) -> Known<()> {
    let limit = i64::from(desk.config.limits.notifications_per_agent_hour);
    let told: BTreeMap<PersonId, CountKey> = changes
        .outbox
        .iter()
        .filter(|mail| mail.kind.is_news() && mail.due_at <= now)
        .filter_map(|mail| match mail.recipient {
            PersonRef::Id(person) => Some((person, CountKey::NewsOf(person, now - HOUR, limit))),
            PersonRef::New(_) => None,
        })
        .collect();
    if told.is_empty() {
        return Ok(());
    }
    need(facts, Keys { counts: told.values().cloned().collect(), ..Keys::default() })?;
    let is_over = |person: &PersonId| told.get(person).and_then(|key| facts.counts.get(key)).is_some_and(|count| *count >= limit);
    for mail in &mut changes.outbox {
        let PersonRef::Id(person) = mail.recipient else { continue };
        if !mail.kind.is_news() || mail.due_at > now || !is_over(&person) {
            continue;
        }
        mail.due_at = after(facts.person(person), now);
        let timer = NewTimer { kind: QUIET, ticket: None, key: quiet_key(person, mail.due_at), due_at: mail.due_at, if_untold: false };
        if !changes.timers.contains(&timer) {
            changes.timers.push(timer);
        }
    }
    Ok(())
}

/// The next full hour after `now` (ms), or when the quiet hours end that it falls into.
fn after(agent: Option<&Person>, now: i64) -> i64 {
    let hour = (now.div_euclid(HOUR) + 1) * HOUR;
    agent.and_then(|agent| quiet::until(&agent.settings, hour)).unwrap_or(hour)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::config::Config;
    use crate::desk::addresses::tests::book;
    use crate::model::changes::NewOutbox;
    use crate::model::outgoing::{MailKind, Params};

    const JANE: PersonId = PersonId(7);
    /// A moment in an hour.
    const NOW: i64 = 500_000 * HOUR + 1_234;

    fn changes(kind: MailKind, due_at: i64) -> Changes {
        let mail = NewOutbox {
            ticket: None,
            recipient: PersonRef::Id(JANE),
            address: "jane@agents.test".into(),
            kind,
            message: None,
            params: Params::default(),
            due_at,
            created_at: NOW,
        };
        Changes { at: NOW, outbox: vec![mail.clone(), mail], ..Changes::default() }
    }

    /// When they leave after so many within the hour, and how many timers look at them then.
    fn due(kind: MailKind, due_at: i64, count: i64) -> (i64, usize) {
        let desk = Desk { config: Arc::new(Config::local(std::path::Path::new("/nowhere")).unwrap()), book: book() };
        let (mut facts, mut changes) = (Facts::default(), changes(kind, due_at));
        if let Err(keys) = cap(&desk, &facts, &mut changes, NOW) {
            assert_eq!(keys.counts.iter().cloned().collect::<Vec<_>>(), [CountKey::NewsOf(JANE, NOW - HOUR, 120)]);
            facts.counts.extend(keys.counts.into_iter().map(|key| (key, count)));
            cap(&desk, &facts, &mut changes, NOW).unwrap();
        }
        assert!(changes.outbox.iter().all(|mail| mail.due_at == changes.outbox[0].due_at));
        (changes.outbox[0].due_at, changes.timers.len())
    }

    #[test]
    fn what_is_too_much_waits_for_the_full_hour() {
        let hour = 500_001 * HOUR;
        for kind in [MailKind::Notify, MailKind::Taken, MailKind::Woken] {
            assert_eq!(due(kind, NOW, 119), (NOW, 0));
            assert_eq!(due(kind, NOW, 120), (hour, 1));
        }
        assert_eq!(due(MailKind::Notify, NOW + 9, 500), (NOW + 9, 0), "what waits for quiet hours does so");
        for kind in [MailKind::Held, MailKind::Receipt, MailKind::History, MailKind::News, MailKind::Answer, MailKind::Failed] {
            assert_eq!(due(kind, NOW, 500), (NOW, 0), "{kind}");
        }
    }

    #[test]
    fn an_hour_that_ends_in_quiet_hours_ends_with_them() {
        use crate::model::people::Settings;

        let ends = 500_001 * HOUR;
        let of_day = |at: i64| format!("{:02}:00", (at / HOUR).rem_euclid(24));
        let quiet = Some(format!("{}-{}", of_day(ends), of_day(ends + 3 * HOUR)));
        let agent = Person { settings: Settings { quiet, ..Settings::default() }, ..Person::agent(JANE, "jane@agents.test") };
        assert_eq!(after(Some(&agent), NOW), ends + 3 * HOUR);
        assert_eq!(after(None, ends), ends + HOUR, "at the full hour the next one");
    }
}
