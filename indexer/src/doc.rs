//! What can be found: one document per ticket or article.

use crate::feed::Key;

/// Most octets of text that are indexed of one document; of more, the newest messages stay.
pub const MAX_TEXT: usize = 256 * 1024;

/// Most messages that are indexed of one document; of more, the newest stay.
pub const MAX_MESSAGES: usize = 200;

/// Most octets of a title, a name, an address or a tag, and most entries of each list of them.
const MAX_WORD: usize = 1024;
const MAX_LIST: usize = 200;

/// Everything that is searched of one ticket or article. Start from [`Doc::new`] and fill in what there is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Doc {
    /// What is found.
    pub key: Key,
    /// Subject or title; found by bare words and by `subject:`.
    pub title: String,
    /// One text per message, oldest first; an article has one. Words of several texts match together, a phrase never
    /// matches across two.
    pub body: Vec<String>,
    /// Who wrote: addresses, names, or both as `Ann <ann@example.com>`; found by bare words and by `from:`.
    pub from: Vec<String>,
    /// Who was written to, in the same form; found by bare words and by `to:`.
    pub to: Vec<String>,
    /// The word of `is:` and `status:`, such as `open` or `published`.
    pub status: Option<String>,
    /// The word of `priority:`.
    pub priority: Option<String>,
    /// The address of `mailbox:`.
    pub mailbox: Option<String>,
    /// The address of `assignee:`; without one a ticket is `is:unassigned`.
    pub assignee: Option<String>,
    /// The name of `team:`.
    pub team: Option<String>,
    /// The words of `tag:`.
    pub tags: Vec<String>,
    /// A language tag (RFC 5646) for `language:`.
    pub language: Option<String>,
    /// Something is attached: `has:attachment`.
    pub attachments: bool,
    /// Only for people of the house: `is:internal`, and never in [`Scope::PublicArticles`](crate::Scope::PublicArticles).
    pub internal: bool,
    /// When it began, ms since 1970 UTC; for `before:`.
    pub created_at: i64,
    /// When it last changed, ms since 1970 UTC; for `after:` and for the order of hits.
    pub updated_at: i64,
}

impl Doc {
    /// A document with nothing in it but its key; internal, until somebody says that it is not.
    pub fn new(key: Key) -> Self {
        Self {
            key,
            title: String::new(),
            body: Vec::new(),
            from: Vec::new(),
            to: Vec::new(),
            status: None,
            priority: None,
            mailbox: None,
            assignee: None,
            team: None,
            tags: Vec::new(),
            language: None,
            attachments: false,
            internal: true,
            created_at: 0,
            updated_at: 0,
        }
    }

    /// The title within its limit.
    pub(crate) fn short_title(&self) -> &str {
        cut(&self.title, MAX_WORD)
    }

    /// The newest messages within the limits, oldest first. The oldest of them may lose its end.
    pub(crate) fn newest(&self) -> Vec<&str> {
        let mut room = MAX_TEXT;
        let mut kept = Vec::new();
        for text in self.body.iter().rev().take(MAX_MESSAGES) {
            let text = cut(text, room);
            room -= text.len();
            kept.push(text);
            if room == 0 {
                break;
            }
        }
        kept.reverse();
        kept
    }
}

/// A list of short words within its limits.
pub(crate) fn short(list: &[String]) -> impl Iterator<Item = &str> {
    list.iter().take(MAX_LIST).map(|word| cut(word, MAX_WORD))
}

/// The addresses of a list of people, within their limits.
pub(crate) fn short_addresses(people: &[String]) -> impl Iterator<Item = &str> {
    people.iter().take(MAX_LIST).filter_map(|person| address(person)).map(|address| cut(address, MAX_WORD))
}

/// The address in `Ann <ann@example.com>`. What looks like one in the name is somebody's say-so.
fn address(person: &str) -> Option<&str> {
    let address = match person.rsplit_once('<') {
        Some((_, address)) => address.split('>').next().unwrap_or_default(),
        None => person,
    };
    Some(address.trim()).filter(|address| address.contains('@'))
}

/// At most `octets` of a text, cut between characters.
fn cut(text: &str, octets: usize) -> &str {
    text.get(..text.floor_char_boundary(octets)).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_has_one_address() {
        for (person, expected) in [
            ("ann@x.example", Some("ann@x.example")),
            ("Ann <ann@x.example>", Some("ann@x.example")),
            ("\"boss@corp.example\" <evil@x.example>", Some("evil@x.example")),
            ("<boss@corp.example> <evil@x.example>", Some("evil@x.example")),
            ("boss@corp.example <nothing>", None),
            ("Ann", None),
            ("<", None),
        ] {
            assert_eq!(address(person), expected, "{person}");
        }
        let long = vec![format!("{} <ann@x.example>", "@,".repeat(MAX_WORD))];
        assert_eq!(short_addresses(&long).collect::<Vec<_>>(), ["ann@x.example"]);
    }

    #[test]
    fn the_newest_messages_stay() {
        let mut doc = Doc::new(Key::Ticket(1));
        doc.body = (0..MAX_MESSAGES + 5).map(|n| format!("m{n}")).collect();
        let kept = doc.newest();
        assert_eq!((kept.len(), kept.first(), kept.last()), (MAX_MESSAGES, Some(&"m5"), Some(&"m204")));

        doc.body = vec!["é".repeat(MAX_TEXT), "b".repeat(MAX_TEXT - 3)];
        assert_eq!(doc.newest(), ["é", &"b".repeat(MAX_TEXT - 3)]);
        doc.body = vec!["old".into(), "x".repeat(MAX_TEXT + 1)];
        assert_eq!(doc.newest(), ["x".repeat(MAX_TEXT)]);
    }
}
