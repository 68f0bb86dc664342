//! JSON on stdout: one document, safe for a terminal. Tickets, messages and mails are the objects of the API (`http::views`).

use serde::Serialize;

use super::failure::Failure;
use crate::http::views::{RefusedView, time};
use crate::model::PersonId;
use crate::model::people::{Notify, Person};
use crate::model::staff::Staff;
use crate::model::text::is_deceptive;
use crate::model::ticket::Role;
use crate::store::read::Page;
use crate::store::{ApiToken, Scope};

/// One JSON document. What could steer a terminal is escaped, which says the same to a reader of JSON.
pub(super) fn document(value: &impl Serialize) -> Result<String, Failure> {
    let text = serde_json::to_string_pretty(value)?;
    let risky = |c: char| is_deceptive(c) || (c.is_control() && c != '\n');
    if !text.contains(risky) {
        return Ok(text);
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if risky(c) {
            let mut units = [0; 2];
            out.extend(c.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04x}")));
        } else {
            out.push(c);
        }
    }
    Ok(out)
}

/// A list; `next` is what `--cursor` takes for the rest.
#[derive(Debug, Serialize)]
pub(super) struct List<T> {
    items: Vec<T>,
    next: Option<String>,
}

impl<T> List<T> {
    /// A list that is complete.
    pub(super) fn all(items: Vec<T>) -> Self {
        Self { items, next: None }
    }

    /// A page of a list.
    pub(super) fn page<'a, R>(page: &'a Page<R>, view: impl Fn(&'a R) -> T) -> Self {
        Self { items: page.items.iter().map(view).collect(), next: page.next.clone() }
    }
}

/// Somebody who works here.
#[derive(Debug, Serialize)]
pub(super) struct AgentView<'a> {
    id: PersonId,
    address: &'a str,
    name: Option<&'a str>,
    role: Role,
    disabled: bool,
    aliases: &'a [String],
    teams: &'a [String],
    notify: Notify,
    receipts: &'static str,
    allow_spf: bool,
    timezone: Option<&'a str>,
    quiet: Option<&'a str>,
    signature: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<RefusedView<'a>>,
}

impl<'a> From<&'a Person> for AgentView<'a> {
    fn from(person: &'a Person) -> Self {
        let settings = &person.settings;
        Self {
            id: person.id,
            address: &person.address,
            name: person.name.as_deref(),
            role: person.role,
            disabled: person.disabled,
            aliases: &person.aliases,
            teams: &settings.teams,
            notify: settings.notify,
            receipts: if settings.receipts_all { "all" } else { "default" },
            allow_spf: settings.allow_spf,
            timezone: settings.timezone.as_deref(),
            quiet: settings.quiet.as_deref(),
            signature: settings.signature.as_deref(),
            refused: person.refusal.as_deref().filter(|r| r.until > r.refused_at).map(RefusedView::from),
        }
    }
}

/// An API token; its text only when it was just made.
#[derive(Debug, Serialize)]
pub(super) struct TokenView<'a> {
    pub(super) id: i64,
    pub(super) name: &'a str,
    pub(super) scope: Scope,
    pub(super) agent: Option<&'a str>,
    pub(super) created_at: String,
    pub(super) expires_at: Option<String>,
    pub(super) revoked_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) token: Option<&'a str>,
}

impl<'a> TokenView<'a> {
    /// A token as listed; `staff` knows whose it is.
    pub(super) fn listed(token: &'a ApiToken, staff: &'a Staff) -> Self {
        Self {
            id: token.id,
            name: &token.name,
            scope: token.scope,
            agent: token.agent.and_then(|id| staff.person(id)).map(|p| p.address.as_str()),
            created_at: time(token.created_at),
            expires_at: token.expires_at.map(time),
            revoked_at: token.revoked_at.map(time),
            token: None,
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_document_says_the_same_and_steers_no_terminal() {
        let text = "a\u{1b}[2J\u{9b}31m\u{7f}\u{202e}\u{e0041}\u{200b}ü\n";
        let document = document(&text).unwrap();
        assert_eq!(serde_json::from_str::<String>(&document).unwrap(), text);
        assert!(document.chars().all(|c| !c.is_control() && !is_deceptive(c)), "{document:?}");
        assert!(document.contains('ü'));
    }
}
