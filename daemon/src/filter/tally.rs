//! What filters have said since the start, and which of them fails.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::model::finding::{Action, Finding};

/// Counts of one filter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Findings, in the order of [`Action::ALL`].
    pub findings: [u64; Action::ALL.len()],
    /// Since when, in ms, it could not be asked.
    pub failing_since: Option<i64>,
}

/// The counts of all filters, by name.
#[derive(Debug, Default)]
pub(super) struct Tallies(Mutex<BTreeMap<String, Tally>>);

impl Tallies {
    /// Counts a finding of `now` (ms), and logs when a filter begins or ceases to fail.
    pub(super) fn count(&self, finding: &Finding, now: i64) {
        let mut tallies = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let tally = tallies.entry(finding.filter.clone()).or_default();
        if let Some(n) = Action::ALL.iter().position(|action| *action == finding.action).and_then(|at| tally.findings.get_mut(at)) {
            *n += 1;
        }
        let filter = finding.filter.as_str();
        match (finding.action, tally.failing_since) {
            (Action::Failed, None) => {
                tally.failing_since = Some(now);
                tracing::error!(filter, why = finding.why, "a content filter could not be asked");
            }
            (Action::Failed, Some(_)) | (Action::Untested, _) | (_, None) => {}
            (_, Some(_)) => {
                tally.failing_since = None;
                tracing::info!(filter, "a content filter answers again");
            }
        }
    }

    /// The counts of one filter.
    pub(super) fn of(&self, filter: &str) -> Tally {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(filter).copied().unwrap_or_default()
    }
}
