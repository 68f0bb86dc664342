//! When an endpoint is given up.

use crate::attempt::Reason;

/// What the owner knows of an endpoint. Milliseconds since 1970.
#[derive(Clone, Copy, Debug)]
pub struct History {
    /// When it was created or last enabled.
    pub enabled_at: i64,
    /// The last delivery that succeeded, of any event.
    pub last_success_at: Option<i64>,
}

/// Why an endpoint is to be disabled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disable {
    /// It answered 410: it wants no more.
    Gone,
    /// A delivery went through all its tries and nothing else got through meanwhile.
    Failing {
        /// Since when. Milliseconds since 1970.
        since: i64,
    },
}

/// Whether a delivery that [failed](crate::Outcome::Failed) for `reason`, and was first tried at `first_at` (milliseconds since
/// 1970), disables its endpoint.
///
/// An endpoint that took another delivery since `first_at` lives; the fault is in this one delivery. What began before the
/// endpoint was enabled says nothing about it as it is now. What we could not send is our own fault.
pub fn lasting_failure(reason: &Reason, first_at: i64, history: &History) -> Option<Disable> {
    match reason {
        Reason::Status(410) => Some(Disable::Gone),
        Reason::Unsendable => None,
        _ if first_at < history.enabled_at || history.last_success_at.is_some_and(|at| at >= first_at) => None,
        _ => Some(Disable::Failing { since: first_at }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_given_up_when_nothing_gets_through() {
        let out = Reason::Status(500);
        let failing = Some(Disable::Failing { since: 100 });
        for (reason, enabled_at, last_success_at, disables) in [
            (&out, 0, None, failing),
            (&out, 0, Some(99), failing),
            (&out, 100, Some(99), failing),
            (&out, 0, Some(100), None),
            (&out, 0, Some(5000), None),
            (&out, 101, None, None),
            (&Reason::Status(410), 101, Some(5000), Some(Disable::Gone)),
            (&Reason::Unsendable, 0, None, None),
        ] {
            assert_eq!(lasting_failure(reason, 100, &History { enabled_at, last_success_at }), disables, "{reason} {enabled_at}");
        }
    }
}
