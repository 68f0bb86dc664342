//! Where the words of a query stand in a text.

use std::collections::HashMap;

use crate::query::{Leaf, Query, Shape};
use crate::text::{self, Splitter, Token, Use};

/// Most terms of one text that are looked at closer.
const MAX_HITS: usize = 10_000;

/// What a query wants to see: words and phrases, each with its terms.
pub(super) struct Wanted {
    phrases: Vec<Vec<(usize, String)>>,
    /// Terms, each with a phrase it belongs to and as which of its terms. A query has so few that they are walked over.
    exact: Vec<(String, (usize, usize))>,
    prefixes: Vec<(String, (usize, usize))>,
}

/// A word or phrase that was found: which one, and its octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) phrase: usize,
    pub(super) from: usize,
    pub(super) to: usize,
}

/// By phrase, which of its terms, and place among the terms of the text: the octets.
type Hits = HashMap<(usize, usize, usize), (usize, usize)>;

/// A text that is read as far as it takes.
pub(super) struct Finder<'a> {
    wanted: &'a Wanted,
    splitter: Splitter<'a>,
    token: Token,
    hits: Hits,
}

impl Wanted {
    pub(super) fn of(query: &Query) -> Self {
        let mut wanted = Self { phrases: Vec::new(), exact: Vec::new(), prefixes: Vec::new() };
        query.root.each(true, &mut |leaf, is_wanted| {
            if let (Leaf::Words { text, shape, .. }, true) = (leaf, is_wanted) {
                wanted.add(text::terms(text), *shape == Shape::Prefix && !text::ends_dense(text));
            }
        });
        wanted
    }

    fn add(&mut self, terms: Vec<(usize, String)>, prefix: bool) {
        let phrase = self.phrases.len();
        for (n, (_, term)) in terms.iter().enumerate() {
            let terms = if prefix && n + 1 == terms.len() { &mut self.prefixes } else { &mut self.exact };
            terms.push((term.clone(), (phrase, n)));
        }
        self.phrases.push(terms);
    }

    /// How many words and phrases are wanted.
    pub(super) fn count(&self) -> usize {
        self.phrases.len()
    }

    /// Looks for them in a text.
    pub(super) fn finder<'a>(&'a self, text: &'a str) -> Finder<'a> {
        Finder { wanted: self, splitter: Splitter::new(text, Use::Index), token: Token::default(), hits: HashMap::new() }
    }

    /// Where a phrase that begins at a place ends, if all of it is there.
    fn end(&self, phrase: usize, at: usize, hits: &Hits) -> Option<usize> {
        let terms = self.phrases.get(phrase)?;
        let (first, _) = terms.first()?;
        let mut end = 0;
        for (n, (place, _)) in terms.iter().enumerate() {
            end = hits.get(&(phrase, n, at + place - first))?.1.max(end);
        }
        Some(end)
    }
}

impl Finder<'_> {
    /// Goes on to so many octets from the beginning; says whether there is more.
    pub(super) fn read(&mut self, octets: usize) -> bool {
        while self.hits.len() < MAX_HITS {
            if self.token.to >= octets {
                return true;
            }
            if !self.splitter.next_into(&mut self.token) {
                return false;
            }
            let token = &self.token;
            let exact = self.wanted.exact.iter().filter(|(term, _)| token.text == *term);
            let prefixes = self.wanted.prefixes.iter().filter(|(stem, _)| token.text.starts_with(stem.as_str()));
            for &(_, (phrase, n)) in exact.chain(prefixes) {
                let whole = self.hits.entry((phrase, n, token.position)).or_insert((token.from, token.to));
                whole.1 = whole.1.max(token.to);
            }
        }
        false
    }

    /// Everything that was found so far, in order.
    pub(super) fn found(&self) -> Vec<Found> {
        let firsts = self.hits.iter().filter(|((_, n, _), _)| *n == 0);
        let whole = |(&(phrase, _, at), &(from, _)): (&(usize, usize, usize), &(usize, usize))| {
            Some(Found { phrase, from, to: self.wanted.end(phrase, at, &self.hits)? })
        };
        let mut found: Vec<Found> = firsts.filter_map(whole).collect();
        found.sort_unstable_by_key(|found| (found.from, found.to, found.phrase));
        found
    }
}
