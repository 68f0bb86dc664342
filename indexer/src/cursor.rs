//! How far an index is, as it stands in the payload of each commit.

use serde::{Deserialize, Serialize};

use crate::feed::Head;
use crate::schema::VERSION;

/// The place of the log that an index holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// The log that was followed.
    pub log_id: String,
    /// The epoch of that log for which the index was built.
    pub epoch: u64,
    /// The last event that is in the index.
    pub seq: u64,
    schema: u32,
}

impl Cursor {
    /// An index of this schema that holds all of a log.
    pub(crate) fn at(head: &Head) -> Self {
        Self { log_id: head.log_id.clone(), epoch: head.epoch, seq: head.seq, schema: VERSION }
    }

    /// The same index with all of the log up to an event.
    pub(crate) fn moved(&self, seq: u64) -> Self {
        Self { seq, ..self.clone() }
    }

    /// Reads a commit's payload; nothing if it is not ours or of another schema.
    pub(crate) fn read(payload: &str) -> Option<Self> {
        serde_json::from_str(payload).ok().filter(|cursor: &Self| cursor.schema == VERSION)
    }

    pub(crate) fn write(&self) -> String {
        serde_json::json!(self).to_string()
    }

    /// What a log that stands there makes of the index.
    pub(crate) fn against(&self, head: &Head) -> Fit {
        match () {
            () if self.log_id != head.log_id || self.seq > head.seq => Fit::Other,
            () if self.epoch != head.epoch => Fit::Old,
            () => Fit::Good,
        }
    }
}

/// How an index and a log fit together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fit {
    /// The index goes on from its place.
    Good,
    /// It is to be built anew, and may answer meanwhile.
    Old,
    /// It is of another log, or ahead of this one: it may name what never was.
    Other,
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn head(log_id: &str, epoch: u64, seq: u64) -> Head {
        Head { log_id: log_id.into(), epoch, seq }
    }

    #[test]
    fn a_payload_comes_back() {
        let cursor = Cursor::at(&head("a\"b", 2, 7));
        assert_eq!(Cursor::read(&cursor.write()).unwrap(), cursor);
        let other_schema = cursor.write().replace(&format!("\"schema\":{VERSION}"), "\"schema\":0");
        for none in ["", "{}", "null", "garbage", &other_schema] {
            assert_eq!(Cursor::read(none), None, "{none}");
        }
    }

    #[test]
    fn an_index_fits_its_log_alone() {
        let cursor = Cursor::at(&head("a", 2, 7));
        for (now, fit) in [
            (head("a", 2, 7), Fit::Good),
            (head("a", 2, 9), Fit::Good),
            (head("a", 3, 9), Fit::Old),
            (head("a", 1, 9), Fit::Old),
            (head("a", 2, 6), Fit::Other),
            (head("a", 3, 6), Fit::Other),
            (head("b", 2, 9), Fit::Other),
        ] {
            assert_eq!(cursor.against(&now), fit, "{now:?}");
        }
    }
}
