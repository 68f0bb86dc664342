//! From what the server said to what becomes of the mail.

use std::time::Duration;

use crate::clock::millis;
use crate::config::Limits;
use crate::model::outgoing::{MailKind, OutboxRow};
use crate::store::Settled;

use super::relay::Outcome;

/// Pauses between tries, in s; the last one stays.
const RETRIES: [i64; 7] = [60, 300, 900, 1_800, 3_600, 7_200, 14_400];

/// How long a mail waits when its destination can't be used.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pause {
    pub(super) length: Duration,
    /// Whether it counts as a try: a relay of ours that is down says nothing about a mail, the only servers of a domain do.
    pub(super) charged: bool,
}

/// After so many ms the author of an answer hears that it still waits.
const LATE: i64 = 4 * 3_600_000;

/// What becomes of a mail after one try at `now` (ms).
pub(super) fn settled(row: &OutboxRow, outcome: Outcome, pause: Pause, limits: &Limits, now: i64) -> Settled {
    let too_old = now - row.created_at >= i64::try_from(limits.give_up_after.as_millis()).unwrap_or(i64::MAX);
    let tries = usize::try_from(row.attempts - 1).unwrap_or(0);
    let next = now + spread(RETRIES.get(tries).or(RETRIES.last()).copied().unwrap_or(14_400) * 1_000, row.id.0);
    // Its author hears of it then, not a try later.
    let before_late = |next: i64| match row.created_at.saturating_add(LATE) {
        late if is_told(row) && now < late => next.min(late),
        _ => next,
    };
    match outcome {
        Outcome::Sent { reply } => Settled::Sent(reply),
        Outcome::Recipient { temporary: false, reply } => Settled::Failed(reply),
        Outcome::Recipient { reply, .. } | Outcome::Destination { reply } if too_old => Settled::Failed(reply),
        Outcome::Recipient { reply, .. } => Settled::Retry(reply, before_late(next)),
        Outcome::Destination { reply } if pause.charged => Settled::Retry(reply, before_late(now + spread(millis(pause.length), row.id.0))),
        Outcome::Destination { reply } => Settled::Postponed(reply, before_late(now + spread(millis(pause.length), row.id.0))),
        // It may have left. Of a person's answer a second, identical copy is better than none.
        Outcome::Unknown { reply } if row.kind.is_repeated() && !too_old => Settled::Retry(reply, next),
        Outcome::Unknown { reply } => Settled::Unknown(reply),
    }
}

/// Whether whoever wrote a mail should now hear that it still waits.
pub(super) fn is_late(row: &OutboxRow, settled: &Settled, now: i64) -> bool {
    let waits = matches!(settled, Settled::Retry(..) | Settled::Postponed(..));
    waits && is_told(row) && now - row.created_at >= LATE
}

/// What has waited since this time (ms) behind a mail that waits on is late, too; `None` where nothing behind it can be.
pub(super) fn late_behind(row: &OutboxRow, settled: &Settled, now: i64) -> Option<i64> {
    let waits = matches!(settled, Settled::Retry(..) | Settled::Postponed(..));
    (waits && now - row.created_at >= LATE).then_some(now - LATE)
}

fn is_told(row: &OutboxRow) -> bool {
    row.kind == MailKind::Answer && !row.told_late
}

/// Up to a fifth more, by the mail: what was refused together does not come back together.
pub(super) fn spread(pause: i64, id: i64) -> i64 {
    let share = (id.wrapping_mul(0x9E37_79B9_7F4A_7C15_u64.cast_signed()) >> 32).rem_euclid(1_000);
    pause + pause / 5_000 * share
}

#[cfg(test)]
#[expect(clippy::panic, reason = "tests")]
mod tests {
    use super::*;
    use crate::model::outgoing::{OutboxState, Params};
    use crate::model::{OutboxId, PersonId};

    fn row(kind: MailKind, attempts: i64) -> OutboxRow {
        OutboxRow {
            id: OutboxId(1),
            ticket: None,
            mailbox: None,
            recipient: PersonId(1),
            address: "ann@x.test".into(),
            kind,
            message: None,
            params: Params::default(),
            composed: None,
            state: OutboxState::Claimed,
            due_at: 0,
            attempts,
            created_at: 0,
            last_reply: None,
            told_late: false,
        }
    }

    fn of(kind: MailKind, attempts: i64, outcome: Outcome, now: i64) -> Settled {
        let pause = Pause { length: Duration::from_secs(5), charged: false };
        settled(&row(kind, attempts), outcome, pause, &Limits::default(), now)
    }

    #[test]
    fn a_refusal_waits_longer_each_time_and_ends_after_five_days() {
        let refused = || Outcome::Recipient { temporary: true, reply: "450 later".into() };
        for (attempts, pause) in [(1, 60_000), (2, 300_000), (99, 14_400_000)] {
            let settled = of(MailKind::Answer, attempts, refused(), 0);
            assert!(matches!(settled, Settled::Retry(_, at) if (pause..=pause * 6 / 5).contains(&at)), "{settled:?}");
        }
        assert_eq!(of(MailKind::Answer, 99, refused(), 5 * 86_400_000), Settled::Failed("450 later".into()));
    }

    #[test]
    fn no_try_of_an_answer_is_long_after_its_author_should_hear_of_it() {
        let refused = || Outcome::Recipient { temporary: true, reply: "450 later".into() };
        let down = || Outcome::Destination { reply: "cannot connect".into() };
        let long = |charged| Pause { length: Duration::from_secs(14_400), charged };
        for row in [row(MailKind::Answer, 7), OutboxRow { id: OutboxId(5), ..row(MailKind::Answer, 6) }] {
            for (outcome, pause) in [(refused(), long(true)), (down(), long(true)), (down(), long(false))] {
                let at = |now| match settled(&row, outcome.clone(), pause, &Limits::default(), now) {
                    Settled::Retry(_, at) | Settled::Postponed(_, at) => at,
                    other => panic!("{other:?}"),
                };
                assert_eq!(at(LATE - 60_000), LATE);
                assert!(at(LATE) > LATE + 3_600_000, "told then, it waits as ever");
            }
        }
        let settled = settled(&row(MailKind::Notify, 7), refused(), long(true), &Limits::default(), LATE - 60_000);
        assert!(matches!(settled, Settled::Retry(_, at) if at > LATE + 3_600_000), "nobody is told of a notice");
    }

    #[test]
    fn what_waits_for_one_destination_comes_back_bit_by_bit() {
        let at = |id| {
            let row = OutboxRow { id: OutboxId(id), ..row(MailKind::Notify, 1) };
            let pause = Pause { length: Duration::from_secs(3_600), charged: false };
            match settled(&row, Outcome::Destination { reply: "down".into() }, pause, &Limits::default(), 0) {
                Settled::Postponed(_, at) => at,
                other => panic!("{other:?}"),
            }
        };
        let times: std::collections::BTreeSet<i64> = (0..100).map(at).collect();
        assert!(times.len() > 50 && times.iter().all(|at| (3_600_000..=4_320_000).contains(at)), "{times:?}");
    }

    #[test]
    fn mails_that_failed_together_are_tried_apart() {
        let pauses: std::collections::BTreeSet<i64> = (0..100).map(|id| spread(60_000, id)).collect();
        assert!(pauses.len() > 50 && pauses.iter().all(|pause| (60_000..=72_000).contains(pause)), "{pauses:?}");
    }

    #[test]
    fn only_a_persons_answer_is_sent_twice_rather_than_not_at_all() {
        let unknown = || Outcome::Unknown { reply: "lost".into() };
        assert!(matches!(of(MailKind::Braked, 1, unknown(), 0), Settled::Retry(..)), "nobody else asks about what is held");
        assert!(matches!(of(MailKind::Answer, 1, unknown(), 0), Settled::Retry(..)));
        for kind in [MailKind::Ack, MailKind::Notify, MailKind::Held, MailKind::Digest, MailKind::Receipt] {
            assert_eq!(of(kind, 1, unknown(), 0), Settled::Unknown("lost".into()));
        }
    }
}
