//! Documents with any of some terms, all of which count the same. tantivy's own query for that makes an automaton of the
//! terms first, which takes longer than looking for them.

use tantivy::query::{BitSetDocSet, ConstScorer, EmptyScorer, EnableScoring, Explanation, Query, Scorer, Weight};
use tantivy::schema::IndexRecordOption;
use tantivy::{BitSet, DocId, DocSet as _, SegmentReader, TERMINATED, TantivyError, Term};

use super::budget::{BETWEEN_LOOKS, Budget};

/// These terms. When the budget is over it matches nothing more.
#[derive(Clone, Debug)]
pub(super) struct AnyOf {
    pub(super) terms: Vec<Term>,
    pub(super) budget: Budget,
}

impl Query for AnyOf {
    fn weight(&self, _: EnableScoring<'_>) -> tantivy::Result<Box<dyn Weight>> {
        Ok(Box::new(self.clone()))
    }

    fn query_terms<'a>(&'a self, visitor: &mut dyn FnMut(&'a Term, bool)) {
        self.terms.iter().for_each(|term| visitor(term, false));
    }
}

impl Weight for AnyOf {
    fn scorer(&self, reader: &SegmentReader, boost: f32) -> tantivy::Result<Box<dyn Scorer>> {
        let (mut found, mut seen): (Option<BitSet>, u32) = (None, 0);
        for term in &self.terms {
            let Some(mut list) = reader.inverted_index(term.field())?.read_postings(term, IndexRecordOption::Basic)? else { continue };
            let found = found.get_or_insert_with(|| BitSet::with_max_value(reader.max_doc()));
            while list.doc() != TERMINATED {
                found.insert(list.doc());
                list.advance();
                seen = seen.wrapping_add(1);
                if seen.is_multiple_of(BETWEEN_LOOKS) && self.budget.is_over() {
                    return Ok(Box::new(EmptyScorer));
                }
            }
        }
        Ok(match found {
            Some(docs) => Box::new(ConstScorer::new(BitSetDocSet::from(docs), boost)),
            None => Box::new(EmptyScorer),
        })
    }

    fn explain(&self, _: &SegmentReader, _: DocId) -> tantivy::Result<Explanation> {
        Err(TantivyError::InvalidArgument("a group of terms is not explained".to_owned()))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::time::Duration;

    use tantivy::collector::DocSetCollector;
    use tantivy::query::{BooleanQuery, TermSetQuery};
    use tantivy::{Index, TantivyDocument};

    use super::*;
    use crate::schema::{Fields, teach};

    #[test]
    fn it_finds_what_a_set_of_terms_finds() {
        let (schema, fields) = Fields::schema();
        let index = Index::create_in_ram(schema);
        teach(&index);
        let mut writer = index.writer_with_num_threads(1, 15_000_000).unwrap();
        writer.set_merge_policy(Box::new(tantivy::indexer::NoMergePolicy));
        for texts in [["a b", "b c", "d"], ["d e", "a", "e"]] {
            for text in texts {
                let mut doc = TantivyDocument::default();
                doc.add_text(fields.text, text);
                writer.add_document(doc).unwrap();
            }
            writer.commit().unwrap();
        }
        let searcher = index.reader().unwrap().searcher();
        let terms = |words: &str| words.split(' ').map(|word| Term::from_field_text(fields.text, word)).collect::<Vec<_>>();
        let any = |words| AnyOf { terms: terms(words), budget: Budget::new(Duration::MAX) };
        for words in ["a", "a c", "e b", "nobody", "a b c d e"] {
            let theirs = searcher.search(&TermSetQuery::new(terms(words)), &DocSetCollector).unwrap();
            assert_eq!(searcher.search(&any(words), &DocSetCollector).unwrap(), theirs, "{words}");
            let both = |query: Box<dyn Query>| BooleanQuery::intersection(vec![Box::new(any("a d")), query]);
            let ours = searcher.search(&both(Box::new(any(words))), &DocSetCollector).unwrap();
            let theirs = searcher.search(&both(Box::new(TermSetQuery::new(terms(words)))), &DocSetCollector).unwrap();
            assert_eq!(ours, theirs, "{words}");
        }
    }
}
