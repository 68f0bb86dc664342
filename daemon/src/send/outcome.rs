//! From what the relay said to what becomes of the mail.

use std::time::Duration;

use crate::config::Limits;
use crate::model::outgoing::OutboxRow;
use crate::store::Settled;

use super::relay::Outcome;

/// Pauses between tries, in s; the last one stays.
const RETRIES: [i64; 7] = [60, 300, 900, 1_800, 3_600, 7_200, 14_400];

/// What becomes of a mail after one try at `now` (ms). `pause` is how long it waits when the relay can't be used.
pub(super) fn settled(row: &OutboxRow, outcome: Outcome, pause: Duration, limits: &Limits, now: i64) -> Settled {
    let too_old = now - row.created_at >= i64::try_from(limits.give_up_after.as_millis()).unwrap_or(i64::MAX);
    let tries = usize::try_from(row.attempts - 1).unwrap_or(0);
    let next = now + RETRIES.get(tries).or(RETRIES.last()).copied().unwrap_or(14_400) * 1_000;
    match outcome {
        Outcome::Sent { reply } => Settled::Sent(reply),
        Outcome::Recipient { temporary: false, reply } => Settled::Failed(reply),
        Outcome::Recipient { reply, .. } | Outcome::Destination { reply } if too_old => Settled::Failed(reply),
        Outcome::Recipient { reply, .. } => Settled::Retry(reply, next),
        Outcome::Destination { reply } => Settled::Postponed(reply, now + i64::try_from(pause.as_millis()).unwrap_or(60_000)),
        // It may have left. Of a person's answer a second, identical copy is better than none.
        Outcome::Unknown { reply } if row.kind.is_repeated() && !too_old => Settled::Retry(reply, next),
        Outcome::Unknown { reply } => Settled::Unknown(reply),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::outgoing::{MailKind, OutboxState, Params};
    use crate::model::{OutboxId, PersonId};

    fn row(kind: MailKind, attempts: i64) -> OutboxRow {
        OutboxRow {
            id: OutboxId(1),
            ticket: None,
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
        }
    }

    fn of(kind: MailKind, attempts: i64, outcome: Outcome, now: i64) -> Settled {
        settled(&row(kind, attempts), outcome, Duration::from_secs(5), &Limits::default(), now)
    }

    #[test]
    fn a_refusal_waits_longer_each_time_and_ends_after_five_days() {
        let refused = || Outcome::Recipient { temporary: true, reply: "450 later".into() };
        assert_eq!(of(MailKind::Answer, 1, refused(), 0), Settled::Retry("450 later".into(), 60_000));
        assert_eq!(of(MailKind::Answer, 2, refused(), 0), Settled::Retry("450 later".into(), 300_000));
        assert_eq!(of(MailKind::Answer, 99, refused(), 0), Settled::Retry("450 later".into(), 14_400_000));
        assert_eq!(of(MailKind::Answer, 99, refused(), 5 * 86_400_000), Settled::Failed("450 later".into()));
    }

    #[test]
    fn only_a_persons_answer_is_sent_twice_rather_than_not_at_all() {
        let unknown = || Outcome::Unknown { reply: "lost".into() };
        assert!(matches!(of(MailKind::Answer, 1, unknown(), 0), Settled::Retry(..)));
        for kind in [MailKind::Ack, MailKind::Notify, MailKind::Held, MailKind::Digest, MailKind::Receipt] {
            assert_eq!(of(kind, 1, unknown(), 0), Settled::Unknown("lost".into()));
        }
    }
}
