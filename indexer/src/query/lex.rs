//! Text to tokens, each with its column.

use super::field::{self, QUOTES};
use super::{Leaf, MAX_TERMS, Place, QueryError, QueryErrorKind, Shape};
use crate::text;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    /// In characters, from 1.
    pub(super) column: usize,
    pub(super) kind: TokenKind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum TokenKind {
    Open,
    Close,
    And,
    Or,
    /// `NOT` or a leading `-`.
    Not(&'static str),
    Leaf(Leaf),
    /// A word without letters and digits: takes its place and means nothing.
    Noise,
}

/// Reads the whole text once.
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, QueryError> {
    let mut lexer = Lexer { rest: text, column: 1, tokens: Vec::new(), leaves: 0 };
    while let Some(c) = lexer.peek() {
        let column = lexer.column;
        lexer.token(c).map_err(|kind| QueryError { column, kind })?;
    }
    Ok(lexer.tokens)
}

struct Lexer<'a> {
    rest: &'a str,
    column: usize,
    tokens: Vec<Token>,
    leaves: usize,
}

impl<'a> Lexer<'a> {
    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    /// Takes characters as long as they are wanted.
    fn take(&mut self, wanted: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|c| !wanted(c)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        self.column += taken.chars().count();
        taken
    }

    fn take_one(&mut self) {
        let mut chars = self.rest.chars();
        chars.next();
        self.rest = chars.as_str();
        self.column += 1;
    }

    fn token(&mut self, c: char) -> Result<(), QueryErrorKind> {
        let column = self.column;
        let kind = match c {
            c if c.is_whitespace() => {
                self.take(char::is_whitespace);
                return Ok(());
            }
            '(' => {
                self.take_one();
                TokenKind::Open
            }
            ')' => {
                self.take_one();
                TokenKind::Close
            }
            '-' => {
                // `--verbose` is a word, and a dash between spaces is one, too.
                let dashes = self.take(|c| c == '-');
                if dashes.len() > 1 || self.peek().is_none_or(|c| c.is_whitespace() || c == ')') {
                    return Ok(());
                }
                TokenKind::Not("-")
            }
            c if QUOTES.contains(&c) => {
                let phrase = self.quoted()?;
                self.leaf(words(phrase, Shape::Quoted))?
            }
            _ => self.word()?,
        };
        self.tokens.push(Token { column, kind });
        Ok(())
    }

    /// A word that is an operator, has a field, or is searched for.
    fn word(&mut self) -> Result<TokenKind, QueryErrorKind> {
        let word = self.take(|c| !c.is_whitespace() && !matches!(c, '(' | ')') && !QUOTES.contains(&c));
        match word {
            "AND" => return Ok(TokenKind::And),
            "OR" => return Ok(TokenKind::Or),
            "NOT" => return Ok(TokenKind::Not("NOT")),
            _ => {}
        }
        if let Some((name, value)) = word.split_once(':') {
            let quoted = value.is_empty() && self.peek().is_some_and(|c| QUOTES.contains(&c));
            if let Some(field) = field::find(name) {
                let leaf = if quoted { field.leaf(self.quoted()?, Shape::Quoted) } else { bare(value).and_then(|(v, s)| field.leaf(v, s)) };
                return self.leaf(Some(leaf?));
            }
            if quoted || names_a_field(name, value) {
                return Err(QueryErrorKind::UnknownField { name: name.to_owned() });
            }
        }
        let (value, shape) = bare(word)?;
        self.leaf(words(value, shape))
    }

    /// What stands between two quotes.
    fn quoted(&mut self) -> Result<&'a str, QueryErrorKind> {
        self.take_one();
        let phrase = self.take(|c| !QUOTES.contains(&c));
        if self.peek().is_none() {
            return Err(QueryErrorKind::OpenQuote);
        }
        self.take_one();
        Ok(phrase)
    }

    fn leaf(&mut self, leaf: Option<Leaf>) -> Result<TokenKind, QueryErrorKind> {
        self.leaves += 1;
        if self.leaves > MAX_TERMS {
            return Err(QueryErrorKind::TooManyTerms);
        }
        if let Some(Leaf::Words { text, .. } | Leaf::Person { value: text, .. }) = &leaf
            && text::terms(text).len() > MAX_TERMS
        {
            return Err(QueryErrorKind::PhraseTooLong);
        }
        Ok(leaf.map_or(TokenKind::Noise, TokenKind::Leaf))
    }
}

/// Words to look for anywhere; nothing if there is neither a letter nor a digit.
fn words(text: &str, shape: Shape) -> Option<Leaf> {
    text::searchable(text).then(|| Leaf::Words { place: Place::Anywhere, text: text.to_owned(), shape })
}

/// A value and whether a star ends it.
fn bare(value: &str) -> Result<(&str, Shape), QueryErrorKind> {
    let stem = value.trim_end_matches('*');
    if stem.contains('*') && text::searchable(stem) {
        return Err(QueryErrorKind::Star);
    }
    if stem.len() == value.len() || !text::searchable(stem) {
        return Ok((value, Shape::Bare));
    }
    if stem.chars().filter(|c| c.is_alphanumeric()).count() < 2 && !text::ends_dense(stem) {
        return Err(QueryErrorKind::Star);
    }
    Ok((stem, Shape::Prefix))
}

/// Whether somebody meant a field. `http://x`, `12:30`, `C:\x`, `std::io`, `localhost:80` and `Re:` are text.
fn names_a_field(name: &str, value: &str) -> bool {
    let text = matches!(name.to_ascii_lowercase().as_str(), "mailto" | "tel")
        || value.starts_with("//")
        || value.starts_with(['\\', ':'])
        || value.bytes().all(|b| b.is_ascii_digit());
    !text && !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphabetic())
}
