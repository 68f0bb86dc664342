//! Which hits come first: BM25, raised for what is new.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::ops::Range;
use std::panic::resume_unwind;
use std::sync::LazyLock;
use std::thread;

use tantivy::query::{EnableScoring, Query, Scorer, Weight};
use tantivy::{DocId, Searcher, TERMINATED};

use super::ask::SearchError;
use super::budget::{BETWEEN_LOOKS, Budget};
use super::view::View;

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

/// Documents that are worth a thread of their own.
const SHARE: u64 = 8192;

/// Terms of a query whose documents are counted; one with more is taken for one with many documents.
const COUNTED: usize = 64;

/// Asking the system takes longer than many a search.
static PROCESSORS: LazyLock<u64> = LazyLock::new(|| thread::available_parallelism().map_or(1, |n| n.get() as u64));

/// The best `wanted` documents, best first, and how many match in all. Where many documents are to be looked at, the
/// index is divided among the processors; `is_wide`: that are more than those of the terms in the query.
pub(super) fn best(
    view: &View,
    query: &dyn Query,
    is_wide: bool,
    wanted: usize,
    budget: Budget,
) -> Result<(Vec<Ranked>, u64), SearchError> {
    let docs = if is_wide { view.searcher.num_docs() } else { candidates(&view.searcher, query)? };
    best_of(view, query, wanted, budget, (docs / SHARE).clamp(1, *PROCESSORS))
}

/// How many documents a query may have to look at, at most.
fn candidates(searcher: &Searcher, query: &dyn Query) -> Result<u64, SearchError> {
    let mut terms = Vec::new();
    query.query_terms(&mut |term, _| terms.push(term));
    if terms.len() > COUNTED {
        return Ok(searcher.num_docs());
    }
    terms.into_iter().map(|term| Ok(searcher.doc_freq(term)?)).sum()
}

fn best_of(view: &View, query: &dyn Query, wanted: usize, budget: Budget, threads: u64) -> Result<(Vec<Ranked>, u64), SearchError> {
    let weight = query.weight(EnableScoring::enabled_from_searcher(&view.searcher))?;
    let run = |pieces: &Vec<Piece>| Run { view, best: BinaryHeap::new(), wanted, total: 0, budget }.through(&*weight, pieces);
    let shares = shares(&view.searcher, threads);
    let runs = thread::scope(|scope| {
        let Some((own, others)) = shares.split_first() else { return Ok(Vec::new()) };
        let run = &run;
        let others: Vec<_> =
            others.iter().map(|share| thread::Builder::new().spawn_scoped(scope, move || run(share)).map_err(|_| share)).collect();
        let own = run(own);
        let others = others.into_iter().map(|other| match other {
            Ok(thread) => thread.join().unwrap_or_else(|panic| resume_unwind(panic)),
            Err(share) => run(share),
        });
        std::iter::once(own).chain(others).collect::<Result<Vec<Run<'_>>, SearchError>>()
    })?;
    let total = runs.iter().map(|run| run.total).sum();
    let mut best: Vec<Ranked> = runs.into_iter().flat_map(|run| run.best).map(|Reverse(ranked)| ranked).collect();
    best.sort_unstable_by(|a, b| b.cmp(a));
    best.truncate(wanted);
    Ok((best, total))
}

/// Some documents of one segment.
struct Piece {
    segment: usize,
    docs: Range<DocId>,
}

/// All documents, divided evenly; segments differ much in size, so a share may be many of them or a part of one.
fn shares(searcher: &Searcher, threads: u64) -> Vec<Vec<Piece>> {
    let sizes: Vec<u64> = searcher.segment_readers().iter().map(|reader| u64::from(reader.max_doc())).collect();
    let share = sizes.iter().sum::<u64>().div_ceil(threads.max(1)).max(1);
    let mut shares = vec![Vec::new()];
    let mut room = share;
    for (segment, size) in sizes.into_iter().enumerate() {
        let mut from = 0;
        while from < size {
            if room == 0 {
                shares.push(Vec::new());
                room = share;
            }
            let to = size.min(from + room);
            let doc = |at| DocId::try_from(at).unwrap_or(TERMINATED);
            if let Some(last) = shares.last_mut() {
                last.push(Piece { segment, docs: doc(from)..doc(to) });
            }
            room -= to - from;
            from = to;
        }
    }
    shares
}

struct Run<'a> {
    view: &'a View,
    best: BinaryHeap<Reverse<Ranked>>,
    wanted: usize,
    total: u64,
    budget: Budget,
}

impl Run<'_> {
    fn through(mut self, weight: &dyn Weight, pieces: &[Piece]) -> Result<Self, SearchError> {
        for piece in pieces {
            self.budget.look()?;
            self.piece(piece, weight)?;
        }
        // A phrase that was stopped in the last piece is no short answer.
        self.budget.look()?;
        Ok(self)
    }

    fn piece(&mut self, piece: &Piece, weight: &dyn Weight) -> Result<(), SearchError> {
        let reader = self.view.searcher.segment_reader(u32::try_from(piece.segment).unwrap_or(u32::MAX));
        let Some(updated) = self.view.updated.get(piece.segment) else { return Ok(()) };
        let mut scorer = weight.scorer(reader, 1.0)?;
        let alive = reader.alive_bitset();
        let mut seen = 0_u32;
        let mut doc = if scorer.doc() < piece.docs.start { scorer.seek(piece.docs.start) } else { scorer.doc() };
        while doc < piece.docs.end {
            seen = seen.wrapping_add(1);
            if seen.is_multiple_of(BETWEEN_LOOKS) {
                self.budget.look()?;
            }
            if alive.is_none_or(|alive| alive.is_alive(doc)) {
                self.total += 1;
                let score = scorer.score();
                if self.may_be_among_the_best(score) {
                    let updated = updated.get_val(doc);
                    self.offer(Ranked { score: score * self.freshness(updated), updated, segment: piece.segment, doc });
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
        let age = self.view.newest.saturating_sub(updated) as f32;
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

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::time::Duration;

    use proptest::prelude::*;
    use tantivy::query::{BooleanQuery, Occur, TermQuery};
    use tantivy::schema::IndexRecordOption;
    use tantivy::{Index, TantivyDocument, Term};

    use super::super::phrase::Phrase;
    use super::*;
    use crate::schema::{Fields, teach};

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn more_threads_find_the_same(
            segments in prop::collection::vec(prop::collection::vec(("([abc] ){0,9}", 0_i64..9), 1..40), 1..5),
            wanted in 1_usize..30,
        ) {
            let (schema, fields) = Fields::schema();
            let index = Index::create_in_ram(schema);
            teach(&index);
            let mut writer = index.writer_with_num_threads(1, 15_000_000).unwrap();
            writer.set_merge_policy(Box::new(tantivy::indexer::NoMergePolicy));
            for texts in &segments {
                for (text, months) in texts {
                    let mut doc = TantivyDocument::default();
                    doc.add_text(fields.text, text);
                    doc.add_i64(fields.updated, months * 2_600_000_000);
                    writer.add_document(doc).unwrap();
                }
                writer.commit().unwrap();
            }
            let view = View::of(index.reader().unwrap().searcher()).unwrap();
            let budget = Budget::new(Duration::MAX);
            let term = |word| Term::from_field_text(fields.text, word);
            let word = |word| Box::new(TermQuery::new(term(word), IndexRecordOption::WithFreqs)) as Box<dyn Query>;
            let phrase = || Box::new(Phrase { terms: vec![(0, term("a")), (1, term("b"))], budget }) as Box<dyn Query>;
            let queries = [
                word("a"),
                phrase(),
                Box::new(BooleanQuery::union(vec![word("a"), word("b")])),
                Box::new(BooleanQuery::new(vec![(Occur::Must, word("a")), (Occur::Should, phrase()), (Occur::MustNot, word("c"))])),
            ];
            for query in &queries {
                let alone = best_of(&view, &**query, wanted, budget, 1).unwrap();
                for threads in 2..5 {
                    prop_assert_eq!(&alone, &best_of(&view, &**query, wanted, budget, threads).unwrap());
                }
            }
        }
    }
}
