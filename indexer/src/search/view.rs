//! The index as one commit left it, with what every search of it reads: opened once, not by each of them.

use std::sync::Arc;

use tantivy::Searcher;
use tantivy::columnar::{ColumnValues, StrColumn};

use super::ask::SearchError;
use super::rank::Ranked;
use crate::feed::Key;
use crate::schema::{KEY, UPDATED};

/// One state of the index.
pub(crate) struct View {
    pub(super) searcher: Searcher,
    /// Times of the last change, for each segment.
    pub(super) updated: Vec<Arc<dyn ColumnValues<i64>>>,
    /// Keys, for each segment; none where no document is left.
    keys: Vec<Option<StrColumn>>,
    /// The newest of all times. Age is counted from it: no clock is asked, and the same index ranks the same tomorrow.
    pub(super) newest: i64,
}

impl View {
    pub(super) fn of(searcher: Searcher) -> tantivy::Result<Self> {
        let (mut updated, mut keys, mut newest) = (Vec::new(), Vec::new(), i64::MIN);
        for reader in searcher.segment_readers() {
            let times = reader.fast_fields().i64(UPDATED)?;
            if reader.num_docs() > 0 {
                newest = newest.max(times.max_value());
            }
            updated.push(times.first_or_default_col(0));
            keys.push(reader.fast_fields().str(KEY)?);
        }
        Ok(Self { searcher, updated, keys, newest })
    }

    /// Reads the key of a document.
    pub(super) fn key(&self, ranked: Ranked) -> Result<Key, SearchError> {
        let broken = || SearchError::Broken("a document has no key".to_owned());
        let keys = self.keys.get(ranked.segment).and_then(Option::as_ref).ok_or_else(broken)?;
        let ord = keys.term_ords(ranked.doc).next().ok_or_else(broken)?;
        let mut term = String::new();
        keys.ord_to_str(ord, &mut term)?;
        Key::of_term(&term).ok_or_else(broken)
    }
}
