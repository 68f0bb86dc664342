//! The splitter as tantivy wants it.

use tantivy::tokenizer::{Token as Given, TokenStream, Tokenizer};

use super::split::{Splitter, Token, Use};

/// The name under which the analyzer stands in the schema.
pub(crate) const NAME: &str = "ombud";

/// Splits what is indexed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Analyzer;

pub(crate) struct Stream<'a> {
    splitter: Splitter<'a>,
    token: Token,
    given: Given,
}

impl Tokenizer for Analyzer {
    type TokenStream<'a> = Stream<'a>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> Stream<'a> {
        Stream { splitter: Splitter::new(text, Use::Index), token: Token::default(), given: Given::default() }
    }
}

impl TokenStream for Stream<'_> {
    fn advance(&mut self) -> bool {
        if !self.splitter.next_into(&mut self.token) {
            return false;
        }
        std::mem::swap(&mut self.given.text, &mut self.token.text);
        (self.given.position, self.given.offset_from, self.given.offset_to) = (self.token.position, self.token.from, self.token.to);
        true
    }

    fn token(&self) -> &Given {
        &self.given
    }

    fn token_mut(&mut self) -> &mut Given {
        &mut self.given
    }
}
