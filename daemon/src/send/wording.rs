//! Every sentence that leaves in our own name. English; other languages come with templates.

pub(super) mod asked;
pub(super) mod brake;
pub(super) mod digest;

use crate::desk::answer::{ANSWER_LABEL, NOTE_LABEL};
use crate::desk::commands;
use crate::desk::delivery::STOPPED;
use crate::model::refusal::UNTRIED;
use crate::understand::MARKER;

/// The acknowledgement: nothing in it comes from the mail that it answers.
pub(super) fn ack(number: i64, mailbox: &str) -> String {
    format!(
        "We have received your mail, and a person will read it.\n\n\
         Its number is #{number}. You need not do anything with it: to add something, answer this mail.\n\n\
         {mailbox}\n"
    )
}

/// The facts and addresses below the text of a notification.
pub(super) struct Foot<'a> {
    /// `Ann <ann@example.com>`.
    pub(super) requester: &'a str,
    /// Label and value, a line each.
    pub(super) facts: &'a [(&'static str, String)],
    /// Answer address.
    pub(super) answer: &'a str,
    /// Note address.
    pub(super) note: &'a str,
}

/// A notification: the new message first, then the facts.
pub(super) fn notification(text: &str, foot: &Foot<'_>) -> String {
    let mut out = format!("{}\n\n{MARKER}\n\n", text.trim_end());
    out.push_str(&format!("From: {}\n", foot.requester));
    for (label, value) in foot.facts {
        out.push_str(&format!("{label}: {value}\n"));
    }
    out.push_str(&format!("\n{ANSWER_LABEL} {}\n{NOTE_LABEL} {}\n", foot.answer, foot.note));
    out.push_str("\nAnswer this mail and the customer gets your answer, without your address.\n");
    out.push_str("Commands, one a line at the top: @assign me, @solve, @note, @tag urgent\n");
    out
}

/// "Bob has it."
pub(super) fn taken(owner: &str, by: &str, is_you: bool, answer: Option<&str>) -> String {
    let head = match is_you {
        true => format!("You have it now ({by} gave it to you)."),
        false => format!("{owner} has it."),
    };
    match answer {
        Some(text) => format!("{head} The customer was told:\n\n{text}"),
        None => head,
    }
}

/// An agent's mail was held; `release` lets it through, where anybody can.
pub(super) fn held(reason: &str, detail: &str, text: &str, release: Option<&str>, drop: &str) -> String {
    let why = match reason {
        "confirm" => "Nothing was sent: please confirm that this mail is yours",
        "collision" => "Nothing was sent: your answer may be outdated",
        "leak" => "Nothing was sent: something that the customer must not see is left in your mail",
        "command_error" | "near_miss" => "Nothing was sent and nothing was carried out: a line of your mail is not clear",
        _ => "Nothing was sent",
    };
    let allowed = match reason {
        "command_error" | "near_miss" => format!("\n\nCommands are: {}", commands::allowed()),
        _ => String::new(),
    };
    let onward = match reason {
        "confirm" => "If it is yours and you want that, write to",
        "command_error" | "near_miss" => {
            "To send your mail as it stands, write to the address below. No command in it is carried out then: the customer gets all of\n\
             its lines as text, those with @ included (if one says @note or @spam, all of it stays inside as a note)"
        }
        _ => "To send it all the same, write to",
    };
    let onward = release.map_or_else(String::new, |release| format!("{onward}:\n{release}\n\n"));
    format!(
        "{why}.\n\n  {detail}{allowed}\n\n{onward}\
         To drop it, write to:\n{drop}\n\nOr answer the notification again with a mended text.\n\nYour mail:\n\n{}\n",
        quoted(text)
    )
}

/// A webhook that was disabled.
pub(super) struct Disabled<'a> {
    pub(super) id: i64,
    pub(super) host: &'a str,
    pub(super) why: &'a str,
    /// Since when nothing is sent to it.
    pub(super) at: &'a str,
    /// Since when it fails, if it does.
    pub(super) since: Option<&'a str>,
}

/// A webhook was disabled.
pub(super) fn webhook(disabled: &Disabled<'_>) -> String {
    let since = disabled.since.map_or_else(String::new, |at| format!("Failing:  since {at}\n"));
    format!(
        "Nothing more is sent to this webhook, and what happens meanwhile is not kept for it.\n\n\
         Webhook:  {id}\nReceiver: {host}\nDisabled: {at}\n{since}Reason:   {why}\n\n\
         When the receiver works again, `ombud webhook enable {id}` goes on with it, or PATCH /api/v1/webhooks/{id} with\n\
         {{\"enabled\":true}}. What waited for it is delivered then; `ombud webhook deliveries {id}` shows what was given up,\n\
         and `ombud webhook redeliver` sends it again.\n",
        id = disabled.id,
        host = disabled.host,
        at = disabled.at,
        why = disabled.why,
    )
}

/// The log-in for fetching a mailbox is refused.
pub(super) fn imap(mailbox: &str, since: &str, error: &str) -> String {
    format!(
        "The log-in for fetching mail is refused again and again, so it is tried only once an hour from now on.\n\n\
         Mailbox: {mailbox}\nSince:   {since}\nReason:  {error}\n\n\
         Nothing is lost: mail stays on the server and is fetched when the log-in works. Put the right password or refresh token\n\
         into the configuration and reload (SIGHUP); it is tried at once then. `ombud check` tries it beforehand.\n"
    )
}

/// The mailbox of somebody who works here refuses mail.
pub(super) fn undeliverable(address: &str, reply: &str) -> String {
    format!(
        "The mailbox of {address} refuses mail, so nothing more is sent there for a while: no notification, no receipt.\n\n\
         The server said:\n\n  {reply}\n\n\
         `ombud agent show {address}` says until when. When the mailbox works again, a mail from there to the desk or\n\
         `ombud queue suppressed --lift {address}` ends it; `ombud agent disable {address}` if they have left.\n"
    )
}

/// A mail by which the desk tries its own way.
pub(super) fn probe(desk: &str) -> String {
    format!(
        "The help desk {desk} tries with this mail whether its mail arrives as it was sent (ombud check --probe).\n\n\
         If you read this, it does arrive. Please look at it in its source: it should say dkim=pass and spf=pass or dmarc=pass for the\n\
         domain in From. An answer to it should go to the address in Reply-To; the desk files it and does nothing else.\n"
    )
}

/// One held mail in the digest.
pub(super) struct Waiting {
    pub(super) sender: String,
    pub(super) subject: String,
    pub(super) reason: String,
    pub(super) detail: String,
    pub(super) release: String,
    pub(super) drop: String,
}

/// What waits for a person.
pub(super) fn digest(mails: &[Waiting]) -> String {
    let mut out = String::from("These mails wait for a person. Nothing happens with them before somebody says so.\n");
    for mail in mails {
        out.push_str(&format!(
            "\nFrom:    {}\nSubject: {}\nReason:  {}: {}\nRelease: {}\nDrop:    {}\n",
            mail.sender, mail.subject, mail.reason, mail.detail, mail.release, mail.drop
        ));
    }
    out.push_str("\nAn empty mail to one of the addresses is enough; each works once.\n");
    out
}

/// An answer did not arrive.
pub(super) fn failed(address: &str, reply: &str, text: &str) -> String {
    let why = match reply.strip_prefix(STOPPED) {
        Some(why) => format!("Your answer to {address} was not sent:{why}. Answer again without it"),
        None => match reply.strip_prefix(UNTRIED) {
            Some(why) => format!("Your answer to {address} was not sent:{why}"),
            None => format!("Your answer did not reach {address}. The server said:\n\n  {reply}"),
        },
    };
    format!("{why}\n\nYour answer:\n\n{}\n", quoted(text))
}

/// An answer still waits.
pub(super) fn late(address: &str, reply: &str, text: &str) -> String {
    format!(
        "Your answer to {address} has not arrived yet. It is tried again until it does, for some days; you need do nothing.\n\n\
         What was said last:\n\n  {reply}\n\nYour answer:\n\n{}\n",
        quoted(text)
    )
}

/// What an agent's mail did.
pub(super) fn receipt(lines: &[String]) -> String {
    match lines {
        [] => "Your answer was sent.\n".into(),
        [one] => format!("{}\n", sentence(one)),
        many => many.iter().map(|line| format!("- {}\n", sentence(line))).collect(),
    }
}

fn sentence(line: &str) -> String {
    // An address, a number or a command is written as it is.
    let is_word = line.split_whitespace().next().is_some_and(|first| !first.contains(['@', '#']));
    let mut chars = line.chars();
    let first = chars.next().filter(|_| is_word).map(|first| first.to_uppercase().collect::<String>());
    let rest = if first.is_some() { chars.as_str() } else { line };
    let end = if line.ends_with('.') { "" } else { "." };
    format!("{}{rest}{end}", first.unwrap_or_default())
}

/// Lines with `> ` before them.
pub(super) fn quoted(text: &str) -> String {
    text.trim().lines().map(|l| format!("> {l}")).collect::<Vec<_>>().join("\n")
}

/// `1.4 MB`.
pub(super) fn size(octets: u64) -> String {
    match octets {
        0..1_000 => format!("{octets} bytes"),
        1_000..1_000_000 => format!("{} kB", octets / 1_000),
        _ => format!("{}.{} MB", octets / 1_000_000, octets / 100_000 % 10),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_begins_large_and_an_address_as_it_is_written() {
        assert_eq!(sentence("status is öffen"), "Status is öffen.");
        assert_eq!(sentence("éa."), "Éa.");
        assert_eq!(sentence("carl@customer.test gets answers"), "carl@customer.test gets answers.");
        assert_eq!(sentence("#12 printer: done"), "#12 printer: done.");
    }

    #[test]
    fn what_never_leaves_is_not_offered_and_what_leaves_as_text_is_said() {
        let held = |reason, release| held(reason, "detail", "text", release, "drop@desk.test");
        assert!(held("leak", Some("go@desk.test")).contains("To send it all the same, write to:\ngo@desk.test"));
        let never = held("leak", None);
        assert!(!never.contains("all the same") && never.contains("drop@desk.test"), "{never}");
        let unclear = held("near_miss", Some("go@desk.test"));
        assert!(unclear.contains("No command in it is carried out") && unclear.contains("go@desk.test"), "{unclear}");
    }
}
