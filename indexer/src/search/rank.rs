//! Which hits come first: BM25, raised for what is new.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use tantivy::query::{EnableScoring, Query};
use tantivy::{DocId, Searcher, SegmentReader, TERMINATED};

use super::ask::SearchError;
use super::budget::{BETWEEN_LOOKS, Budget};
use crate::schema::UPDATED;

/// After this long what is new about a document counts half as much.
const HALF_LIFE_MS: f32 = 90.0 * 24.0 * 60.0 * 60.0 * 1000.0;

/// What the score of the newest document is multiplied with.
const NEWEST: f32 = 2.0;

/// A document and its rank among others.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ranked {
    pub(super) score: f32,
    updated: i64,
    pub(super) segment: usize,
    pub(super) doc: DocId,
}

impl Ord for Ranked {
    fn cmp(&self, other: &Self) -> Ordering {
        let place = |r: &Self| (r.updated, Reverse((r.segment, r.doc)));
        self.score.total_cmp(&other.score).then_with(|| place(self).cmp(&place(other)))
    }
}

impl PartialOrd for Ranked {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Ranked {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Ranked {}

/// The best `wanted` documents, best first, and how many match in all.
pub(super) fn best(searcher: &Searcher, query: &dyn Query, wanted: usize, budget: Budget) -> Result<(Vec<Ranked>, u64), SearchError> {
    let weight = query.weight(EnableScoring::enabled_from_searcher(searcher))?;
    let mut run = Run { best: BinaryHeap::new(), wanted, total: 0, newest: newest(searcher)?, budget };
    for (segment, reader) in searcher.segment_readers().iter().enumerate() {
        run.budget.look()?;
        run.segment(segment, reader, &mut *weight.scorer(reader, 1.0)?)?;
    }
    // A phrase that was stopped in the last segment is no short answer.
    run.budget.look()?;
    let mut best: Vec<Ranked> = run.best.into_iter().map(|Reverse(ranked)| ranked).collect();
    best.sort_unstable_by(|a, b| b.cmp(a));
    Ok((best, run.total))
}

/// Age is counted from the newest document: no clock is asked, and the same index ranks the same tomorrow.
fn newest(searcher: &Searcher) -> Result<i64, SearchError> {
    let mut newest = i64::MIN;
    for reader in searcher.segment_readers().iter().filter(|reader| reader.num_docs() > 0) {
        newest = newest.max(reader.fast_fields().i64(UPDATED)?.max_value());
    }
    Ok(newest)
}

struct Run {
    best: BinaryHeap<Reverse<Ranked>>,
    wanted: usize,
    total: u64,
    newest: i64,
    budget: Budget,
}

impl Run {
    fn segment(&mut self, segment: usize, reader: &SegmentReader, scorer: &mut dyn tantivy::query::Scorer) -> Result<(), SearchError> {
        let updated = reader.fast_fields().i64(UPDATED)?.first_or_default_col(0);
        let alive = reader.alive_bitset();
        let mut seen = 0_u32;
        let mut doc = scorer.doc();
        while doc != TERMINATED {
            seen = seen.wrapping_add(1);
            if seen.is_multiple_of(BETWEEN_LOOKS) {
                self.budget.look()?;
            }
            if alive.is_none_or(|alive| alive.is_alive(doc)) {
                self.total += 1;
                let score = scorer.score();
                if self.may_be_among_the_best(score) {
                    let updated = updated.get_val(doc);
                    self.offer(Ranked { score: score * self.freshness(updated), updated, segment, doc });
                }
            }
            doc = scorer.advance();
        }
        Ok(())
    }

    /// Whether a score would do for a place if the document were the newest. Most have no chance, and their age is not read.
    fn may_be_among_the_best(&self, score: f32) -> bool {
        let worst = self.best.peek().filter(|_| self.best.len() >= self.wanted);
        worst.is_none_or(|Reverse(worst)| score * NEWEST >= worst.score)
    }

    /// From [`NEWEST`] (as new as the newest) down to 1.
    fn freshness(&self, updated: i64) -> f32 {
        #[expect(clippy::cast_precision_loss, reason = "an age need not be exact")]
        let age = self.newest.saturating_sub(updated) as f32;
        1.0 + (NEWEST - 1.0) * (-age / HALF_LIFE_MS).exp2()
    }

    fn offer(&mut self, ranked: Ranked) {
        if self.best.len() < self.wanted {
            self.best.push(Reverse(ranked));
        } else if let Some(mut worst) = self.best.peek_mut()
            && worst.0 < ranked
        {
            *worst = Reverse(ranked);
        }
    }
}
