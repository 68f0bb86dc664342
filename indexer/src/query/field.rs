//! The fields of the query language and what each of them takes.

use super::{Day, Leaf, ME, Place, QueryErrorKind, Shape};
use crate::text;

/// Quotes that open and close phrases; phones and mail clients make curly ones of straight ones.
pub(super) const QUOTES: [char; 5] = ['"', '\u{201c}', '\u{201d}', '\u{201e}', '\u{201f}'];

/// Whether a value means the same without quotes around it.
pub(super) fn plain(value: &str) -> bool {
    !value.contains(|c: char| c.is_whitespace() || matches!(c, '(' | ')' | '*'))
}

/// Who is meant by a name or address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Person {
    From,
    To,
    Assignee,
    Mailbox,
}

/// A list that a word is out of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Label {
    Is,
    Status,
    Priority,
    Tag,
    Team,
    Has,
    Language,
}

/// A kind of document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Tickets,
    Articles,
}

/// Which side of a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Before,
    After,
}

const STATUS: &[&str] = &["open", "pending", "on_hold", "solved", "closed", "spam", "draft", "published"];
const STATES: &[&str] = &["assigned", "unassigned", "internal", "public"];
const PRIORITY: &[&str] = &["low", "normal", "high", "urgent"];

/// A field by its name, with an example of its use.
#[derive(Clone, Copy)]
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) example: &'static str,
    takes: Takes,
}

#[derive(Clone, Copy)]
enum Takes {
    Title,
    Person(Person),
    Label(Label),
    Kind,
    Day(Side),
}

const fn field(name: &'static str, example: &'static str, takes: Takes) -> Field {
    Field { name, example, takes }
}

const FIELDS: [Field; 15] = [
    field("is", "is:open", Takes::Label(Label::Is)),
    field("status", "status:pending", Takes::Label(Label::Status)),
    field("priority", "priority:high", Takes::Label(Label::Priority)),
    field("from", "from:ann@example.com", Takes::Person(Person::From)),
    field("to", "to:ann@example.com", Takes::Person(Person::To)),
    field("subject", "subject:\"printer broken\"", Takes::Title),
    field("tag", "tag:vip", Takes::Label(Label::Tag)),
    field("assignee", "assignee:me", Takes::Person(Person::Assignee)),
    field("team", "team:billing", Takes::Label(Label::Team)),
    field("mailbox", "mailbox:support@example.com", Takes::Person(Person::Mailbox)),
    field("language", "language:fr", Takes::Label(Label::Language)),
    field("in", "in:articles", Takes::Kind),
    field("has", "has:attachment", Takes::Label(Label::Has)),
    field("before", "before:2026-01-01", Takes::Day(Side::Before)),
    field("after", "after:2026-01-01", Takes::Day(Side::After)),
];

/// All names, for people.
pub(super) fn names() -> String {
    FIELDS.map(|field| format!("{}:", field.name)).join(" ")
}

/// The field of a name, in any case.
pub(super) fn find(name: &str) -> Option<Field> {
    FIELDS.into_iter().find(|field| field.name.eq_ignore_ascii_case(name))
}

impl Person {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::From => "from",
            Self::To => "to",
            Self::Assignee => "assignee",
            Self::Mailbox => "mailbox",
        }
    }
}

impl Label {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Is => "is",
            Self::Status => "status",
            Self::Priority => "priority",
            Self::Tag => "tag",
            Self::Team => "team",
            Self::Has => "has",
            Self::Language => "language",
        }
    }
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Tickets => "tickets",
            Self::Articles => "articles",
        }
    }
}

impl Side {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Before => "before",
            Self::After => "after",
        }
    }
}

impl Field {
    /// The condition that this field and a value make.
    pub(super) fn leaf(self, value: &str, shape: Shape) -> Result<Leaf, QueryErrorKind> {
        if !text::searchable(value) {
            return Err(self.no_value());
        }
        if shape == Shape::Prefix && !matches!(self.takes, Takes::Title | Takes::Person(Person::From | Person::To)) {
            return Err(QueryErrorKind::Star);
        }
        match self.takes {
            Takes::Title => Ok(Leaf::Words { place: Place::Title, text: value.to_owned(), shape }),
            Takes::Person(Person::Assignee) if value.eq_ignore_ascii_case("nobody") => {
                Ok(Leaf::Label { field: Label::Is, value: "unassigned".to_owned() })
            }
            Takes::Person(role) => {
                let value = if value.eq_ignore_ascii_case(ME) { ME } else { value };
                Ok(Leaf::Person { role, value: value.to_owned(), shape })
            }
            Takes::Label(field) => Ok(Leaf::Label { field, value: self.known(field, value)? }),
            Takes::Kind => match text::label(value).as_str() {
                "ticket" | "tickets" => Ok(Leaf::In(Kind::Tickets)),
                "article" | "articles" => Ok(Leaf::In(Kind::Articles)),
                _ => Err(self.unknown(value, "tickets, articles".to_owned())),
            },
            Takes::Day(side) => Day::parse(value)
                .map(|day| Leaf::Day { side, day })
                .ok_or_else(|| self.unknown(value, "days from 1970 on, written as 2026-01-31".to_owned())),
        }
    }

    /// A value in its normal form, checked against the list where there is one.
    fn known(self, field: Label, value: &str) -> Result<String, QueryErrorKind> {
        let value = text::label(value).replace(QUOTES, "");
        let word = value.replace(['-', ' '], "_");
        let (word, lists): (_, &[&[&str]]) = match field {
            // Some letters are none in their normal form: half of a Hangul syllable.
            Label::Tag | Label::Team | Label::Language if text::searchable(&value) => return Ok(value),
            Label::Tag | Label::Team | Label::Language => return Err(self.no_value()),
            Label::Is => (word, &[STATUS, STATES]),
            Label::Status => (word, &[STATUS]),
            Label::Priority => (word, &[PRIORITY]),
            Label::Has if word == "attachments" => ("attachment".to_owned(), &[]),
            Label::Has => (word, &[&["attachment"]]),
        };
        if lists.is_empty() || lists.iter().any(|list| list.contains(&word.as_str())) {
            return Ok(word);
        }
        Err(self.unknown(&value, lists.concat().join(", ")))
    }

    fn no_value(self) -> QueryErrorKind {
        QueryErrorKind::NoValue { field: self.name, example: self.example }
    }

    fn unknown(self, value: &str, known: String) -> QueryErrorKind {
        QueryErrorKind::UnknownValue { field: self.name, value: value.to_owned(), known }
    }
}
