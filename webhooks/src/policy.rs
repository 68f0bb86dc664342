//! What a try means for its delivery.

use std::time::Duration;

use crate::attempt::{Attempt, Reason};
use crate::queue::Outcome;

/// How long after each failed try the next one is due. The tenth that fails is the last: after 3 days and 3½ hours.
pub const CURVE: [Duration; 9] = [
    Duration::from_secs(5),
    Duration::from_secs(5 * 60),
    Duration::from_secs(30 * 60),
    Duration::from_secs(2 * HOUR),
    Duration::from_secs(5 * HOUR),
    Duration::from_secs(10 * HOUR),
    Duration::from_secs(14 * HOUR),
    Duration::from_secs(20 * HOUR),
    Duration::from_secs(24 * HOUR),
];
const HOUR: u64 = 3600;
/// The longest wait that a receiver can ask for.
const ASKED: Duration = Duration::from_secs(24 * HOUR);

/// Delivered, due again, or failed. `attempts` counts this try; `jitter` is a random number that adds up to 10 % to the wait,
/// so that what failed together doesn't come back together.
///
/// - 410 Gone, and what can't be sent at all, fails for good.
/// - Everything else is tried again along [`CURVE`]. Refused addresses and invalid URLs are among it: the name or the
///   configuration may be mended meanwhile.
/// - `Retry-After` of a 429 or 503 makes the wait longer, up to a day, and never shorter: else a receiver that is down could
///   use up all tries within seconds.
pub fn policy(attempts: u32, attempt: &Attempt, jitter: u16) -> Outcome {
    let ms = attempt.ms;
    let reason = match &attempt.result {
        Ok(status) => return Outcome::Delivered { status: *status, ms },
        Err(reason) => reason.clone(),
    };
    let failed = usize::try_from(attempts).unwrap_or(usize::MAX).saturating_sub(1);
    match CURVE.get(failed) {
        Some(wait) if !matches!(reason, Reason::Status(410) | Reason::Unsendable) => {
            let wait = attempt.retry_after.unwrap_or_default().min(ASKED).max(*wait);
            let more = wait / 10 * u32::from(jitter) / u32::from(u16::MAX);
            Outcome::Retry { after: wait + more, reason, ms }
        }
        _ => Outcome::Failed { reason, ms },
    }
}

#[cfg(test)]
#[expect(clippy::panic, reason = "tests")]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use proptest::prelude::*;

    use super::*;
    use crate::UrlError;

    fn failed(reason: Reason, retry_after: Option<u64>) -> Attempt {
        Attempt { result: Err(reason), retry_after: retry_after.map(Duration::from_secs), ms: 7 }
    }

    fn wait(attempts: u32, attempt: &Attempt, jitter: u16) -> Option<u64> {
        match policy(attempts, attempt, jitter) {
            Outcome::Retry { after, reason, ms: 7 } if Err(reason.clone()) == attempt.result => Some(after.as_secs()),
            Outcome::Failed { reason, ms: 7 } if Err(reason.clone()) == attempt.result => None,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn any_success_delivers() {
        let done = Attempt { result: Ok(204), retry_after: None, ms: 7 };
        assert_eq!(policy(10, &done, 0), Outcome::Delivered { status: 204, ms: 7 });
    }

    #[test]
    fn the_curve_is_walked_and_ends() {
        let waits: Vec<_> = (1..=11).map(|attempts| wait(attempts, &failed(Reason::Status(500), None), 0)).collect();
        let hours = [2, 5, 10, 14, 20, 24].map(|h| Some(h * 3600));
        assert_eq!(waits[..3], [Some(5), Some(300), Some(1800)]);
        assert_eq!(waits[3..9], hours);
        assert_eq!(waits[9..], [None, None]);
        assert_eq!(wait(u32::MAX, &failed(Reason::Timeout, None), 0), None);
        assert_eq!(wait(0, &failed(Reason::Timeout, None), 0), Some(5));
    }

    #[test]
    fn gone_and_what_can_not_be_sent_fail_at_once() {
        assert_eq!(wait(1, &failed(Reason::Status(410), None), 0), None);
        assert_eq!(wait(1, &failed(Reason::Unsendable, None), 0), None);
    }

    #[test]
    fn what_may_be_mended_is_tried_again() {
        let ip = IpAddr::V4(Ipv4Addr::LOCALHOST);
        for reason in [Reason::Refused(ip), Reason::Url(UrlError::Http), Reason::Dns, Reason::Redirect(301), Reason::Status(404)] {
            assert_eq!(wait(2, &failed(reason, None), 0), Some(300));
        }
    }

    #[test]
    fn retry_after_lengthens_the_wait_up_to_a_day() {
        for (asked, waited) in [(0, 300), (299, 300), (600, 600), (86_400, 86_400), (86_401, 86_400), (u64::MAX, 86_400)] {
            assert_eq!(wait(2, &failed(Reason::Status(503), Some(asked)), 0), Some(waited), "{asked}");
        }
    }

    proptest! {
        #[test]
        fn jitter_adds_up_to_a_tenth(attempts in 1..=9u32, jitter: u16) {
            let attempt = failed(Reason::Connect, None);
            let base = CURVE[attempts as usize - 1];
            let Outcome::Retry { after, .. } = policy(attempts, &attempt, jitter) else { panic!("no retry") };
            prop_assert!(after >= base && after <= base + base / 10);
        }
    }

    #[test]
    fn jitter_spreads_to_its_end() {
        assert_eq!(wait(2, &failed(Reason::Connect, None), u16::MAX), Some(330));
    }
}
