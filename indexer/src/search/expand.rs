//! The words that begin with something, a bounded number of them.

use std::collections::HashMap;

use tantivy::query::{EmptyQuery, Query};
use tantivy::schema::Field;
use tantivy::{Searcher, Term};

use super::any::AnyOf;
use super::budget::Budget;

/// Most terms that a prefix becomes.
pub(super) const MAX_EXPANSIONS: usize = 256;

/// Most terms that are looked at for it, in each segment.
const MAX_SCANNED: usize = 4096;

/// Documents with a term that begins with `prefix` and goes on as wanted. Of too many terms those count that most
/// documents have; of very many, the first in the order of the dictionary.
pub(super) fn expand(
    searcher: &Searcher,
    budget: Budget,
    field: Field,
    prefix: &str,
    wanted: impl Fn(&str) -> bool,
) -> tantivy::Result<Box<dyn Query>> {
    let mut found: HashMap<String, u32> = HashMap::new();
    for reader in searcher.segment_readers() {
        let index = reader.inverted_index(field)?;
        let mut terms = index.terms().range().ge(prefix.as_bytes()).into_stream()?;
        for _ in 0..MAX_SCANNED {
            let Some((term, info)) = terms.next() else { break };
            let Some(rest) = std::str::from_utf8(term).ok().and_then(|term| term.strip_prefix(prefix)) else { break };
            if wanted(rest) {
                *found.entry(rest.to_owned()).or_default() += info.doc_freq;
            }
        }
    }
    let mut rests: Vec<(String, u32)> = found.into_iter().collect();
    rests.sort_unstable_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    rests.truncate(MAX_EXPANSIONS);
    if rests.is_empty() {
        return Ok(Box::new(EmptyQuery));
    }
    let terms = rests.iter().map(|(rest, _)| Term::from_field_text(field, &format!("{prefix}{rest}")));
    Ok(Box::new(AnyOf { terms: terms.collect(), budget }))
}
