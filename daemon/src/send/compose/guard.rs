//! The last look at a mail that goes to somebody who does not work here: nothing internal leaves, whoever put it there.

use std::borrow::Cow;

use crate::desk::inside::{Inside, Reader};
use crate::model::outgoing::MailKind;
use crate::model::text::is_quoted;
use crate::understand::{Limits, Part, shown_text, understand};

use super::super::letter::Letter;

/// Whether a mail of this kind may go to people who do not work here.
pub(super) fn is_for_customers(kind: MailKind) -> bool {
    matches!(kind, MailKind::Ack | MailKind::Answer)
}

/// Takes out of a letter what a stranger's own mail has put there: a signed address in a subject, a name or a Message-ID is
/// no reason to keep an agent's answer back.
pub(super) fn scrub(letter: &mut Letter, inside: &Inside<'_>, reader: Reader, number: i64) {
    let ours = |text: &str| inside.has_address(text, reader);
    if ours(&letter.subject) {
        letter.subject = format!("Re: #{number}");
    }
    letter.to.name = letter.to.name.take().filter(|name| !ours(name));
    letter.references.retain(|id| !ours(id));
}

/// Why a letter must not leave. `vouched`: its author has seen what in its text looks internal, and wants it sent; that never
/// covers signed addresses. `published`: what the configuration puts below each answer.
pub(super) fn objection(letter: &Letter, inside: &Inside<'_>, reader: Reader, vouched: bool, published: &str) -> Option<String> {
    if letter.desk_address.is_some() || letter.list_id.is_some() || letter.reason.is_some() {
        return Some("it has header fields that are for agents alone".into());
    }
    let names = letter.from.name.iter().chain(&letter.to.name).map(String::as_str);
    let fields = [letter.from.address.as_str(), &letter.subject, &letter.message_id].into_iter();
    let addresses = letter.reply_to.iter().chain(&letter.references).map(String::as_str);
    let shown = letter.html.as_deref().map(shown_text);
    let bodies = [letter.text.as_str()].into_iter().chain(letter.html.as_deref()).chain(shown.as_deref());
    let mut texts = fields.chain(names).chain(addresses).chain(bodies);
    if texts.any(|text| inside.has_address(text, reader)) {
        return Some("an address of this desk that is somebody else's is in it".into());
    }
    let mut parts = letter.pictures.iter().map(|picture| &picture.part).chain(&letter.attachments);
    if let Some(part) = parts.find(|part| holds_address(part, inside, reader)) {
        let name = part.meta.name.as_deref().unwrap_or("without a name");
        return Some(format!("an address of this desk that is somebody else's is in the attachment {name}"));
    }
    let sender =
        inside.found(&letter.from.address, published).or_else(|| letter.from.name.as_ref().and_then(|n| inside.found(n, published)));
    let html = letter.html.as_deref().and_then(|html| in_html(html, inside, published));
    // Quotes are the reader's own words, whatever they look like.
    let text: Vec<&str> = letter.text.lines().filter(|line| !is_quoted(line)).collect();
    sender.or_else(|| inside.found(&text.join("\n"), published).or(html).filter(|_| !vouched))
}

/// What of ours is in HTML outside its quotes: in its source, where links lead, and in what it shows.
fn in_html(html: &str, inside: &Inside<'_>, published: &str) -> Option<String> {
    let own = outside_quotes(html);
    inside.found(&own, published).or_else(|| inside.found(&shown_text(&own), published))
}

/// HTML without its quotes; all of it, where one does not end.
fn outside_quotes(html: &str) -> Cow<'_, str> {
    const TAG: &str = "blockquote";
    let (mut own, mut depth, mut from) = (String::new(), 0_usize, 0);
    for (at, _) in html.match_indices(TAG) {
        let before = html.get(..at).unwrap_or_default();
        let closes = before.ends_with("</");
        if !closes && !before.ends_with('<') {
            continue;
        }
        if depth == 0 && closes {
            return Cow::Borrowed(html);
        }
        if depth == 0 {
            own.push_str(html.get(from..at - 1).unwrap_or_default());
        }
        depth = if closes { depth - 1 } else { depth + 1 };
        from = at + TAG.len() + 1;
    }
    if from == 0 || depth > 0 {
        return Cow::Borrowed(html);
    }
    own.push_str(html.get(from..).unwrap_or_default());
    Cow::Owned(own)
}

/// Looked for as it is, with the soft line ends of quoted-printable taken out, and in a mail in what that says.
fn holds_address(part: &Part, inside: &Inside<'_>, reader: Reader) -> bool {
    let ours = |text: &str| inside.has_address(text, reader);
    let is_mail = part.meta.content_type.starts_with("message/");
    let text = String::from_utf8_lossy(&part.bytes);
    let soft = || text.contains("=\n") || text.contains("=\r\n");
    part.meta.name.as_deref().is_some_and(ours)
        || ours(&text)
        || (soft() && ours(&text.replace("=\r\n", "").replace("=\n", "")))
        || (is_mail && in_mail(&part.bytes, &ours))
}

fn in_mail(raw: &[u8], ours: &impl Fn(&str) -> bool) -> bool {
    let mail = understand(raw, &Limits::default());
    ours(&mail.text) || mail.html.as_deref().is_some_and(ours)
}

#[cfg(test)]
mod tests;
