//! What is wrong with a query, and where.

use thiserror::Error;

use super::{MAX_DEPTH, MAX_OCTETS, MAX_TERMS, field};

/// A query that can't be read. Its text is one sentence for the person who typed it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("column {column}: {kind}")]
pub struct QueryError {
    /// Where, in characters, counted from 1.
    pub column: usize,
    /// What.
    pub kind: QueryErrorKind,
}

/// What is wrong with a query.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum QueryErrorKind {
    /// There is nothing to search for.
    #[error("there is nothing to search for; type a word, or a field such as is:open")]
    Empty,
    /// More than [`MAX_OCTETS`].
    #[error("the query takes {octets} octets, at most {MAX_OCTETS} are allowed; leave something out")]
    TooLong {
        /// How long it is.
        octets: usize,
    },
    /// More than [`MAX_TERMS`].
    #[error("there are more than {MAX_TERMS} words; leave some out")]
    TooManyTerms,
    /// A phrase of more than [`MAX_TERMS`] words.
    #[error("there are more than {MAX_TERMS} words in one phrase; leave some out")]
    PhraseTooLong,
    /// More than [`MAX_DEPTH`].
    #[error("parentheses stand more than {MAX_DEPTH} levels deep; write it flatter")]
    TooDeep,
    /// A quote without its partner.
    #[error("this quote is never closed; add another \" at the end of the phrase")]
    OpenQuote,
    /// An opening parenthesis without its partner.
    #[error("this parenthesis is never closed; add a )")]
    OpenParenthesis,
    /// A closing parenthesis without its partner.
    #[error("this parenthesis was never opened; add a ( or take it away")]
    StrayParenthesis,
    /// Nothing in parentheses.
    #[error("there is nothing between these parentheses; put something in or take them away")]
    NoContent,
    /// `AND`, `OR`, `NOT` or `-` without what it needs.
    #[error("{word} needs something to search for {place}; to search for the word itself, put it in quotes")]
    Operand {
        /// The operator.
        word: &'static str,
        /// Where something is missing.
        place: &'static str,
    },
    /// A field that does not exist.
    #[error("there is no field {name}:; the fields are {}; to search for the text itself, put it in quotes", field::names())]
    UnknownField {
        /// As it was typed.
        name: String,
    },
    /// A field without a value, or with one that has neither letters nor digits.
    #[error("{field}: needs a value right behind the colon, such as {example}")]
    NoValue {
        /// The field.
        field: &'static str,
        /// A query that works.
        example: &'static str,
    },
    /// A value that the field does not know.
    #[error("{field}: does not know {value:?}; it knows {known}")]
    UnknownValue {
        /// The field.
        field: &'static str,
        /// As it was typed.
        value: String,
        /// What would work.
        known: String,
    },
    /// A star at a place where it means nothing.
    #[error("a star stands for the rest of a word: behind at least two letters, and only in words, subject:, from:, to:")]
    Star,
}
