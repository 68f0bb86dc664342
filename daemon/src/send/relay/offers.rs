//! What a server offers (RFC 5321 §4.1.1.1), and the MAIL command that follows from it.

use super::Outcome;
use super::reply::Answer;
use crate::model::address;

/// What the server said in its answer to EHLO.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Offers {
    /// What it calls itself, in lower case.
    pub(super) name: String,
    pub(super) starttls: bool,
    pub(super) eight_bit: bool,
    pub(super) pipelining: bool,
    pub(super) utf8: bool,
    /// `Some(0)`: no fixed limit (RFC 1870 §4).
    pub(super) size: Option<u64>,
    /// Mechanisms, upper case.
    pub(super) auth: Vec<String>,
}

impl Offers {
    pub(super) fn read(answer: &Answer) -> Self {
        let name = answer.lines.first().and_then(|line| line.split_ascii_whitespace().next()).unwrap_or_default();
        let mut offers = Self { name: name.to_ascii_lowercase(), ..Self::default() };
        for line in answer.lines.iter().skip(1) {
            // Old servers write "AUTH=LOGIN PLAIN".
            let line = line.to_ascii_uppercase().replacen("AUTH=", "AUTH ", 1);
            let mut words = line.split_ascii_whitespace();
            match words.next() {
                Some("STARTTLS") => offers.starttls = true,
                Some("8BITMIME") => offers.eight_bit = true,
                Some("PIPELINING") => offers.pipelining = true,
                Some("SMTPUTF8") => offers.utf8 = true,
                Some("SIZE") => offers.size = Some(words.next().and_then(|n| n.parse().ok()).unwrap_or(0)),
                Some("AUTH") => offers.auth.extend(words.map(str::to_owned)),
                _ => {}
            }
        }
        offers
    }

    /// The MAIL command, or why this mail cannot go this way. A mail with 8-bit octets for a server without 8BITMIME is sent as
    /// it is: our own mail has none, and every server in use is 8-bit clean.
    pub(super) fn mail_from(&self, sender: &str, recipient: &str, mail: &[u8]) -> Result<String, Outcome> {
        let refuse = |reply: String| Err(Outcome::Recipient { temporary: false, reply });
        let size = mail.len() as u64;
        let (sender, recipient) = (address::written(sender), address::written(recipient));
        let mut line = format!("MAIL FROM:<{sender}>");
        if let Some(limit) = self.size {
            if limit > 0 && size > limit {
                return refuse(format!("552 5.3.4 this mail has {size} octets, the relay takes {limit}"));
            }
            line.push_str(&format!(" SIZE={size}"));
        }
        if self.eight_bit && !mail.is_ascii() {
            line.push_str(" BODY=8BITMIME");
        }
        if let Some(address) = [&sender, &recipient].into_iter().find(|address| !address.is_ascii()) {
            if !self.utf8 {
                return refuse(format!("550 5.6.7 the address {address} is not ASCII, and the server does not offer SMTPUTF8"));
            }
            line.push_str(" SMTPUTF8");
        }
        Ok(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offers(lines: &[&str]) -> Offers {
        Offers::read(&Answer { code: 250, lines: lines.iter().map(|line| (*line).to_owned()).collect() })
    }

    #[test]
    fn offers_are_read_as_written_by_old_and_new_servers() {
        let read = offers(&["STARTTLS", "starttls", "SIZE", "AUTH=LOGIN", "AUTH login Plain", "8bitmime", "Pipelining", "X-NEW"]);
        assert_eq!(read.auth, ["LOGIN", "LOGIN", "PLAIN"]);
        assert_eq!((read.starttls, read.eight_bit, read.pipelining, read.utf8, read.size), (true, true, true, false, Some(0)));
        assert!(!offers(&["STARTTLS"]).starttls, "the first line is the server's name");
    }

    #[test]
    fn parameters_of_mail_only_when_offered() {
        let all = offers(&["mx", "SIZE 10", "8BITMIME", "SMTPUTF8"]);
        let none = Offers::default();
        let line = |offers, to, mail: &str| Offers::mail_from(offers, "a@x.test", to, mail.as_bytes());
        assert_eq!(line(&all, "b@x.test", "abc\r\n"), Ok("MAIL FROM:<a@x.test> SIZE=5".into()));
        assert_eq!(line(&all, "b@x.test", "ü\r\n"), Ok("MAIL FROM:<a@x.test> SIZE=4 BODY=8BITMIME".into()));
        assert_eq!(line(&all, "ü@x.test", "abc\r\n"), Ok("MAIL FROM:<a@x.test> SIZE=5 SMTPUTF8".into()));
        assert_eq!(line(&none, "b@x.test", "ü\r\n"), Ok("MAIL FROM:<a@x.test>".into()));
        assert_eq!(none.mail_from("", "b@x.test", b""), Ok("MAIL FROM:<>".into()));
        assert_eq!(line(&all, "b@ü.test", "a"), Ok("MAIL FROM:<a@x.test> SIZE=1".into()), "what ASCII can say needs no SMTPUTF8");
        assert_eq!(line(&none, "b@ü.test", "a"), Ok("MAIL FROM:<a@x.test>".into()));
        assert_eq!(none.mail_from("desk+t@Bücher.test", "b@x.test", b""), Ok("MAIL FROM:<desk+t@xn--bcher-kva.test>".into()));
        let why = line(&none, "ü@ü.test", "a");
        assert!(matches!(&why, Err(Outcome::Recipient { temporary: false, reply }) if reply.contains("ü@ü.test")), "{why:?}");
        for (refused, status) in [(line(&none, "ü@x.test", "a"), "5.6.7"), (line(&all, "b@x.test", "0123456789\r\n"), "5.3.4")] {
            assert!(matches!(&refused, Err(Outcome::Recipient { temporary: false, reply }) if reply.contains(status)), "{refused:?}");
        }
    }
}
