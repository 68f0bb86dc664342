//! From bytes to the whole value: each room file reads its part, here they are put together.

use super::automatic;
use super::automatic::absence;
use super::automatic::bounce;
use super::automatic::complaint;
use super::body::{self, Body};
use super::doubts;
use super::fields::addresses;
use super::fields::dates;
use super::fields::ids;
use super::fingerprint::{self, sha256_hex};
use super::html::{SafeHtml, cid};
use super::language;
use super::limits::Limits;
use super::mime::headers::{self, Headers};
use super::mime::prescan::prescan;
use super::mime::tnef;
use super::mime::words;
use super::mime::wrappers;
use super::mime::{self, Tree};
use super::names;
use super::reply::forwarded;
use super::reply::{self, Context, Split};
use crate::model::understood::{Attachment, Automatic, Facts, Line, LineKind};
use crate::model::{Understood, address};

/// Longest name of a sender that is kept as data, in characters.
const ORIGINAL_NAME: usize = 512;

/// An attachment with its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// What is known about it.
    pub meta: Attachment,
    /// The decoded bytes.
    pub bytes: Vec<u8>,
}

/// Understands a mail. Never fails: what cannot be read stands in the warnings.
pub fn understand(raw: &[u8], limits: &Limits) -> Understood {
    let raw = headers::without_mark(raw);
    match prescan(raw, limits) {
        Ok(scan) => {
            let tree = mime::tree(raw, limits);
            let mut out = read(&tree, limits);
            out.facts.from_fields = scan.from_fields;
            if scan.nul {
                out.warnings.push("the mail holds NUL octets".to_owned());
            }
            out
        }
        Err(refusal) => {
            let mut out = unread(raw, limits);
            out.warnings.insert(0, format!("the mail was not taken apart: {refusal}"));
            out
        }
    }
}

/// The attachments with their bytes, in the order of `Understood::attachments`.
pub fn parts(raw: &[u8], limits: &Limits) -> Vec<Part> {
    let raw = headers::without_mark(raw);
    if prescan(raw, limits).is_err() {
        return Vec::new();
    }
    let tree = mime::tree(raw, limits);
    let mut body = body::read(&tree, limits);
    unpack_text(&tree, &mut body, limits);
    attachments(&tree, &mut body, limits)
}

fn read(tree: &Tree, limits: &Limits) -> Understood {
    let none = Headers::default();
    let headers = tree.headers().unwrap_or(&none);
    let mut body = body::read(tree, limits);
    unpack_text(tree, &mut body, limits);
    let mut out = envelope(headers, limits);
    out.warnings.extend(tree.warnings.iter().cloned());
    out.warnings.extend(wrappers::warnings(tree, &body.text));
    let parts = attachments(tree, &mut body, limits);
    let files: Vec<String> = parts.iter().map(|part| fingerprint::file(&part.bytes, &part.meta.sha256)).collect();
    out.attachments = parts.into_iter().map(|part| part.meta).collect();
    sanitize(&mut out, &body, limits);
    classify(&mut out, tree, headers, &body, limits);
    if out.attachments.iter().any(|a| a.inline) {
        let (lines, page) = body::pictured(&body, limits);
        let mut pictured = Body { lines, ..Body::default() };
        out.facts.pictured = split(&out, &mut pictured).lines;
        // Whose the page is nobody can tell, and nothing that its writer put there may be lost.
        out.facts.pictured.extend(page.into_iter().map(|text| Line { kind: LineKind::Own, text }));
    }
    let split = split(&out, &mut body);
    forward(&mut out, tree, &body, &split, limits);
    finish(&mut out, body, split, limits, &files);
    out
}

/// What can be told without taking the mail apart: its first fields, and its bytes as text.
fn unread(raw: &[u8], limits: &Limits) -> Understood {
    let (headers, at) = headers::parse(raw.get(..limits.header_size).unwrap_or(raw), limits.header_size, limits.header_fields);
    let mut out = envelope(&headers, limits);
    let mut body = body::unread(raw.get(at..).unwrap_or_default(), limits);
    let split = split(&out, &mut body);
    out.facts.from_problem.get_or_insert_with(|| "the mail was not taken apart".to_owned());
    finish(&mut out, body, split, limits, &[]);
    out
}

/// The header fields.
fn envelope(headers: &Headers, limits: &Limits) -> Understood {
    let id_list = |name: &str| headers.all(name).flat_map(|v| ids::list(v, limits.message_id)).collect::<Vec<_>>();
    let (from, from_problem) = addresses::author(headers, limits.addresses);
    let mut references = id_list("references");
    references.drain(..references.len().saturating_sub(limits.references));
    let delivered_to = ["delivered-to", "x-original-to", "envelope-to", "x-envelope-to"]
        .iter()
        .flat_map(|name| headers.all(name))
        .flat_map(|v| addresses::entries(v, 10))
        .map(|entry| entry.address.address)
        .filter(|a| addresses::is_sound(a))
        .take(20)
        .collect();
    let mut in_reply_to = id_list("in-reply-to");
    in_reply_to.truncate(limits.references);
    let mut out = Understood {
        message_id: headers.first("message-id").and_then(|v| ids::list(v, limits.message_id).into_iter().next()),
        in_reply_to,
        references,
        date: headers.first("date").and_then(|v| dates::header(&headers::unfold(v))),
        subject: headers.first("subject").map(|v| words::text(v, limits.subject)).unwrap_or_default(),
        from,
        reply_to: addresses::list(headers, "reply-to", limits.addresses),
        to: addresses::list(headers, "to", limits.addresses),
        cc: addresses::list(headers, "cc", limits.addresses),
        facts: Facts { from_fields: headers.all("from").count(), from_problem, delivered_to, ..Facts::default() },
        ..Understood::default()
    };
    warn(&mut out, headers);
    out
}

fn warn(out: &mut Understood, headers: &Headers) {
    let mixed = out.from.as_ref().and_then(|f| f.name.as_deref()).is_some_and(doubts::mixes_scripts);
    let odd = out.from.as_ref().and_then(|f| address::split(&f.address)).is_some_and(|(_, domain)| doubts::is_odd_host(domain));
    let mut add = |is_so: bool, text: &str| {
        if is_so {
            out.warnings.push(text.to_owned());
        }
    };
    add(!headers.has("from"), "there is no From field");
    add(headers.has("date") && out.date.is_none(), "the Date field names no date");
    add(odd, "the domain of the author's address mixes letters of several scripts in a word");
    add(mixed, "the author's name mixes letters of several scripts in a word");
    add(headers.junk > 0, "the header holds lines that are no fields");
    for name in ["subject", "message-id", "date", "to", "reply-to", "content-type", "in-reply-to", "references"] {
        if headers.all(name).nth(1).is_some() {
            out.warnings.push(format!("there are several {name} fields"));
        }
    }
    if let Some(problem) = &out.facts.from_problem {
        out.warnings.push(problem.clone());
    }
    let claims = |name: &str, address: &str| {
        name.split(|c: char| c.is_whitespace() || "<>()\"',".contains(c)).any(|w| address::is_plain(w) && !w.eq_ignore_ascii_case(address))
    };
    if let Some(from) = &mut out.from
        && from.name.as_deref().is_some_and(|name| claims(name, &from.address))
    {
        // A name that is another address is how somebody passes for somebody else.
        from.name = None;
        out.warnings.push("the author's name was another mail address; it is not shown".to_owned());
    }
}

fn attachments(tree: &Tree, body: &mut Body, limits: &Limits) -> Vec<Part> {
    let mut out = Vec::new();
    let cids = body.html.as_deref().map(cid::named).unwrap_or_default();
    for part in body.attachments.iter().filter_map(|i| tree.parts.get(*i)) {
        let bytes = part.bytes().into_owned();
        if let Some(content) = may_be_packed(part).then(|| tnef::read(&bytes, limits)).flatten() {
            let complete = content.complete;
            out.extend(content.files.into_iter().map(|file| unpacked(file, &cids, limits)));
            if complete {
                continue;
            }
        }
        let content_id = part
            .headers
            .first("content-id")
            .and_then(|v| ids::list(v, limits.message_id).into_iter().next().or_else(|| Some(headers::unfold(v).trim().to_owned())));
        let inline = content_id.as_deref().is_some_and(|id| cids.iter().any(|cid| cid == id));
        let name = part.name().and_then(|n| names::safe(n, limits.file_name));
        out.push(Part {
            meta: Attachment {
                original_name: original(part.name(), name.as_deref()),
                name,
                content_type: part.kind.value.clone(),
                size: bytes.len() as u64,
                sha256: sha256_hex(&bytes),
                inline,
                content_id: content_id.filter(|id| !id.is_empty()),
            },
            bytes,
        });
    }
    let texts = std::mem::take(&mut body.files);
    out.extend(texts.into_iter().map(|(name, bytes)| unpacked(tnef::File::new(name, bytes), &[], limits)));
    out
}

/// The name as its sender wrote it, where the safe one is another.
fn original(written: Option<&str>, safe: Option<&str>) -> Option<String> {
    written.filter(|name| Some(*name) != safe).map(|name| name.chars().take(ORIGINAL_NAME).collect())
}

/// Whether a part says that Outlook packed something into it.
fn may_be_packed(part: &mime::Part) -> bool {
    part.name().is_some_and(|n| n.eq_ignore_ascii_case("winmail.dat"))
        || matches!(part.kind.value.as_str(), "application/ms-tnef" | "application/vnd.ms-tnef")
}

fn unpacked(file: tnef::File, cids: &[String], limits: &Limits) -> Part {
    let kind = file.kind.filter(|k| mime::is_media_type(k)).unwrap_or_else(|| "application/octet-stream".to_owned());
    let name = file.name.as_deref().and_then(|n| names::safe(n, limits.file_name));
    let meta = Attachment {
        original_name: original(file.name.as_deref(), name.as_deref()),
        name,
        content_type: kind,
        size: file.bytes.len() as u64,
        sha256: sha256_hex(&file.bytes),
        inline: file.content_id.as_ref().is_some_and(|id| cids.contains(id)),
        content_id: file.content_id,
    };
    Part { meta, bytes: file.bytes }
}

/// A mail whose words, or whose invitation, are only in what Outlook packed has them from there.
fn unpack_text(tree: &Tree, body: &mut Body, limits: &Limits) {
    let has_words = !body.text.trim().is_empty() || body.html.is_some();
    let packed = body.attachments.iter().filter_map(|i| tree.parts.get(*i)).filter(|part| may_be_packed(part));
    let mut contents = packed.filter_map(|part| tnef::read(&part.bytes(), limits));
    if let Some(content) = contents.find(|c| c.text.is_some() || c.html.is_some() || c.event.is_some()) {
        if !has_words {
            body::replace(body, content.text, content.html, limits);
        }
        body::invite(body, content.event.map(|event| event.line()));
    }
}

fn sanitize(out: &mut Understood, body: &Body, limits: &Limits) {
    let Some(html) = &body.html else { return };
    match SafeHtml::sanitize(html, limits) {
        Some(safe) => out.html = Some(safe.into_string()),
        None => out.warnings.push("the HTML is too large or too complex to be shown; only its text is".to_owned()),
    }
}

fn classify(out: &mut Understood, tree: &Tree, headers: &Headers, body: &Body, limits: &Limits) {
    let from = out.from.as_ref().map(|f| f.address.as_str());
    let subject = out.subject.as_str();
    let evidence = automatic::Evidence { tree, headers, subject, from, text: &body.text };
    let verdict = automatic::judge(&evidence);
    out.facts.no_ack = verdict.no_ack || verdict.class.is_some();
    let report = matches!(verdict.class, Some(Automatic::FeedbackReport | Automatic::ReadReceipt | Automatic::OutOfOffice));
    let letter = bounce::Evidence { tree, headers, subject, from: from.unwrap_or_default(), text: &body.text };
    let bounced = if report { None } else { bounce::judge(&letter, limits) };
    out.automatic_matches = verdict.matches;
    (out.automatic, out.bounce) = match bounced {
        Some((class, bounce)) => {
            out.automatic_matches.insert(0, class);
            (Some(class), bounce)
        }
        None => (verdict.class, None),
    };
    if out.automatic == Some(Automatic::FeedbackReport) {
        out.facts.complaint = complaint::read(&letter, limits);
    }
    out.automatic_matches.dedup();
    if out.automatic == Some(Automatic::OutOfOffice) {
        out.absence = absence::of(&body.text, out.date.as_deref());
    }
    out.facts.no_ack |= out.automatic.is_some();
    out.warnings.extend(verdict.warnings);
}

fn split(out: &Understood, body: &mut Body) -> Split {
    let context = Context { forwarded: forwarded::is_forward_subject(&out.subject) };
    let split = reply::split(std::mem::take(&mut body.lines), context);
    // Below the writer's own words: an agent's may begin with commands.
    match &body.invitation {
        Some(line) => split.with(line),
        None => split,
    }
}

/// The mail that is attached whole tells more than its words in ours.
fn forward(out: &mut Understood, tree: &Tree, body: &Body, split: &Split, limits: &Limits) {
    let mut mails = body.attachments.iter().filter_map(|i| tree.parts.get(*i)).filter(|p| p.is("message/rfc822"));
    if let (Some(one), None, None) = (mails.next(), mails.next(), out.automatic) {
        out.forwarded = forwarded::from_part(one, limits);
    }
    if let (Some((block, begins)), None) = (&split.forward, &out.forwarded) {
        out.forwarded = Some(forwarded::from_text(block, &split.lines, *begins));
    }
}

/// `files` tells the attached files from others, as [`fingerprint::file`] does.
fn finish(out: &mut Understood, body: Body, split: Split, limits: &Limits, files: &[String]) {
    if body.cut {
        out.warnings.push("the text was too long and is cut".to_owned());
    }
    out.warnings.extend(doubts::of_body(&body.text, body.false_link, body.odd_host, body.html_text.as_deref()));
    out.text = body.text;
    out.reply_text = split.reply;
    out.quoted_text = split.quoted;
    out.signature = split.signature;
    if limits.language {
        let sample = if out.reply_text.len() >= 40 { &out.reply_text } else { &out.text };
        out.language = language::language(sample);
    }
    let from = out.from.as_ref().map(|f| f.key()).unwrap_or_default();
    let fields =
        [from.as_str(), out.date.as_deref().unwrap_or_default(), out.message_id.as_deref().unwrap_or_default(), out.subject.as_str()];
    out.facts.fingerprint = fingerprint::fingerprint(fields, &out.text, files);
    out.facts.lines = split.lines;
    out.facts.html_text = body.html_text;
}

#[cfg(test)]
mod tests;
