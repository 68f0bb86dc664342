//! Mail that tests write, and mail that they read.

use std::process;
use std::sync::atomic::{AtomicUsize, Ordering};

use mail_parser::{MessageParser, MimeHeaders};

/// A mail to send.
#[derive(Clone, Debug)]
pub struct Draft {
    /// Message-ID without angle brackets.
    pub id: String,
    /// Envelope sender.
    pub sender: String,
    /// Envelope recipients.
    pub recipients: Vec<String>,
    headers: Vec<(String, String)>,
    body: String,
    attachments: Vec<(String, Vec<u8>)>,
}

impl Draft {
    /// A plain mail. `from` may have a display name; `to` is an address.
    pub fn new(from: &str, to: &str, subject: &str, body: &str) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let id = format!("m{}.{}@client.test", COUNT.fetch_add(1, Ordering::Relaxed), process::id());
        let headers =
            [("From", from), ("To", to), ("Subject", subject), ("Date", "Sat, 21 Nov 2026 10:00:00 +0000"), ("MIME-Version", "1.0")];
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        let recipients = vec![to.to_owned()];
        Self { id, sender: bare(from), recipients, headers, body: body.replace('\n', "\r\n"), attachments: Vec::new() }
    }

    /// An answer to a mail, to its Reply-To, as mail clients write it: the answer, the whole mail as a quote, a signature.
    pub fn answer(from: &str, to: &Letter, body: &str) -> Self {
        let quote: String = to.text().lines().map(|line| format!("> {line}\n")).collect();
        let body = format!("{body}\n\nOn Sat, 21 Nov 2026 at 10:00, {} wrote:\n\n{quote}", to.header("From").unwrap_or_default());
        Self::plain_answer(from, to, &body)
    }

    /// An answer without a quote.
    pub fn plain_answer(from: &str, to: &Letter, body: &str) -> Self {
        let subject = to.header("Subject").unwrap_or_default();
        let subject = if subject.starts_with("Re: ") { subject } else { format!("Re: {subject}") };
        let id = to.header("Message-ID").unwrap_or_default();
        let references = format!("{} {id}", to.header("References").unwrap_or_default());
        Self::new(from, &to.address("Reply-To"), &subject, body).header("In-Reply-To", &id).header("References", references.trim())
    }

    /// Adds a field.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Puts another address in envelope and To.
    #[must_use]
    pub fn to(mut self, address: &str) -> Self {
        self.recipients = vec![address.to_owned()];
        for (name, value) in &mut self.headers {
            if name == "To" {
                address.clone_into(value);
            }
        }
        self
    }

    /// Adds a file.
    #[must_use]
    pub fn attach(mut self, name: &str, bytes: &[u8]) -> Self {
        self.attachments.push((name.to_owned(), bytes.to_vec()));
        self
    }

    /// Header and body as they go over the wire, before dots are doubled.
    pub fn bytes(&self) -> Vec<u8> {
        let mut out = format!("Message-ID: <{}>\r\n", self.id);
        for (name, value) in &self.headers {
            out += &format!("{name}: {value}\r\n");
        }
        let text = "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n";
        if self.attachments.is_empty() {
            return format!("{out}{text}{}\r\n", self.body).into_bytes();
        }
        out += "Content-Type: multipart/mixed; boundary=\"=_edge\"\r\n\r\n--=_edge\r\n";
        out += &format!("{text}{}\r\n", self.body);
        for (name, bytes) in &self.attachments {
            out += &format!(
                "--=_edge\r\nContent-Type: application/octet-stream; name=\"{name}\"\r\nContent-Disposition: attachment; \
                 filename=\"{name}\"\r\nContent-Transfer-Encoding: base64\r\n\r\n{}",
                base64(bytes)
            );
        }
        (out + "--=_edge--\r\n").into_bytes()
    }
}

/// A mail that the desk has sent.
#[derive(Clone, Debug)]
pub struct Letter {
    /// Envelope sender.
    pub sender: String,
    /// Envelope recipient.
    pub recipient: String,
    /// The mail, without what the Maildir adds.
    pub raw: Vec<u8>,
}

impl Letter {
    /// The fields of a name, unfolded, encoded words as they are.
    pub fn headers(&self, name: &str) -> Vec<String> {
        let raw = String::from_utf8_lossy(&self.raw);
        let head = raw.split("\r\n\r\n").next().unwrap_or("").replace("\r\n ", " ").replace("\r\n\t", " ");
        let fields = head.split("\r\n").filter_map(|line| line.split_once(':'));
        fields.filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim().to_owned()).collect()
    }

    /// The first field of a name.
    pub fn header(&self, name: &str) -> Option<String> {
        self.headers(name).into_iter().next()
    }

    /// The bare address in a field; empty when there is none.
    pub fn address(&self, name: &str) -> String {
        bare(&self.header(name).unwrap_or_default()).trim_start_matches("mailto:").to_owned()
    }

    /// The text part, line ends as `\n`.
    pub fn text(&self) -> String {
        let mail = MessageParser::new().parse(&self.raw).expect("a mail of ours can be read");
        mail.body_text(0).unwrap_or_default().replace("\r\n", "\n")
    }

    /// The HTML part as it is; empty when there is none.
    pub fn html(&self) -> String {
        let mail = MessageParser::new().parse(&self.raw).expect("a mail of ours can be read");
        mail.html_part(0).and_then(|part| part.text_contents()).unwrap_or_default().to_owned()
    }

    /// Names and contents of the attachments.
    pub fn attachments(&self) -> Vec<(String, Vec<u8>)> {
        let mail = MessageParser::new().parse(&self.raw).expect("a mail of ours can be read");
        mail.attachments().map(|part| (part.attachment_name().unwrap_or("").to_owned(), part.contents().to_vec())).collect()
    }

    /// What stands behind a label at the beginning of a line of the text; all such lines.
    pub fn labelled(&self, label: &str) -> Vec<String> {
        self.text().lines().filter_map(|line| line.strip_prefix(label)).map(|rest| rest.trim().to_owned()).collect()
    }

    /// Everything that a reader could find in it: header, text, HTML and raw octets, lower case.
    pub fn everything(&self) -> String {
        format!("{}\n{}\n{}", String::from_utf8_lossy(&self.raw), self.text(), self.html()).replace("=\r\n", "").to_lowercase()
    }
}

/// The address in `Name <address>`.
pub fn bare(address: &str) -> String {
    match address.rsplit_once('<') {
        Some((_, rest)) => rest.split('>').next().unwrap_or("").to_owned(),
        None => address.trim().to_owned(),
    }
}

/// The signed parts of all reply addresses in a text: 44 letters and digits behind a `+`.
pub fn tokens(text: &str) -> Vec<String> {
    let word = |c: char| !c.is_ascii_alphanumeric() && c != '+';
    let mut found: Vec<String> = text
        .split(word)
        .filter_map(|w| w.rsplit_once('+'))
        .filter(|(_, token)| token.len() == 44)
        .map(|(_, token)| token.to_lowercase())
        .collect();
    found.sort();
    found.dedup();
    found
}

/// RFC 4648 §4, in lines of 76.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for (count, chunk) in bytes.chunks(3).enumerate() {
        let number = (0..3).fold(0usize, |n, i| n << 8 | usize::from(chunk.get(i).copied().unwrap_or(0)));
        for place in 0..4 {
            let letter = char::from(LETTERS[number >> (18 - 6 * place) & 63]);
            out.push(if place <= chunk.len() { letter } else { '=' });
        }
        if count % 19 == 18 {
            out += "\r\n";
        }
    }
    out + "\r\n"
}
