//! The HTML twin of a notification: the same words, and links that write a command to the answer address.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::wording::Foot;
use crate::desk::answer::{ANSWER_LABEL, NOTE_LABEL};
use crate::model::text::escape_html;
use crate::understand::{MARKER, OUR_ATTRIBUTE};

/// A link's words, and the command that it writes.
pub(super) type Action = (String, String);

/// A notification in HTML: nothing in it is fetched from anywhere, and what strangers wrote is text.
pub(super) fn html(text: &str, foot: &Foot<'_>, actions: &[Action]) -> String {
    let facts: Vec<String> = std::iter::once(("From", foot.requester.to_owned()))
        .chain(foot.facts.iter().cloned())
        .map(|(label, value)| format!("{label}: {}", escape_html(&value)))
        .collect();
    let links: Vec<String> =
        actions.iter().map(|(words, command)| format!("<a href=\"{}\">{}</a>", mailto(foot.answer, command), escape_html(words))).collect();
    format!(
        "<div {OUR_ATTRIBUTE}=\"notification\">\n<div>{}</div>\n<p>{MARKER}</p>\n<p>{}</p>\n<p>{}</p>\n<p>{ANSWER_LABEL} {}<br>\n{NOTE_LABEL} {}</p>\n</div>\n",
        lines(text.trim_end()),
        facts.join("<br>\n"),
        links.join(" · "),
        escape_html(foot.answer),
        escape_html(foot.note),
    )
}

/// What stands in a URL as it is (RFC 3986 §2.3) does so here; all else is encoded.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// In an address its `@` does, too.
const IN_ADDRESS: &AsciiSet = &ENCODED.remove(b'@');

/// A `mailto:` link (RFC 6068 §2) whose body is one command, or several lines of them.
pub(super) fn mailto(address: &str, command: &str) -> String {
    format!("mailto:{}?body={}", utf8_percent_encode(address, IN_ADDRESS), utf8_percent_encode(command, ENCODED))
}

fn lines(text: &str) -> String {
    escape_html(text).replace('\n', "<br>\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_words_are_text_and_links_carry_one_command() {
        let facts = [("Ticket", "<b>#1</b>".to_owned())];
        let foot = Foot { requester: "\"><script>", facts: &facts, answer: "support+abc@desk.test", note: "support+def@desk.test" };
        let html = html("<img src=x>\n& more", &foot, &[("Take it".into(), "@assign me".into())]);
        assert!(!html.contains("<script") && !html.contains("<img") && !html.contains("<b>"), "{html}");
        assert!(html.contains("href=\"mailto:support%2Babc@desk.test?body=%40assign%20me\""), "{html}");
        assert!(html.contains(MARKER));
    }
}
