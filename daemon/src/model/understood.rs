//! What one message says, as `ombud explain` prints it.

use serde::{Deserialize, Serialize};

use super::Address;

/// A message understood. Every input of bytes has one; what was wrong stands in `warnings`.
/// The serialized form is the object of CONTRACT.md; fields marked `skip` are for our own rooms.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Understood {
    /// Message-ID without angle brackets (RFC 5322 §3.6.4).
    pub message_id: Option<String>,
    /// In-Reply-To, without angle brackets.
    pub in_reply_to: Vec<String>,
    /// References, oldest first, without angle brackets; at most the last 20.
    pub references: Vec<String>,
    /// Date in RFC 3339, UTC; `None` when absent or impossible.
    pub date: Option<String>,
    /// Subject, decoded, on one line.
    pub subject: String,
    /// The author to show: the first readable address of the first From field that has one. Nobody may be identified by
    /// it while `facts.from_problem` is set: only the only plain address of the only From field is an author.
    pub from: Option<Address>,
    /// Reply-To.
    pub reply_to: Vec<Address>,
    /// To.
    pub to: Vec<Address>,
    /// Cc.
    pub cc: Vec<Address>,
    /// The whole body as text.
    pub text: String,
    /// Only what the writer wrote this time.
    pub reply_text: String,
    /// What was quoted.
    pub quoted_text: String,
    /// The writer's signature.
    pub signature: String,
    /// Sanitized HTML, if the mail has an HTML body.
    pub html: Option<String>,
    /// ISO 639-1 code of the language, when the text is long enough to tell.
    pub language: Option<String>,
    /// All parts that are not the body.
    pub attachments: Vec<Attachment>,
    /// Why no person wrote this just now; `None` for a person's mail.
    pub automatic: Option<Automatic>,
    /// All classes of which the mail has a mark; the first is `automatic`.
    #[serde(default)]
    pub automatic_matches: Vec<Automatic>,
    /// When the writer of an out-of-office answer is away, where it says so.
    #[serde(default)]
    pub absence: Option<Absence>,
    /// What a bounce reports; of a delayed delivery (a `delivery_report`) the recipients that still wait.
    pub bounce: Option<Bounce>,
    /// The mail that was forwarded to us inside this one.
    pub forwarded: Option<Forwarded>,
    /// What was odd, a sentence each.
    pub warnings: Vec<String>,
    /// Facts for deciding that `explain` does not print.
    #[serde(skip)]
    pub facts: Facts,
}

/// When somebody is away, in whole days (`2026-12-20`); the last day, or the one of the return, as it was written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Absence {
    /// The first day.
    pub from: Option<String>,
    /// The last day.
    pub until: Option<String>,
}

/// A part that is not the body.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// A name that is safe to show and to save under; `None` when the sender gave none.
    pub name: Option<String>,
    /// The name as the sender wrote it, where that is another; data, never a path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub original_name: Option<String>,
    /// Lower-case media type.
    pub content_type: String,
    /// Size of the decoded bytes, in octets.
    pub size: u64,
    /// SHA-256 of the decoded bytes, lower-case hex.
    pub sha256: String,
    /// Whether it is shown in the body: the HTML refers to it by its Content-ID.
    pub inline: bool,
    /// Content-ID without angle brackets.
    pub content_id: Option<String>,
}

super::ticket::words!(
    /// Classes of mail that no person wrote just now (RFC 3834 §1).
    Automatic {
        /// Vacation-like answers and challenges.
        AutoReply = "auto_reply",
        /// Out of office.
        OutOfOffice = "out_of_office",
        /// A delivery failed (RFC 3464).
        Bounce = "bounce",
        /// A DSN that reports no failure.
        DeliveryReport = "delivery_report",
        /// Disposition notification (RFC 8098).
        ReadReceipt = "read_receipt",
        /// Abuse, DMARC and TLS reports (RFC 5965, RFC 9990, RFC 8460).
        FeedbackReport = "feedback_report",
        /// Lists, robots, generated mail.
        Bulk = "bulk",
        /// Our own mail come back.
        Own = "own",
    }
);

/// What a bounce says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bounce {
    /// One entry per recipient who was not reached, then one per recipient who still waits.
    pub recipients: Vec<BounceRecipient>,
    /// Message-ID of the mail that failed, without angle brackets.
    pub original_message_id: Option<String>,
}

/// One recipient of a bounce (RFC 3464 §2.3).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BounceRecipient {
    /// Final-Recipient, else Original-Recipient, else what the text names.
    pub address: Option<String>,
    /// Enhanced status code (RFC 3463).
    pub status: Option<String>,
    /// `failed`, `delayed`, …
    pub action: Option<String>,
    /// One of the reasons of CONTRACT.md.
    pub reason: String,
    /// The remote server's words.
    pub diagnostic: Option<String>,
}

/// That somebody has called a mail unwanted (RFC 5965): believed only where it names a mail of ours.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Complaint {
    /// Message-ID of the unwanted mail, without angle brackets.
    pub original_message_id: Option<String>,
    /// Who is said to have had it.
    pub recipient: Option<String>,
}

/// A mail that was forwarded inside another.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forwarded {
    /// Who wrote the forwarded mail.
    pub from: Option<Address>,
    /// Its date as RFC 3339 UTC where it can be read, else as written.
    pub date: Option<String>,
    /// Its subject.
    pub subject: Option<String>,
    /// Its text.
    pub text: String,
}

/// What deciding needs beside the object that people see.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    /// Number of From fields.
    pub from_fields: usize,
    /// Why `from` identifies nobody (several From fields or addresses, a group, not an addr-spec, a malformed header, …);
    /// `None` also when there is no From field at all.
    pub from_problem: Option<String>,
    /// Recipients that the last hop wrote down (Delivered-To, X-Original-To, Envelope-To), topmost first.
    pub delivered_to: Vec<String>,
    /// The sender asks for no automatic answer although a person wrote it (X-Auto-Response-Suppress, robot-like From, …).
    pub no_ack: bool,
    /// The complaint that it is.
    pub complaint: Option<Complaint>,
    /// The body in lines, each with what it is: what `reply_text`, `quoted_text` and `signature` were made from.
    pub lines: Vec<Line>,
    /// The lines of the HTML with its pictures in them as `[cid:ID]`, where it refers to attachments. Last come those that the page
    /// has as a whole, as its background or in its styles.
    pub pictured: Vec<Line>,
    /// Text of the HTML alternative, when the mail has both; for comparing the two.
    pub html_text: Option<String>,
    /// SHA-256 over From, Date, Message-ID, Subject (unfolded, white space folded) and the decoded text and attachment
    /// hashes: the same for two copies of one mail that relays re-encoded on the way.
    pub fingerprint: [u8; 32],
}

/// One line of the body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// What it is.
    pub kind: LineKind,
    /// The line without its end, quote marks included.
    pub text: String,
}

/// What a line of the body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LineKind {
    /// The writer's own words of this time.
    Own,
    /// Quoted with `>` between the writer's own lines (an interleaved answer).
    Inline,
    /// The quote below (or above) the writer's words, with its attribution and header block.
    Quote,
    /// The writer's signature or a mobile tagline.
    Signature,
    /// A forwarded mail.
    Forward,
}
