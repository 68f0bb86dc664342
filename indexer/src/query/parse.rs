//! Tokens to a tree. AND binds tighter than OR; between two conditions that nothing joins stands AND.

use super::lex::{Token, TokenKind, tokens};
use super::{MAX_DEPTH, MAX_OCTETS, Node, QueryError, QueryErrorKind};

/// Reads a query; the depth of the recursion is that of the parentheses.
pub(super) fn parse(text: &str) -> Result<Node, QueryError> {
    if text.len() > MAX_OCTETS {
        return Err(QueryError { column: 1, kind: QueryErrorKind::TooLong { octets: text.len() } });
    }
    let mut parser = Parser { tokens: tokens(text)?.into_iter().peekable(), depth: 0 };
    let root = parser.any()?;
    if let Some(stray) = parser.tokens.next() {
        return Err(QueryError { column: stray.column, kind: QueryErrorKind::StrayParenthesis });
    }
    root.node.ok_or(QueryError { column: 1, kind: QueryErrorKind::Empty })
}

struct Parser {
    tokens: std::iter::Peekable<std::vec::IntoIter<Token>>,
    depth: usize,
}

/// What was read: nothing at all, only noise, or a condition.
struct Read {
    something: bool,
    node: Option<Node>,
}

impl Parser {
    /// Takes the next token if it is this one, and says where it stood.
    fn eat(&mut self, kind: &TokenKind) -> Option<usize> {
        self.tokens.next_if(|token| token.kind == *kind).map(|token| token.column)
    }

    fn any(&mut self) -> Result<Read, QueryError> {
        let first = self.all()?;
        let (mut something, mut nodes) = (first.something, Vec::from_iter(first.node));
        while let Some(column) = self.eat(&TokenKind::Or) {
            let next = if something { self.all()? } else { Read { something: false, node: None } };
            if !next.something {
                return Err(missing(column, "OR", "on both sides"));
            }
            something = true;
            nodes.extend(next.node);
        }
        Ok(Read { something, node: Node::any(nodes) })
    }

    fn all(&mut self) -> Result<Read, QueryError> {
        let (mut something, mut nodes) = (false, Vec::new());
        loop {
            let and = self.eat(&TokenKind::And);
            match (self.one()?, and) {
                (Some(_), Some(column)) if !something => return Err(missing(column, "AND", "on both sides")),
                (Some(node), _) => {
                    something = true;
                    nodes.extend(node);
                }
                (None, Some(column)) => return Err(missing(column, "AND", "on both sides")),
                (None, None) => return Ok(Read { something, node: Node::all(nodes) }),
            }
        }
    }

    /// One condition with its negations; `Some(None)` is noise.
    fn one(&mut self) -> Result<Option<Option<Node>>, QueryError> {
        let mut negation = None;
        let mut negated = false;
        while let Some(token) = self.tokens.next_if(|token| matches!(token.kind, TokenKind::Not(_))) {
            let TokenKind::Not(word) = token.kind else { continue };
            negation = Some((token.column, word));
            negated = !negated;
        }
        let node = match self.tokens.next_if(|token| matches!(token.kind, TokenKind::Open | TokenKind::Leaf(_) | TokenKind::Noise)) {
            Some(Token { kind: TokenKind::Leaf(leaf), .. }) => Some(Node::Leaf(leaf)),
            Some(Token { kind: TokenKind::Open, column }) => self.group(column)?,
            Some(_) => None,
            None => return negation.map_or(Ok(None), |(column, word)| Err(missing(column, word, "behind it"))),
        };
        Ok(Some(if negated { node.map(Node::not) } else { node }))
    }

    /// What stands in parentheses, behind the opening one.
    fn group(&mut self, column: usize) -> Result<Option<Node>, QueryError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(QueryError { column, kind: QueryErrorKind::TooDeep });
        }
        let inner = self.any()?;
        if self.eat(&TokenKind::Close).is_none() {
            return Err(QueryError { column, kind: QueryErrorKind::OpenParenthesis });
        }
        if !inner.something {
            return Err(QueryError { column, kind: QueryErrorKind::NoContent });
        }
        self.depth -= 1;
        Ok(inner.node)
    }
}

fn missing(column: usize, word: &'static str, place: &'static str) -> QueryError {
    QueryError { column, kind: QueryErrorKind::Operand { word, place } }
}
