//! From text to terms: the same way for what is indexed, what is asked for and what a snippet marks.

mod analyzer;
mod fold;
mod script;
mod split;

pub(crate) use analyzer::{Analyzer, NAME};
pub(crate) use fold::label;
pub(crate) use split::{Splitter, Token, Use};

/// The terms of a word or phrase that is asked for, each with its place.
pub(crate) fn terms(text: &str) -> Vec<(usize, String)> {
    let mut splitter = Splitter::new(text, Use::Ask);
    let mut token = Token::default();
    let mut terms = Vec::new();
    while splitter.next_into(&mut token) {
        terms.push((token.position, token.text.clone()));
    }
    terms
}

/// Whether a text has anything in it that could be found.
pub(crate) fn searchable(text: &str) -> bool {
    Splitter::new(text, Use::Ask).next_into(&mut Token::default())
}

/// Whether a text ends in a script without spaces, where every part of a run is found anyway.
pub(crate) fn ends_dense(text: &str) -> bool {
    text.chars().next_back().is_some_and(|c| script::dense(c) || script::continues(c)) && text.chars().any(script::dense)
}
