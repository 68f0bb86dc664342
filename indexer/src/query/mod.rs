//! The query language: text to a [`Query`] and back. Pure: it knows no index.

mod day;
mod error;
mod field;
mod lex;
mod parse;
mod print;
#[cfg(test)]
mod tests;

use std::str::FromStr;

pub(crate) use day::Day;
pub use error::{QueryError, QueryErrorKind};
pub(crate) use field::{Kind, Label, Person, Side};

/// Longest query, in octets, as typed and in its normal form.
pub const MAX_OCTETS: usize = 512;

/// Most words and fields of a query, and most words of one phrase.
pub const MAX_TERMS: usize = 32;

/// Deepest nesting of parentheses.
pub const MAX_DEPTH: usize = 4;

/// What is searched for. `Display` prints its normal form, which parses to the same query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    pub(crate) root: Node,
}

/// A query as a tree in normal form: no group stands in a group of its kind or has fewer than two members, no negation
/// is negated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Node {
    All(Vec<Node>),
    Any(Vec<Node>),
    Not(Box<Node>),
    Leaf(Leaf),
}

/// One condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Leaf {
    /// Words of the text.
    Words { place: Place, text: String, shape: Shape },
    /// A name or an address of somebody.
    Person { role: Person, value: String, shape: Shape },
    /// A word out of a list, compared as a whole.
    Label { field: Label, value: String },
    /// A kind of document.
    In(Kind),
    /// A day that is a limit.
    Day { side: Side, day: Day },
}

/// Where words are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Anywhere,
    Title,
}

/// How a value was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Bare,
    Prefix,
    Quoted,
}

/// The word that stands for who asks.
const ME: &str = "me";

impl Query {
    /// Reads a query as people type it. Linear in its length; no input makes it panic.
    pub fn parse(text: &str) -> Result<Self, QueryError> {
        let query = Self { root: parse::parse(text)? };
        let octets = query.to_string().len();
        if octets > MAX_OCTETS {
            return Err(QueryError { column: 1, kind: QueryErrorKind::TooLong { octets } });
        }
        Ok(query)
    }

    /// The same query with every `me` (as in `assignee:me`) replaced by the address of who asks.
    #[must_use]
    pub fn for_person(&self, address: &str) -> Self {
        let address = address.replace(field::QUOTES, "");
        let mut root = self.root.clone();
        root.each_mut(&mut |leaf| {
            if let Leaf::Person { value, shape: shape @ Shape::Bare, .. } = leaf
                && value == ME
            {
                (*value, *shape) = (address.clone(), Shape::Quoted);
            }
        });
        Self { root }
    }

    /// Whether a `me` is in it that nobody has replaced yet.
    pub fn asks_for_me(&self) -> bool {
        let mut found = false;
        self.root.each(true, &mut |leaf, _| {
            found |= matches!(leaf, Leaf::Person { value, shape: Shape::Bare, .. } if value == ME);
        });
        found
    }
}

impl FromStr for Query {
    type Err = QueryError;

    fn from_str(text: &str) -> Result<Self, QueryError> {
        Self::parse(text)
    }
}

impl Node {
    /// All of these, in normal form; nothing if there are none.
    fn all(nodes: Vec<Self>) -> Option<Self> {
        let flat = nodes.into_iter().flat_map(|node| if let Self::All(inner) = node { inner } else { vec![node] });
        Self::group(flat.collect(), Self::All)
    }

    /// Any of these, in normal form; nothing if there are none.
    fn any(nodes: Vec<Self>) -> Option<Self> {
        let flat = nodes.into_iter().flat_map(|node| if let Self::Any(inner) = node { inner } else { vec![node] });
        Self::group(flat.collect(), Self::Any)
    }

    fn group(mut nodes: Vec<Self>, kind: impl Fn(Vec<Self>) -> Self) -> Option<Self> {
        if nodes.len() > 1 { Some(kind(nodes)) } else { nodes.pop() }
    }

    /// Everything but this.
    fn not(self) -> Self {
        if let Self::Not(inner) = self { *inner } else { Self::Not(Box::new(self)) }
    }

    /// Calls back for each leaf, and says whether it is wanted (or, behind a negation, unwanted).
    pub(crate) fn each(&self, wanted: bool, call: &mut impl FnMut(&Leaf, bool)) {
        match self {
            Self::All(nodes) | Self::Any(nodes) => nodes.iter().for_each(|node| node.each(wanted, call)),
            Self::Not(node) => node.each(!wanted, call),
            Self::Leaf(leaf) => call(leaf, wanted),
        }
    }

    fn each_mut(&mut self, call: &mut impl FnMut(&mut Leaf)) {
        match self {
            Self::All(nodes) | Self::Any(nodes) => nodes.iter_mut().for_each(|node| node.each_mut(call)),
            Self::Not(node) => node.each_mut(call),
            Self::Leaf(leaf) => call(leaf),
        }
    }
}
