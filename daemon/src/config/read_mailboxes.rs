//! `[[mailboxes]]`.

use super::reader::Section;
use super::types::{AutoAck, Collision, Mailbox, Quote, Reopen};
use super::{read_imap, read_outbound, values};

const AUTO_ACK: [(&str, AutoAck); 3] = [("aligned", AutoAck::Aligned), ("always", AutoAck::Always), ("never", AutoAck::Never)];
const REOPEN: [(&str, Reopen); 3] = [("reopen", Reopen::Reopen), ("new", Reopen::New), ("refuse", Reopen::Refuse)];
const QUOTE: [(&str, Quote); 2] = [("last", Quote::Last), ("none", Quote::None)];
const COLLISION: [(&str, Collision); 3] = [("hold", Collision::Hold), ("tell", Collision::Tell), ("off", Collision::Off)];

/// Reads all mailboxes; `desk_name` stands in for a missing name.
pub(super) fn mailboxes(s: &mut Section<'_>, desk_name: &str) -> Vec<Mailbox> {
    const HINT: &str = "a desk needs at least one: [[mailboxes]] and address = \"support@example.com\" below it";
    let mailboxes = s.sections("mailboxes", "[[mailboxes]]", |s| mailbox(s, desk_name));
    match &mailboxes {
        None => s.require("mailboxes", HINT),
        Some(list) if list.is_empty() => s.bad("mailboxes", HINT),
        Some(_) => {}
    }
    mailboxes.unwrap_or_default()
}

fn mailbox(s: &mut Section<'_>, desk_name: &str) -> Mailbox {
    let address = address(s);
    let (aliases, forms) = (addresses(s, "aliases"), addresses(s, "forms"));
    for alias in &aliases {
        s.note_address(alias.clone(), "aliases");
    }
    let mailbox = Mailbox {
        name: s.parsed("name", values::one_line).unwrap_or_else(|| desk_name.to_owned()),
        reply: reply(s, &address),
        address,
        aliases,
        team: s.parsed("team", values::one_line),
        language: s.parsed("language", language),
        signature: s.parsed("signature", values::lines).filter(|text| !text.is_empty()),
        sla: s.parsed("sla", values::one_line),
        auto_ack: s.word("auto_ack", &AUTO_ACK).unwrap_or(AutoAck::Aligned),
        reopen: s.word("reopen", &REOPEN).unwrap_or(Reopen::New),
        quote: s.word("quote", &QUOTE).unwrap_or(Quote::Last),
        collision: s.word("collision", &COLLISION).unwrap_or(Collision::Hold),
        forms,
        forms_ack: s.boolean("forms_ack").unwrap_or(false),
        separate: s.boolean("separate").unwrap_or(false),
        relay: read_outbound::of_mailbox(s),
        imap: s.section("imap", "[mailboxes.imap]", read_imap::imap).flatten(),
    };
    warn_of_what_is_not_built(s, &mailbox);
    mailbox
}

fn warn_of_what_is_not_built(s: &mut Section<'_>, mailbox: &Mailbox) {
    let keys = [
        ("language", mailbox.language.as_deref().is_some_and(|language| language != "en"), "our own sentences stay English"),
        ("sla", mailbox.sla.is_some(), "no times are kept"),
        ("separate", mailbox.separate, "a mail to two mailboxes makes one ticket"),
    ];
    for (key, set, instead) in keys {
        if set {
            s.warn(key, format!("is not built yet; {instead}"));
        }
    }
}

fn address(s: &mut Section<'_>) -> String {
    let Some(address) = s.parsed("address", values::mail_address) else {
        s.require("address", "like address = \"support@example.com\"");
        return String::new();
    };
    s.note_address(address.clone(), "address");
    address
}

fn addresses(s: &mut Section<'_>, key: &'static str) -> Vec<String> {
    s.list(key, values::mail_address).unwrap_or_default().into_iter().map(|(address, _)| address).collect()
}

fn reply(s: &mut Section<'_>, address: &str) -> String {
    let given = s.has("reply");
    let reply = s.parsed("reply", values::reply_pattern);
    if given || address.is_empty() {
        return reply.unwrap_or_default();
    }
    match values::default_reply_pattern(address) {
        Ok(pattern) => pattern,
        Err(error) => {
            s.bad("address", error);
            String::new()
        }
    }
}

fn language(text: &str) -> Result<String, String> {
    if text.len() == 2 && text.bytes().all(|b| b.is_ascii_lowercase()) {
        Ok(text.to_owned())
    } else {
        Err(format!("\"{text}\" must be a language of two letters (ISO 639-1), like \"en\""))
    }
}
