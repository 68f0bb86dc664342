//! One outgoing mail as a value, and its bytes. Headers are made from typed values only: nothing that a stranger wrote
//! can begin a new one.

use mail_builder::MessageBuilder;
use mail_builder::headers::address::Address as Mailbox;
use mail_builder::headers::content_type::ContentType;
use mail_builder::headers::message_id::MessageId;
use mail_builder::headers::raw::Raw;
use mail_builder::headers::text::Text;
use mail_builder::mime::MimePart;

use crate::model::address::written;
use crate::model::text::{clean, one_line};
use crate::model::{Address, TicketId};
use crate::understand::Part;

/// Longest subject that leaves, in characters.
const SUBJECT: usize = 250;

/// Most ids in References, and most octets of all of them but the last.
const CHAIN: usize = 20;
const CHAIN_OCTETS: usize = 2_000;

/// Longest line of a mail, in octets without CRLF (RFC 5322 §2.1.1).
const LINE: usize = 998;

/// A mail to one recipient.
#[derive(Clone, Debug, Default)]
pub(super) struct Letter {
    pub(super) from: Address,
    pub(super) to: Address,
    pub(super) reply_to: Option<String>,
    pub(super) subject: String,
    /// Message-ID without angle brackets.
    pub(super) message_id: String,
    /// References without angle brackets, oldest first; the last one is In-Reply-To. Of a long chain its beginning and its end leave.
    pub(super) references: Vec<String>,
    /// Date in s since 1970.
    pub(super) date: i64,
    pub(super) text: String,
    /// What of the text is the same in every answer, and meant for everybody.
    pub(super) published: String,
    /// The same in HTML.
    pub(super) html: Option<String>,
    /// What the HTML shows; without HTML they are attachments.
    pub(super) pictures: Vec<Picture>,
    pub(super) attachments: Vec<Part>,
    /// Auto-Submitted (RFC 3834 §5); a person's answer has none.
    pub(super) auto_submitted: Option<&'static str>,
    /// X-Auto-Response-Suppress.
    pub(super) suppress: Option<&'static str>,
    /// The agent's desk address: List-Post (RFC 2369).
    pub(super) desk_address: Option<String>,
    /// The ticket of which a mail there would mean to hear no more: List-Unsubscribe.
    pub(super) unfollow: Option<TicketId>,
    /// List-Id (RFC 2919): which mailbox of ours an agent's mail is about, without angle brackets.
    pub(super) list_id: Option<String>,
    /// X-Ombud-Reason: why an agent gets this.
    pub(super) reason: Option<&'static str>,
}

impl Letter {
    /// The mail as it leaves, with CRLF line ends.
    ///
    /// # Errors
    /// None in practice: writing to memory does not fail.
    pub(super) fn bytes(&self) -> std::io::Result<Vec<u8>> {
        let mut mail = MessageBuilder::new()
            .from(mailbox(&self.from))
            .to(mailbox(&self.to))
            .subject(one_line(&self.subject, SUBJECT))
            .date(self.date)
            .message_id(self.message_id.clone());
        if let Some(reply_to) = &self.reply_to {
            mail = mail.reply_to(written(reply_to).into_owned());
        }
        if let Some(last) = self.references.last() {
            mail = mail.in_reply_to(last.clone());
            mail = mail.references(MessageId::new_list(chain(&self.references).into_iter().map(str::to_owned)));
        }
        if let Some(value) = self.auto_submitted {
            mail = mail.header("Auto-Submitted", Text::new(value));
        }
        if let Some(value) = self.suppress {
            mail = mail.header("X-Auto-Response-Suppress", Text::new(value));
        }
        if let Some(desk) = self.desk_address.as_deref().map(written) {
            mail = mail.header("List-Post", Raw::new(format!("<mailto:{desk}>")));
            if let Some(ticket) = self.unfollow {
                let body = format!("body=%40ticket%20{ticket}%0D%0A%40unfollow");
                mail = mail.header("List-Unsubscribe", Raw::new(format!("<mailto:{desk}?subject=Unfollow&{body}>")));
            }
        }
        if let Some(id) = &self.list_id {
            mail = mail.header("List-Id", Raw::new(format!("<{id}>")));
        }
        if let Some(reason) = self.reason {
            mail = mail.header("X-Ombud-Reason", Text::new(reason));
        }
        mail.body(self.parts()).write_to_vec()
    }

    /// The text with its HTML, which has its pictures beside it (RFC 2387), and below them the attachments.
    fn parts(&self) -> MimePart<'static> {
        let text = body("text/plain", &self.text);
        let (words, loose) = match &self.html {
            Some(html) => {
                let mut rich = body("text/html", html);
                if !self.pictures.is_empty() {
                    let parts = std::iter::once(rich).chain(self.pictures.iter().map(shown)).collect::<Vec<_>>();
                    rich = MimePart::new(ContentType::new("multipart/related").attribute("type", "text/html"), parts);
                }
                (MimePart::new("multipart/alternative", vec![text, rich]), &[][..])
            }
            None => (text, self.pictures.as_slice()),
        };
        let files = loose.iter().map(|picture| &picture.part).chain(&self.attachments).map(file);
        let parts: Vec<_> = std::iter::once(words).chain(files).collect();
        match <[MimePart<'_>; 1]>::try_from(parts) {
            Ok([words]) => words,
            Err(parts) => MimePart::new("multipart/mixed", parts),
        }
    }
}

/// A picture in the text.
#[derive(Clone, Debug)]
pub(super) struct Picture {
    /// What stands for it in the text.
    pub(super) placeholder: String,
    /// Its Content-ID without angle brackets: ours, for the one that it came with may tell of its author's machine.
    pub(super) id: String,
    pub(super) part: Part,
}

fn named(part: &Part) -> String {
    one_line(part.meta.name.as_deref().unwrap_or("attachment"), 128)
}

fn file(part: &Part) -> MimePart<'static> {
    MimePart::new(part.meta.content_type.clone(), part.bytes.clone()).attachment(named(part))
}

fn shown(picture: &Picture) -> MimePart<'static> {
    MimePart::new(picture.part.meta.content_type.clone(), picture.part.bytes.clone())
        .cid(picture.id.clone())
        .header("Content-Disposition", ContentType::new("inline").attribute("filename", named(&picture.part)))
}

/// Of a chain each id once, at its last place; the first, and of the others the last that fit (RFC 5322 §3.6.4 sets no bound, the
/// servers on the way do).
fn chain(references: &[String]) -> Vec<&str> {
    let mut ids: Vec<&str> = Vec::new();
    let (root, rest) = references.split_first().map_or(("", references), |(root, rest)| (root.as_str(), rest));
    let mut room = CHAIN_OCTETS.saturating_sub(root.len());
    for id in rest.iter().rev().map(String::as_str) {
        if id == root || ids.contains(&id) {
            continue;
        }
        // The last one is what is answered: it always goes along.
        if !ids.is_empty() && (ids.len() + 1 >= CHAIN || id.len() > room) {
            break;
        }
        room = room.saturating_sub(id.len());
        ids.push(id);
    }
    ids.push(root);
    ids.reverse();
    ids
}

/// A body as it is where a mail can carry that, so that addresses in it stay whole lines to whoever reads the source.
fn body(content_type: &'static str, text: &str) -> MimePart<'static> {
    let text = crlf(text);
    let plain = text.is_ascii() && text.lines().all(|line| line.len() <= LINE);
    let part = MimePart::new(ContentType::new(content_type).attribute("charset", "utf-8"), text);
    if plain { part.transfer_encoding("7bit") } else { part }
}

fn mailbox(address: &Address) -> Mailbox<'static> {
    let name = address.name.as_deref().map(|n| one_line(n, 128)).filter(|n| !n.is_empty());
    Mailbox::new_address(name, written(&address.address).into_owned())
}

/// Text of ours and of others, with nothing in it that a mail can't carry.
fn crlf(text: &str) -> String {
    let mut out = clean(text, true).lines().map(trimmed).collect::<Vec<_>>().join("\r\n");
    out.push_str("\r\n");
    out
}

/// Without white space at its end, which the signature delimiter needs (RFC 3676 §4.3).
fn trimmed(line: &str) -> &str {
    if line == "-- " { line } else { line.trim_end() }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::model::understood::Attachment;

    fn headers(letter: &Letter) -> Vec<String> {
        let text = String::from_utf8(letter.bytes().unwrap()).unwrap();
        let head = text.split("\r\n\r\n").next().unwrap().replace("\r\n ", " ").replace("\r\n\t", " ");
        head.split("\r\n").map(|h| h.split(':').next().unwrap().to_owned()).collect()
    }

    #[test]
    fn nothing_a_stranger_wrote_begins_a_header() {
        let evil = "Hi\r\nBcc: eve@x.test\nX: y\u{2028}Z: w\r\rQ: v";
        let plain = Letter { subject: "x".into(), message_id: "a@b".into(), references: vec!["r@b".into()], ..Letter::default() };
        let letter = Letter {
            from: Address { name: Some(evil.into()), address: "support@desk.test".into() },
            to: Address { name: Some(evil.into()), address: "ann@x.test".into() },
            subject: evil.into(),
            ..plain.clone()
        };
        assert_eq!(headers(&letter), headers(&plain));
    }

    #[test]
    fn pictures_stand_beside_the_html_and_are_attached_without_it() {
        let part = |name: &str| Part {
            meta: Attachment { name: Some(name.into()), content_type: "image/png".into(), ..Attachment::default() },
            bytes: name.as_bytes().to_vec(),
        };
        let picture = Picture { placeholder: "[image: a.png]".into(), id: "1.x@desk.test".into(), part: part("a.png") };
        let html = Some("<img src=\"cid:1.x@desk.test\">".to_owned());
        let letter = Letter { message_id: "x@desk.test".into(), text: "t".into(), html, pictures: vec![picture], ..Letter::default() };
        let kinds = |letter: &Letter| {
            let text = String::from_utf8(letter.bytes().unwrap()).unwrap();
            let fields = text.split("\r\n").filter_map(|line| line.strip_prefix("Content-Type: "));
            fields.map(|kind| kind.split(';').next().unwrap().to_owned()).collect::<Vec<_>>()
        };
        let both = ["multipart/alternative", "text/plain", "multipart/related", "text/html", "image/png"];
        assert_eq!(kinds(&letter), both);
        let text = String::from_utf8(letter.bytes().unwrap()).unwrap().replace("\r\n ", " ").replace("\r\n\t", " ");
        assert!(text.contains("Content-ID: <1.x@desk.test>") && text.contains("Content-Disposition: inline; filename=\"a.png\""), "{text}");
        let with_file = Letter { attachments: vec![part("b.png")], ..letter.clone() };
        assert_eq!(kinds(&with_file), [&["multipart/mixed"], &both[..], &["image/png"]].concat());
        let plain = Letter { html: None, ..letter };
        assert_eq!(kinds(&plain), ["multipart/mixed", "text/plain", "image/png"]);
        assert!(!String::from_utf8(plain.bytes().unwrap()).unwrap().contains("Content-ID"));
        assert_eq!(kinds(&Letter { pictures: Vec::new(), ..plain }), ["text/plain"]);
    }

    #[test]
    fn domains_beyond_ascii_stand_as_a_labels_in_every_header() {
        let ours = || "desk+t@bücher.test".to_owned();
        let letter = Letter {
            from: Address { name: Some("Bücher".into()), address: "desk@bücher.test".into() },
            to: Address::bare("ann@kunde-ö.test"),
            reply_to: Some(ours()),
            desk_address: Some(ours()),
            unfollow: Some(TicketId(1)),
            subject: "x".into(),
            message_id: "a@b".into(),
            ..Letter::default()
        };
        let text = String::from_utf8(letter.bytes().unwrap()).unwrap();
        assert!(text.is_ascii() && !text.contains("=?utf-8?B?ZGVza"), "{text}");
        assert!(text.contains("To: <ann@xn--kunde-") || text.contains("ann@xn--kunde-"), "{text}");
        assert_eq!(text.matches("desk+t@xn--bcher-kva.test").count(), 3, "Reply-To, List-Post and List-Unsubscribe: {text}");
        assert_eq!(text.matches("<desk@xn--bcher-kva.test>").count(), 1, "{text}");
    }

    #[test]
    fn a_chain_keeps_its_root_and_its_end() {
        let ids = |n: usize| (0..n).map(|i| format!("{i}@x.test")).collect::<Vec<_>>();
        assert_eq!(chain(&ids(1)), ["0@x.test"]);
        assert_eq!(chain(&ids(3)), ["0@x.test", "1@x.test", "2@x.test"]);
        let long = ids(500);
        let kept = chain(&long);
        assert_eq!((kept.len(), kept[0], kept[1], *kept.last().unwrap()), (20, "0@x.test", "481@x.test", "499@x.test"));
        let twice: Vec<String> = ["r", "a", "r", "b", "a"].map(String::from).into();
        assert_eq!(chain(&twice), ["r", "b", "a"]);
        let huge: Vec<String> = ["r".into(), "a".repeat(500), "b".repeat(1_990), "c".repeat(1_000)].into();
        assert_eq!(chain(&huge).iter().map(|id| id.len()).collect::<Vec<_>>(), [1, 1_000]);
    }

    #[test]
    fn a_letter_has_only_crlf_and_short_lines() {
        let long = "word ".repeat(1000) + &"ö".repeat(3000);
        let letter =
            Letter { subject: "ü".repeat(300), text: format!("a\nb\r\nc\rd\n.\n{long}"), message_id: "a@b".into(), ..Letter::default() };
        let bytes = letter.bytes().unwrap();
        let text = String::from_utf8(bytes).unwrap();
        assert!(!text.replace("\r\n", "").contains(['\r', '\n']));
        assert!(text.split("\r\n").all(|l| l.len() <= 998), "a line over 998 octets");
    }
}
