//! Replies as octets (RFC 5321 §4.2).

use crate::model::Reply;

/// Longest text in one reply line: 512 octets (RFC 5321 §4.5.3.1.5) less code, enhanced code and CRLF.
const MAX_TEXT: usize = 480;

/// Appends a reply. A line feed in its text makes a reply of several lines; anything else that is not printable ASCII
/// becomes `?`, so that no text can put a second reply on the wire.
pub(super) fn render(reply: &Reply, out: &mut Vec<u8>) {
    let lines: Vec<&str> = reply.text.split('\n').collect();
    for (number, line) in lines.iter().enumerate() {
        let sep = if number + 1 == lines.len() { ' ' } else { '-' };
        out.extend_from_slice(format!("{}{sep}", reply.code).as_bytes());
        if !reply.enhanced.is_empty() {
            out.extend_from_slice(reply.enhanced.as_bytes());
            out.push(b' ');
        }
        out.extend(line.chars().take(MAX_TEXT).map(printable));
        out.extend_from_slice(b"\r\n");
    }
}

fn printable(c: char) -> u8 {
    u8::try_from(c).ok().filter(|b| *b == b' ' || b.is_ascii_graphic()).unwrap_or(b'?')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rendered(reply: &Reply) -> String {
        let mut out = Vec::new();
        render(reply, &mut out);
        String::from_utf8_lossy(&out).into_owned()
    }

    #[test]
    fn lines_and_codes() {
        assert_eq!(rendered(&Reply::new(250, "2.0.0", "OK")), "250 2.0.0 OK\r\n");
        assert_eq!(rendered(&Reply::new(250, "", "a.example\nPIPELINING\nSIZE 1")), "250-a.example\r\n250-PIPELINING\r\n250 SIZE 1\r\n");
        assert_eq!(rendered(&Reply::with(550, "5.7.1", "no\r250 OK\u{85}é")), "550 5.7.1 no?250 OK??\r\n");
    }

    proptest! {
        #[test]
        fn every_line_is_a_line_of_this_reply(text in "\\PC*|[\r\n\0-~é]*") {
            let out = rendered(&Reply::with(451, "4.3.0", text.clone()));
            prop_assert!(out.ends_with("\r\n"));
            let lines: Vec<&str> = out.trim_end_matches("\r\n").split("\r\n").collect();
            prop_assert_eq!(lines.len(), text.split('\n').count());
            for line in lines {
                prop_assert!(line.starts_with("451"));
                prop_assert!(line.len() <= 510 && line.bytes().all(|b| (b' '..=b'~').contains(&b)));
            }
        }
    }
}
