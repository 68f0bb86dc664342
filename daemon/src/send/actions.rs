//! The HTML twin of a notification: the same words, and links that write a command to the answer address.

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

/// A `mailto:` link (RFC 6068 §2) whose body is one command, or several lines of them.
pub(super) fn mailto(address: &str, command: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
    let encode = |text: &str, also: &[u8]| -> String {
        let octet = |b: u8| if plain(b) || also.contains(&b) { char::from(b).to_string() } else { format!("%{b:02X}") };
        text.bytes().map(octet).collect()
    };
    format!("mailto:{}?body={}", encode(address, b"@"), encode(command, b""))
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
