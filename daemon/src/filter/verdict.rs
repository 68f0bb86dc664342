//! What findings mean for a mail.

use crate::config::{Config, Filter, OnError};
use crate::model::Reply;
use crate::model::finding::{Action, Finding};

const REFUSED: &str = "A content filter of this desk refuses the mail";
const LATER: &str = "A content filter of this desk asks to try again later";
const NOT_ASKED: Reply = Reply::new(451, "4.7.1", "A content filter of this desk does not answer, please try again later");

/// The answer to an outside client whose mail shall not come in: refused, or asked to come again.
pub fn refusal(config: &Config, findings: &[Finding]) -> Option<Reply> {
    let why = |finding: &Finding, ours: &str| finding.why.clone().unwrap_or_else(|| ours.to_owned());
    let of = |action| findings.iter().find(|finding| finding.action == action);
    let refused = of(Action::Reject).map(|finding| Reply::with(550, "5.7.1", why(finding, REFUSED)));
    let later = || of(Action::Tempfail).map(|finding| Reply::with(451, "4.7.1", why(finding, LATER)));
    refused.or_else(later).or_else(|| failed_closed(config, findings).map(|_| NOT_ASKED))
}

/// The filter without which mail must not pass, and that could not be asked.
pub fn failed_closed<'f>(config: &Config, findings: &'f [Finding]) -> Option<&'f Finding> {
    findings
        .iter()
        .filter(|finding| finding.action == Action::Failed)
        .find(|finding| config.filters.iter().any(|filter| filter.name == finding.filter && filter.on_error == OnError::Closed))
}

/// The field among a filter's tags that holds a mail.
pub(super) fn held_by<'t>(filter: &Filter, tags: &'t [String]) -> Option<&'t String> {
    tags.iter().find(|tag| {
        let (name, value) = tag.split_once(':').unwrap_or_default();
        filter.hold_on.iter().any(|(n, v)| name.eq_ignore_ascii_case(n) && value.trim().eq_ignore_ascii_case(v))
    })
}
