//! A [`Query`](crate::Query) as tantivy wants it. Words score by BM25; everything else only lets through.

use std::cell::Cell;
use std::ops::Bound;

use tantivy::query::{
    AllQuery, BooleanQuery, BoostQuery, ConstScoreQuery, EmptyQuery, Occur, PhrasePrefixQuery, Query, RangeQuery, TermQuery,
};
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::{Searcher, Term};

use super::ask::{Scope, SearchError};
use super::budget::Budget;
use super::expand::{MAX_EXPANSIONS, expand};
use super::phrase::Phrase;
use crate::query::{Label, Leaf, Node, Person, Place, Shape, Side};
use crate::schema::Fields;
use crate::text;

/// How much more a word counts in the title; it counts as part of the text, too.
const TITLE_BOOST: f32 = 2.0;

type Compiled = Result<Box<dyn Query>, SearchError>;

/// Everything that a compiled query depends on.
pub(super) struct Compiler<'a> {
    pub(super) searcher: &'a Searcher,
    pub(super) fields: Fields,
    pub(super) budget: Budget,
    /// Set when something looks at more documents than those of the terms that it names.
    pub(super) is_wide: Cell<bool>,
}

impl Compiler<'_> {
    /// A whole query within a scope.
    pub(super) fn query(&self, root: &Node, scope: Scope) -> Compiled {
        let labels: &[&str] = match scope {
            Scope::All => return self.node(root),
            Scope::Tickets => &["in:tickets"],
            Scope::Articles => &["in:articles"],
            Scope::PublicArticles => &["in:articles", "is:public", "is:published"],
        };
        let mut clauses = vec![(Occur::Must, self.node(root)?)];
        clauses.extend(labels.iter().map(|label| (Occur::Must, self.label(label))));
        Ok(Box::new(BooleanQuery::new(clauses)))
    }

    fn node(&self, node: &Node) -> Compiled {
        match node {
            Node::All(nodes) => self.all(nodes),
            Node::Any(nodes) => self.any(nodes),
            Node::Not(_) => self.all(std::slice::from_ref(node)),
            Node::Leaf(leaf) => self.leaf(leaf),
        }
    }

    fn all(&self, nodes: &[Node]) -> Compiled {
        let mut clauses: Vec<(Occur, Box<dyn Query>)> = Vec::with_capacity(nodes.len() + 1);
        for node in nodes {
            clauses.push(match node {
                Node::Not(node) => (Occur::MustNot, self.node(node)?),
                node => (Occur::Must, self.node(node)?),
            });
        }
        if clauses.iter().all(|(occur, _)| *occur == Occur::MustNot) {
            self.is_wide.set(true);
            clauses.push((Occur::Must, silent(Box::new(AllQuery))));
        }
        Ok(Box::new(BooleanQuery::new(clauses)))
    }

    /// Single words lie side by side in a group of their own: tantivy joins lists of terms much faster than anything else.
    fn any(&self, nodes: &[Node]) -> Compiled {
        let (mut words, mut others) = (Vec::new(), Vec::new());
        for node in nodes {
            match single(node) {
                Some(word) => words.extend([term(self.fields.text, &word), raised(term(self.fields.title, &word))]),
                None => others.push(self.node(node)?),
            }
        }
        if !words.is_empty() {
            others.push(Box::new(BooleanQuery::union(words)));
        }
        Ok(Box::new(BooleanQuery::union(others)))
    }

    fn leaf(&self, leaf: &Leaf) -> Compiled {
        match leaf {
            Leaf::Words { place: Place::Title, text, shape } => self.words(self.fields.title, text, *shape),
            Leaf::Words { place: Place::Anywhere, text, shape } => {
                // All of the title is in the text, so the text decides and the title only adds.
                let title = raised(self.words(self.fields.title, text, *shape)?);
                let text = self.words(self.fields.text, text, *shape)?;
                Ok(Box::new(BooleanQuery::new(vec![(Occur::Must, text), (Occur::Should, title)])))
            }
            Leaf::Person { role, value, shape } => self.person(*role, value, *shape),
            Leaf::Label { field: Label::Is | Label::Status, value } => Ok(self.label(&format!("is:{value}"))),
            Leaf::Label { field, value } => Ok(self.label(&format!("{}:{value}", field.name()))),
            Leaf::In(kind) => Ok(self.label(&format!("in:{}", kind.name()))),
            Leaf::Day { side, day } => {
                self.is_wide.set(true);
                let at = day.begins_at();
                let (from, to) = match side {
                    Side::After => (Bound::Included(Term::from_field_i64(self.fields.updated, at)), Bound::Unbounded),
                    Side::Before => (Bound::Unbounded, Bound::Excluded(Term::from_field_i64(self.fields.created, at))),
                };
                Ok(silent(Box::new(RangeQuery::new(from, to))))
            }
        }
    }

    /// A word, a phrase, or something of several parts that is meant as one.
    fn words(&self, field: Field, text: &str, shape: Shape) -> Compiled {
        let mut terms = text::terms(text);
        let prefix = shape == Shape::Prefix && !text::ends_dense(text);
        if let [(_, word)] = &terms[..] {
            return Ok(if prefix { expand(self.searcher, self.budget, field, word, |_| true)? } else { term(field, word) });
        }
        let mut terms: Vec<(usize, Term)> = terms.drain(..).map(|(at, term)| (at, Term::from_field_text(field, &term))).collect();
        terms.sort_by_key(|(at, _)| *at);
        Ok(match terms.len() {
            0 => Box::new(EmptyQuery),
            _ if prefix => {
                let mut phrase = PhrasePrefixQuery::new_with_offset(terms);
                phrase.set_max_expansions(u32::try_from(MAX_EXPANSIONS).unwrap_or(u32::MAX));
                Box::new(phrase)
            }
            _ => Box::new(Phrase { terms, budget: self.budget }),
        })
    }

    /// An address is compared from its beginning to the end of a label, or in quotes as a whole; a name is looked for among
    /// the words.
    fn person(&self, role: Person, value: &str, shape: Shape) -> Compiled {
        let field = match role {
            Person::From => Some(self.fields.from),
            Person::To => Some(self.fields.to),
            Person::Assignee | Person::Mailbox => None,
        };
        if let Some(field) = field.filter(|_| value.find('@').is_none_or(|at| at == 0)) {
            return Ok(silent(self.words(field, value, shape)?));
        }
        let prefix = format!("{}:{}", role.name(), text::label(value));
        let whole = |rest: &str| match shape {
            Shape::Prefix => true,
            Shape::Quoted if value.contains('@') => rest.is_empty(),
            Shape::Quoted | Shape::Bare => rest.is_empty() || rest.starts_with(['@', '.']),
        };
        Ok(silent(expand(self.searcher, self.budget, self.fields.label, &prefix, whole)?))
    }

    fn label(&self, label: &str) -> Box<dyn Query> {
        silent(Box::new(TermQuery::new(Term::from_field_text(self.fields.label, label), IndexRecordOption::Basic)))
    }
}

/// The term of a leaf that is one whole word, anywhere.
fn single(node: &Node) -> Option<String> {
    let Node::Leaf(Leaf::Words { place: Place::Anywhere, text, shape: Shape::Bare | Shape::Quoted }) = node else { return None };
    let mut terms = text::terms(text);
    let (_, word) = terms.pop().filter(|_| terms.is_empty())?;
    Some(word)
}

fn term(field: Field, word: &str) -> Box<dyn Query> {
    Box::new(TermQuery::new(Term::from_field_text(field, word), IndexRecordOption::WithFreqs))
}

/// Counts as the title does.
fn raised(query: Box<dyn Query>) -> Box<dyn Query> {
    Box::new(BoostQuery::new(query, TITLE_BOOST))
}

/// Lets through and adds nothing to the score.
fn silent(query: Box<dyn Query>) -> Box<dyn Query> {
    Box::new(ConstScoreQuery::new(query, 0.0))
}
