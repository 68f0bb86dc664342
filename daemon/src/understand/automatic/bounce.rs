//! Failed deliveries: RFC 3464 reports, and the letters of the many mail systems that write none.

use std::sync::LazyLock;

use memchr::memmem::Finder;

use super::bounce_reason::{code_in, is_vague, reason, status_in, status_worth};
use super::dsn::{self, Recipient, clean_address};
use super::ses;
use crate::model::address::{fold, is_plain, split};
use crate::model::understood::{Automatic, Bounce, BounceRecipient};
use crate::understand::fields::addresses;
use crate::understand::limits::Limits;
use crate::understand::mime::headers::{self, Headers};
use crate::understand::mime::{self, Tree};

mod phrases;

use phrases::{QUOTES, SENTENCES, SUBJECTS};

/// Most recipients that are told.
const MOST: usize = 100;

/// [`SUBJECTS`], ready to be looked for: every mail is asked for them.
static IN_SUBJECT: LazyLock<Vec<Finder<'static>>> = LazyLock::new(|| SUBJECTS.iter().map(Finder::new).collect());

/// What is looked at.
pub struct Evidence<'a> {
    /// The parts.
    pub tree: &'a Tree<'a>,
    /// The mail's header block.
    pub headers: &'a Headers<'a>,
    /// The decoded subject.
    pub subject: &'a str,
    /// The author's address, readable or not.
    pub from: &'a str,
    /// The body.
    pub text: &'a str,
}

/// The class and what the mail reports; `None` when it is no delivery status. Only a failure is a bounce; a delay is a
/// delivery report whose recipients are told all the same, a success one without.
pub fn judge(e: &Evidence, limits: &Limits) -> Option<(Automatic, Option<Bounce>)> {
    let recipients = reported(e.tree, limits);
    if !recipients.is_empty() {
        return Some(from_report(e, &recipients, limits));
    }
    if let Some(found) = ses::read(e.text) {
        return Some(found);
    }
    let is_report = e.tree.parts.first().and_then(|p| p.kind.get("report-type")).is_some_and(|t| t.eq_ignore_ascii_case("delivery-status"))
        || e.tree.parts.iter().any(|p| p.is("message/delivery-status"));
    if !(is_report || looks_like_letter(e)) {
        return None;
    }
    let inside = nested(e, limits);
    if !inside.is_empty() {
        return Some(from_report(e, &inside, limits));
    }
    let (letter, quoted) = split_letter(e.text);
    let recipients = from_letter(e, letter, quoted);
    let original_message_id = original_id(e, quoted, limits);
    let class = if is_delay(e.subject, letter) { Automatic::DeliveryReport } else { Automatic::Bounce };
    Some((class, Some(Bounce { recipients, original_message_id })))
}

/// The recipients of the report parts.
fn reported(tree: &Tree, limits: &Limits) -> Vec<Recipient> {
    let parts = tree.parts.iter().filter(|p| matches!(p.kind.value.as_str(), "message/delivery-status" | "message/global-delivery-status"));
    parts.flat_map(|part| dsn::recipients(&part.bytes(), limits)).take(MOST).collect()
}

/// A report that a broken header left in the text, or that stands in an attached mail.
fn nested(e: &Evidence, limits: &Limits) -> Vec<Recipient> {
    if let Some(at) = e.text.find("\nFinal-Recipient:").or_else(|| e.text.find("\nReporting-MTA:")) {
        return dsn::recipients(e.text.get(at + 1..).unwrap_or_default().as_bytes(), limits);
    }
    let attached = e.tree.parts.iter().filter(|p| p.is("message/rfc822")).take(3);
    attached.flat_map(|part| reported(&mime::tree(&part.bytes(), limits), limits)).collect()
}

/// Whether a letter only warns that it takes longer.
fn is_delay(subject: &str, letter: &str) -> bool {
    let subject = subject.to_lowercase();
    let letter = letter.to_lowercase();
    ["(delay)", "delayed mail", "delivery delayed", "warning: could not send"].iter().any(|d| subject.contains(d))
        || ["warning message only", "you do not need to resend", "will be retried for"].iter().any(|d| letter.contains(d))
}

fn from_report(e: &Evidence, recipients: &[Recipient], limits: &Limits) -> (Automatic, Option<Bounce>) {
    let succeeded = |r: &&Recipient| {
        matches!(r.action.as_deref(), Some("delivered" | "relayed" | "expanded" | "deliverable"))
            || r.status.as_deref().is_some_and(|s| s.starts_with('2'))
    };
    let delayed = |r: &&Recipient| r.action.as_deref() == Some("delayed");
    // Who was not reached stands first, who may still be reached behind.
    let (waiting, failed): (Vec<&Recipient>, Vec<&Recipient>) = recipients.iter().filter(|r| !succeeded(r)).partition(delayed);
    let class = if failed.is_empty() { Automatic::DeliveryReport } else { Automatic::Bounce };
    let kept: Vec<&Recipient> = failed.into_iter().chain(waiting).collect();
    let (letter, quoted) = split_letter(e.text);
    let letter = if kept.len() == 1 { letter } else { "" };
    let told: Vec<BounceRecipient> = kept.into_iter().map(|r| told_by_report(r, letter)).collect();
    let bounce = Bounce { recipients: told, original_message_id: original_id(e, quoted, limits) };
    (class, Some(bounce).filter(|b| !b.recipients.is_empty()))
}

fn told_by_report(r: &Recipient, letter: &str) -> BounceRecipient {
    let said = r.diagnostic.clone().unwrap_or_default();
    let status = better_status(r.status.clone(), &said, letter);
    let head: String = letter.chars().take(2_000).collect();
    let mut why = reason(status.as_deref(), if said.is_empty() { &head } else { &said });
    let temporary = status.as_deref().is_some_and(|s| s.starts_with('4'));
    if r.action.as_deref() == Some("expired") {
        why = "expired";
    } else if why == "network" && temporary && r.action.as_deref() == Some("failed") && said.contains("timed out") {
        // Nobody gives up at the first try: what failed for good with a temporary error was tried until its time was over.
        why = "expired";
    } else if is_vague(why) {
        // The letter may know better, but its own general phrases do not.
        why = Some(reason(None, &head)).filter(|told| !is_vague(told) && (why == "other" || *told != "network")).unwrap_or(why);
    }
    BounceRecipient {
        address: r.address.clone(),
        status,
        action: r.action.clone(),
        reason: why.to_owned(),
        diagnostic: r.diagnostic.clone(),
    }
}

/// The code in the server's own words is more exact than that of the program that reports it.
fn better_status(status: Option<String>, said: &str, letter: &str) -> Option<String> {
    let worth = |s: &Option<String>| s.as_deref().map_or(-1, status_worth);
    let class = |s: &Option<String>| s.as_deref().and_then(|s| s.chars().next());
    let (in_words, in_letter) = (status_in(said), status_in(letter));
    let mut best = status;
    if worth(&in_words) > worth(&best) || worth(&in_words) == 2 && class(&in_words) == class(&best) {
        best = in_words;
    }
    if worth(&best) < 1 && worth(&in_letter) > worth(&best) { in_letter } else { best }
}

/// Whether a mail without a report is a letter about a failed delivery: a machine wrote it, and it says so.
fn looks_like_letter(e: &Evidence) -> bool {
    if e.headers.has("x-failed-recipients") {
        return true;
    }
    let from = e.from.to_lowercase();
    let local: String = split(&from).map_or(from.as_str(), |(local, _)| local).chars().filter(|c| c.is_alphanumeric()).collect();
    let author = e.headers.text("from").unwrap_or_default().to_lowercase();
    let machine = ["mailerdaemon", "postmaster", "maildaemon", "mdaemon", "maildelivery", "poostmaster"].iter().any(|m| local.contains(m))
        || ["mail delivery", "mailer-daemon", "postmaster"].iter().any(|m| author.contains(m))
        || e.headers.text("return-path").is_some_and(|p| p == "<>");
    let subject = e.subject.to_lowercase();
    let says = IN_SUBJECT.iter().any(|finder| finder.find(subject.as_bytes()).is_some());
    if !machine && !says {
        return false;
    }
    let text: String = e.text.chars().take(20_000).collect::<String>().to_lowercase();
    let explains = SENTENCES.iter().any(|s| text.contains(s));
    machine && (says || explains) || says && explains && !subject.starts_with("re:") && !e.headers.has("in-reply-to")
}

/// The letter itself, and the mail that it quotes.
fn split_letter(text: &str) -> (&str, &str) {
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let bare = line.trim_start_matches(|c: char| "-_=*> ".contains(c)).to_lowercase();
        if at > 0 && QUOTES.iter().any(|q| bare.starts_with(q)) {
            return text.split_at(at);
        }
        at += line.len();
    }
    (text, "")
}

/// Who was not reached, according to a letter: the addresses in it, each with the words up to the next. There is always
/// at least one entry, so that the reason is not lost with the address.
fn from_letter(e: &Evidence, letter: &str, quoted: &str) -> Vec<BounceRecipient> {
    let head: String = letter.chars().take(4_000).collect();
    let mut found: Vec<(String, String)> = Vec::new();
    if let Some(named) = e.headers.text("x-failed-recipients") {
        found.extend(named.split(',').filter_map(clean_address).take(MOST).map(|a| (a, head.clone())));
    }
    let ours: Vec<String> = addresses::list(e.headers, "to", 10).iter().map(|a| a.key()).collect();
    let strict = |line: &str| if is_label(line) { None } else { candidate(line, e).filter(|a| !is_system(a) && !ours.contains(&fold(a))) };
    if found.is_empty() {
        found = collect(letter, &strict);
    }
    if found.is_empty() {
        found.extend(bare_names(e, letter).into_iter().map(|a| (a, head.clone())));
    }
    for pass in
        [&(|line: &str| candidate(line, e).filter(|a| !is_system(a))) as &dyn Fn(&str) -> Option<String>, &|line| candidate(line, e)]
    {
        if found.is_empty() {
            found = collect(letter, pass);
        }
    }
    if found.is_empty() {
        found.extend(named_in_headers(quoted).map(|a| (a, head.clone())));
    }
    if found.is_empty() {
        return vec![told(None, &head, letter)];
    }
    let alone = found.len() == 1;
    let delayed = is_delay(e.subject, letter);
    found
        .into_iter()
        .map(|(address, words)| {
            let mut one = told(Some(address), &words, if alone { letter } else { "" });
            if delayed {
                one.action = Some("delayed".to_owned());
            }
            one
        })
        .collect()
}

/// Names without a domain on lines of their own below a sentence about recipients, as a system writes of its own users.
fn bare_names(e: &Evidence, letter: &str) -> Vec<String> {
    let Some((_, domain)) = split(e.from) else { return Vec::new() };
    let name = |line: &str| {
        let indented = line.starts_with([' ', '\t']);
        let word = line.trim();
        let fine = (3..=64).contains(&word.len()) && word.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
        (indented && fine).then(|| format!("{word}@{domain}")).filter(|address| is_plain(address))
    };
    let mut lines = letter.lines().skip_while(|line| !(line.trim_end().ends_with(':') && line.to_lowercase().contains("recipient")));
    lines.next();
    lines.map_while(|line| if line.trim().is_empty() { Some(None) } else { name(line).map(Some) }).flatten().take(MOST).collect()
}

fn collect(letter: &str, pass: &dyn Fn(&str) -> Option<String>) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    for line in letter.lines() {
        let named = pass(line).filter(|a| found.len() < MOST && !found.iter().any(|(f, _)| fold(f) == fold(a)));
        found.extend(named.map(|a| (a, String::new())));
        if let Some((_, words)) = found.last_mut().filter(|(_, words)| words.len() < 4_000) {
            words.push_str(line.trim());
            words.push(' ');
        }
    }
    found
}

fn told(address: Option<String>, words: &str, letter: &str) -> BounceRecipient {
    let status = status_in(words).or_else(|| status_in(letter));
    let code = code_in(words).or_else(|| code_in(letter));
    let whole = if letter.is_empty() { words } else { letter };
    let said = whole.split_whitespace().take(600).collect::<Vec<_>>().join(" ");
    let why = reason(status.as_deref(), &said);
    let temporary = code.map_or(is_delay("", &said), |c| c < 500);
    let status = status.or_else(|| Some(default_status(temporary, why)));
    let diagnostic = code.and_then(|c| said.find(&c.to_string())).and_then(|at| said.get(at..)).map(|d| d.chars().take(300).collect());
    BounceRecipient { address, status, action: Some("failed".to_owned()), reason: why.to_owned(), diagnostic }
}

/// A status for a letter that gives none.
fn default_status(temporary: bool, why: &str) -> String {
    let detail = match why {
        "user_unknown" => "1.1",
        "mailbox_full" => "2.2",
        "domain_error" => "1.2",
        "message_too_large" => "3.4",
        "spam" | "policy" => "7.1",
        "expired" => "4.7",
        "network" => "4.1",
        _ => "0.0",
    };
    format!("{}.{detail}", if temporary { 4 } else { 5 })
}

/// Lines that repeat a header or a dialogue name others than who was not reached.
fn is_label(line: &str) -> bool {
    let lower = line.trim_start().to_lowercase();
    ["to:", "cc:", "from:", "mail from:", "sender:", "reply-to:", "subject:", "sent date:"].iter().any(|l| lower.starts_with(l))
}

/// The address that a line of a letter says was not reached.
fn candidate(line: &str, e: &Evidence) -> Option<String> {
    let lower = line.to_lowercase();
    if ["message-id", "contact", "mailto:postmaster", "mail from:"].iter().any(|w| lower.contains(w))
        || lower.trim_start().starts_with("from:")
    {
        return None;
    }
    let words = line.split(|c: char| c.is_whitespace() || "<>()[]\"',;:=".contains(c));
    words
        .map(|w| w.trim_end_matches(['.', '!', '?']).trim_start_matches("mailto:"))
        .find(|w| is_plain(w) && fold(w) != fold(e.from))
        .map(str::to_owned)
}

fn is_system(address: &str) -> bool {
    let (local, domain) = split(address).unwrap_or((address, ""));
    let local = local.to_lowercase();
    ["postmaster", "mailer-daemon", "mailerdaemon", "abuse", "root"].contains(&local.as_str()) || !domain.contains('.')
}

/// To of the mail that a letter quotes.
fn named_in_headers(quoted: &str) -> Option<String> {
    quoted.lines().take(200).find_map(|line| {
        let lower = line.trim_start().to_lowercase();
        ["to:", "x-original-to:", "delivered-to:"]
            .iter()
            .find(|p| lower.starts_with(**p))
            .and_then(|p| clean_address(line.trim_start().get(p.len()..).unwrap_or_default()))
    })
}

/// Message-ID of the mail that failed: from the attached mail or its header, else from what the letter quotes.
pub(super) fn original_id(e: &Evidence, quoted: &str, limits: &Limits) -> Option<String> {
    let attached = e.tree.parts.iter().skip(1).filter(|p| {
        matches!(
            p.kind.value.as_str(),
            "message/rfc822" | "text/rfc822-headers" | "message/rfc822-headers" | "message/global" | "message/global-headers"
        )
    });
    for part in attached {
        let bytes = part.bytes();
        let (headers, _) = headers::parse(&bytes, limits.header_size, limits.header_fields);
        if let Some(id) = headers.text("message-id").and_then(|id| bare_id(&id)) {
            return Some(id);
        }
    }
    let text = if quoted.is_empty() { e.text } else { quoted };
    text.lines().take(2_000).find_map(|line| {
        let line = line.trim_start_matches([' ', '\t', '>']);
        let named = line.get(..11).is_some_and(|n| n.eq_ignore_ascii_case("message-id:"));
        named.then(|| bare_id(line.get(11..).unwrap_or_default())).flatten()
    })
}

fn bare_id(raw: &str) -> Option<String> {
    let inner = raw.split_once('<').and_then(|(_, rest)| rest.split_once('>')).map_or(raw, |(id, _)| id).trim();
    (!inner.is_empty() && inner.len() <= 512 && !inner.contains(char::is_whitespace)).then(|| inner.to_owned())
}

#[cfg(test)]
mod tests;
