//! Words side by side. The hits and scores of tantivy's phrases in three quarters of the time, and stopped when the time is
//! over also where nothing matches: all candidates are walked over in here.

use tantivy::fieldnorm::FieldNormReader;
use tantivy::postings::{Postings, SegmentPostings};
use tantivy::query::{Bm25Weight, EmptyScorer, EnableScoring, Explanation, Query, Scorer, Weight};
use tantivy::schema::IndexRecordOption;
use tantivy::{DocId, DocSet, SeekDangerResult, SegmentReader, TERMINATED, TantivyError, Term};

use super::budget::{BETWEEN_LOOKS, Budget};

/// Terms of one field with their places in the phrase, at least one. When the budget is over it matches nothing more.
#[derive(Clone, Debug)]
pub(super) struct Phrase {
    pub(super) terms: Vec<(usize, Term)>,
    pub(super) budget: Budget,
}

struct PhraseWeight {
    phrase: Phrase,
    bm25: Option<Bm25Weight>,
}

struct PhraseScorer {
    /// The rarest term leads.
    lead: Shifted,
    others: Vec<Shifted>,
    bm25: Option<Bm25Weight>,
    norms: FieldNormReader,
    budget: Budget,
    /// Documents that were looked at.
    seen: u32,
    doc: DocId,
    /// Where the phrase stands in the document.
    places: Vec<u32>,
    /// The places of one term.
    other_places: Vec<u32>,
}

/// A term's list, with what its places are raised by so that all terms of a phrase are at the same one.
struct Shifted {
    list: SegmentPostings,
    shift: u32,
}

impl Query for Phrase {
    fn weight(&self, scoring: EnableScoring<'_>) -> tantivy::Result<Box<dyn Weight>> {
        let bm25 = match scoring {
            EnableScoring::Enabled { statistics_provider, .. } => {
                let terms: Vec<Term> = self.terms.iter().map(|(_, term)| term.clone()).collect();
                Some(Bm25Weight::for_terms(statistics_provider, &terms)?)
            }
            EnableScoring::Disabled { .. } => None,
        };
        Ok(Box::new(PhraseWeight { phrase: self.clone(), bm25 }))
    }

    fn query_terms<'a>(&'a self, visitor: &mut dyn FnMut(&'a Term, bool)) {
        self.terms.iter().for_each(|(_, term)| visitor(term, true));
    }
}

impl Weight for PhraseWeight {
    fn scorer(&self, reader: &SegmentReader, boost: f32) -> tantivy::Result<Box<dyn Scorer>> {
        let Phrase { terms, budget } = &self.phrase;
        let last = terms.iter().map(|(at, _)| *at).max().unwrap_or(0);
        let mut lists = Vec::with_capacity(terms.len());
        for (at, term) in terms {
            let Some(list) = reader.inverted_index(term.field())?.read_postings(term, IndexRecordOption::WithFreqsAndPositions)? else {
                return Ok(Box::new(EmptyScorer));
            };
            lists.push(Shifted { list, shift: u32::try_from(last - at).unwrap_or(u32::MAX) });
        }
        lists.sort_by_key(|shifted| shifted.list.doc_freq());
        let mut lists = lists.into_iter();
        let (Some(lead), Some((_, term))) = (lists.next(), terms.first()) else { return Ok(Box::new(EmptyScorer)) };
        let norms = reader.fieldnorms_readers().get_field(term.field())?;
        let mut scorer = PhraseScorer {
            doc: lead.list.doc(),
            lead,
            others: lists.collect(),
            bm25: self.bm25.as_ref().map(|bm25| bm25.boost_by(boost)),
            norms: norms.unwrap_or_else(|| FieldNormReader::constant(reader.max_doc(), 1)),
            budget: *budget,
            seen: 0,
            places: Vec::new(),
            other_places: Vec::new(),
        };
        scorer.settle();
        Ok(Box::new(scorer))
    }

    fn explain(&self, _: &SegmentReader, _: DocId) -> tantivy::Result<Explanation> {
        Err(TantivyError::InvalidArgument("a phrase is not explained".to_owned()))
    }
}

impl PhraseScorer {
    /// Goes on from a document of the lead to the first one with the phrase.
    fn settle(&mut self) -> DocId {
        while self.doc != TERMINATED {
            if self.is_late() {
                self.doc = TERMINATED;
                break;
            }
            match self.others.iter_mut().map(|other| other.reach(self.doc)).find(|at| *at > self.doc) {
                Some(beyond) => self.doc = self.lead.list.seek(beyond),
                None if self.stands_here() => break,
                None => self.doc = self.lead.list.advance(),
            }
        }
        self.doc
    }

    /// Counts a document and says whether time is over.
    fn is_late(&mut self) -> bool {
        self.seen = self.seen.wrapping_add(1);
        self.seen.is_multiple_of(BETWEEN_LOOKS) && self.budget.is_over()
    }

    /// Finds the places of the phrase in a document that has all its words.
    fn stands_here(&mut self) -> bool {
        self.lead.places(&mut self.places);
        for other in &mut self.others {
            other.places(&mut self.other_places);
            meet(&mut self.places, &self.other_places);
            if self.places.is_empty() {
                break;
            }
        }
        !self.places.is_empty()
    }
}

impl Shifted {
    /// The first document from one on.
    fn reach(&mut self, doc: DocId) -> DocId {
        if self.list.doc() < doc { self.list.seek(doc) } else { self.list.doc() }
    }

    fn places(&mut self, places: &mut Vec<u32>) {
        self.list.positions_with_offset(self.shift, places);
    }
}

/// Keeps what is in both; both are in order. Which of the two goes on can't be guessed, so there is nothing to guess.
fn meet(left: &mut Vec<u32>, right: &[u32]) {
    let (mut kept, mut l, mut r) = (0, 0, 0);
    while l < left.len() && r < right.len() {
        let (a, b) = (left[l], right[r]);
        left[kept] = a;
        kept += usize::from(a == b);
        l += usize::from(a <= b);
        r += usize::from(b <= a);
    }
    left.truncate(kept);
}

impl DocSet for PhraseScorer {
    fn advance(&mut self) -> DocId {
        if self.doc != TERMINATED {
            self.doc = self.lead.list.advance();
        }
        self.settle()
    }

    fn seek(&mut self, target: DocId) -> DocId {
        if self.doc < target {
            self.doc = self.lead.list.seek(target);
            self.settle();
        }
        self.doc
    }

    /// Looks at that document alone: what comes after it is decided by what the phrase is asked for together with.
    fn seek_danger(&mut self, target: DocId) -> SeekDangerResult {
        if target >= TERMINATED || self.is_late() {
            self.doc = TERMINATED;
            return SeekDangerResult::SeekLowerBound(TERMINATED);
        }
        if self.doc == target {
            return SeekDangerResult::Found;
        }
        let beyond = std::iter::once(&mut self.lead).chain(&mut self.others).map(|list| list.reach(target)).find(|at| *at > target);
        match beyond {
            Some(beyond) => SeekDangerResult::SeekLowerBound(beyond),
            None if self.stands_here() => {
                self.doc = target;
                SeekDangerResult::Found
            }
            None => SeekDangerResult::SeekLowerBound(target + 1),
        }
    }

    fn doc(&self) -> DocId {
        self.doc
    }

    fn size_hint(&self) -> u32 {
        self.lead.list.size_hint()
    }

    /// More than a word: the places are read, too.
    fn cost(&self) -> u64 {
        u64::from(self.size_hint()) * 10 * (self.others.len() as u64 + 1)
    }
}

impl Scorer for PhraseScorer {
    fn score(&mut self) -> f32 {
        let times = u32::try_from(self.places.len()).unwrap_or(u32::MAX);
        self.bm25.as_ref().map_or(1.0, |bm25| bm25.score(self.norms.fieldnorm_id(self.doc), times))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::time::Duration;

    use proptest::prelude::*;
    use tantivy::query::{BooleanQuery, PhraseQuery, TermQuery};
    use tantivy::{Index, Searcher, TantivyDocument};

    use super::super::view::View;
    use super::*;
    use crate::schema::{Fields, teach};

    /// One segment per list of documents.
    fn index(segments: &[Vec<String>]) -> (Searcher, Fields) {
        let (schema, fields) = Fields::schema();
        let index = Index::create_in_ram(schema);
        teach(&index);
        let mut writer = index.writer_with_num_threads(1, 15_000_000).unwrap();
        writer.set_merge_policy(Box::new(tantivy::indexer::NoMergePolicy));
        for texts in segments {
            for text in texts {
                let mut doc = TantivyDocument::default();
                doc.add_text(fields.text, text);
                writer.add_document(doc).unwrap();
            }
            writer.commit().unwrap();
        }
        (index.reader().unwrap().searcher(), fields)
    }

    /// Every document of a query with its score; some are sought, some come by themselves.
    fn all(searcher: &Searcher, query: &dyn Query, stride: DocId) -> Vec<(usize, DocId, f32)> {
        let weight = query.weight(EnableScoring::enabled_from_searcher(searcher)).unwrap();
        let mut found = Vec::new();
        for (segment, reader) in searcher.segment_readers().iter().enumerate() {
            let mut scorer = weight.scorer(reader, 1.5).unwrap();
            while scorer.doc() != TERMINATED {
                found.push((segment, scorer.doc(), scorer.score()));
                let next = scorer.doc() + stride;
                if stride == 1 {
                    scorer.advance()
                } else {
                    scorer.seek(next)
                };
            }
            assert_eq!((scorer.advance(), scorer.seek(TERMINATED)), (TERMINATED, TERMINATED));
        }
        found
    }

    fn phrase(fields: Fields, terms: &[(usize, String)], budget: Duration) -> Phrase {
        let terms = terms.iter().map(|(at, term)| (*at, Term::from_field_text(fields.text, term))).collect();
        Phrase { terms, budget: Budget::new(budget) }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn hits_and_scores_are_those_of_tantivy(
            segments in prop::collection::vec(prop::collection::vec("([abc] ){0,12}", 1..150), 1..3),
            terms in prop::collection::vec((0_usize..4, "[abcd]"), 2..5),
            stride in 1_u32..4,
        ) {
            let (searcher, fields) = index(&segments);
            let ours = phrase(fields, &terms, Duration::MAX);
            let theirs = PhraseQuery::new_with_offset(ours.terms.clone());
            let alike = |ours: &dyn Query, theirs: &dyn Query| {
                let (ours, theirs) = (all(&searcher, ours, stride), all(&searcher, theirs, stride));
                // What is added first is tantivy's to choose, and decides the last bit of a score.
                let alike = ours.iter().zip(&theirs).all(|(a, b)| (a.0, a.1) == (b.0, b.1) && (a.2 - b.2).abs() < 1e-5);
                prop_assert!(ours.len() == theirs.len() && alike, "{ours:?} {theirs:?}");
                Ok(())
            };
            alike(&ours, &theirs)?;
            let with_word = |query: Box<dyn Query>| {
                let word = TermQuery::new(Term::from_field_text(fields.text, "c"), IndexRecordOption::WithFreqs);
                BooleanQuery::intersection(vec![query, Box::new(word)])
            };
            alike(&with_word(Box::new(ours)), &with_word(Box::new(theirs)))?;
        }
    }

    #[test]
    fn a_phrase_that_matches_nothing_stops_when_the_time_is_over() {
        let texts = vec!["b a".to_owned(); 2 * BETWEEN_LOOKS as usize];
        let (searcher, fields) = index(&[texts]);
        let terms = [(0, "a".to_owned()), (1, "b".to_owned())];
        let over = phrase(fields, &terms, Duration::ZERO);
        let weight = over.weight(EnableScoring::enabled_from_searcher(&searcher)).unwrap();
        let reader = searcher.segment_reader(0);
        let mut ended = weight.scorer(reader, 1.0).unwrap();
        assert_eq!((ended.doc(), ended.seek(2000)), (TERMINATED, TERMINATED));
        assert!(super::super::rank::best(&View::of(searcher).unwrap(), &over, false, 1, over.budget).is_err());
    }
}
