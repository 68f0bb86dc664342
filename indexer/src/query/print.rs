//! The normal form of a query.

use std::fmt::{self, Display, Formatter};

use super::field::plain;
use super::{Leaf, Node, Place, Query, Shape};

impl Display for Query {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.root.fmt(f)
    }
}

impl Display for Node {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::All(nodes) => joined(f, nodes, " ", |node| matches!(node, Self::Any(_))),
            Self::Any(nodes) => joined(f, nodes, " OR ", |_| false),
            Self::Not(node) if matches!(**node, Self::Leaf(_)) => write!(f, "-{node}"),
            Self::Not(node) => write!(f, "-({node})"),
            Self::Leaf(leaf) => leaf.fmt(f),
        }
    }
}

fn joined(f: &mut Formatter<'_>, nodes: &[Node], between: &str, grouped: impl Fn(&Node) -> bool) -> fmt::Result {
    for (n, node) in nodes.iter().enumerate() {
        if n > 0 {
            f.write_str(between)?;
        }
        if grouped(node) {
            write!(f, "({node})")?;
        } else {
            node.fmt(f)?;
        }
    }
    Ok(())
}

impl Display for Leaf {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Words { place: Place::Anywhere, text, shape } => value(f, text, *shape),
            Self::Words { place: Place::Title, text, shape } => {
                f.write_str("subject:")?;
                value(f, text, *shape)
            }
            Self::Person { role, value: text, shape } => {
                write!(f, "{}:", role.name())?;
                value(f, text, *shape)
            }
            Self::Label { field, value: text } => {
                write!(f, "{}:", field.name())?;
                value(f, text, if plain(text) { Shape::Bare } else { Shape::Quoted })
            }
            Self::In(kind) => write!(f, "in:{}", kind.name()),
            Self::Day { side, day } => write!(f, "{}:{day}", side.name()),
        }
    }
}

fn value(f: &mut Formatter<'_>, text: &str, shape: Shape) -> fmt::Result {
    match shape {
        Shape::Bare => f.write_str(text),
        Shape::Prefix => write!(f, "{text}*"),
        Shape::Quoted => write!(f, "\"{text}\""),
    }
}
