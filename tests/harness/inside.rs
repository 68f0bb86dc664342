//! Nothing internal leaves: every octet that a test's desk has sent to people who do not work there is looked at when the
//! test ends, whatever the test is about.

use std::collections::BTreeSet;

use crate::mail::{Letter, tokens};

/// What only mail to agents may say, lower case.
const LABELS: [&str; 4] = ["note (stays inside)", "x-ombud-reason", "list-post:", "list-unsubscribe:"];

/// The people of the desks of these tests: whoever has such an address works there.
fn works_here(address: &str) -> bool {
    let address = address.to_lowercase();
    address.ends_with("@agents.test") || address == "agent@desk.localhost"
}

/// Fails when something internal stands in a mail to anybody else.
///
/// # Panics
/// With the mail.
pub(crate) fn check(letters: &[Letter]) {
    let (inside, outside): (Vec<_>, Vec<_>) = letters.iter().partition(|letter| works_here(&letter.recipient));
    let shown: BTreeSet<String> = inside.iter().flat_map(|letter| tokens(&letter.everything())).collect();
    for letter in outside {
        let all = letter.everything();
        let mail = String::from_utf8_lossy(&letter.raw);
        let leaked: Vec<_> = tokens(&all).into_iter().filter(|token| shown.contains(token)).collect();
        assert!(leaked.is_empty(), "an agent's address {leaked:?} went to {}:\n{mail}", letter.recipient);
        // What a customer has written about an agent's address is quoted to them.
        let own = outside_quotes(&all);
        let unquoted = own.lines().filter(|line| !line.starts_with('>')).find(|line| line.contains("@agents.test"));
        assert_eq!(unquoted, None, "an agent's own address went to {}:\n{mail}", letter.recipient);
        let label = LABELS.iter().find(|label| all.contains(*label));
        assert_eq!(label, None, "this is for agents alone and went to {}:\n{mail}", letter.recipient);
    }
}

/// A text without what stands in quotes of HTML.
fn outside_quotes(all: &str) -> String {
    let mut depth = 0_usize;
    let mut own = String::new();
    for (n, piece) in all.split('<').enumerate() {
        if piece.starts_with("blockquote") {
            depth += 1;
        }
        let behind = piece.strip_prefix("/blockquote>");
        depth = depth.saturating_sub(usize::from(behind.is_some()));
        if depth == 0 {
            own.push_str(if n > 0 && behind.is_none() { "<" } else { "" });
            own.push_str(behind.unwrap_or(piece));
        }
    }
    own
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

    fn letter(recipient: &str, text: &str) -> Letter {
        let raw = format!("Subject: x\r\nContent-Type: text/plain\r\n\r\n{text}\r\n").into_bytes();
        Letter { sender: "support@desk.test".into(), recipient: recipient.into(), raw }
    }

    fn fails(letters: &[Letter]) -> bool {
        std::panic::catch_unwind(|| check(letters)).is_err()
    }

    #[test]
    fn what_went_outside_is_seen() {
        let notice = letter("jane@agents.test", &format!("Note (stays inside): support+{TOKEN}@desk.test"));
        check(&[notice.clone(), letter("ann@customer.test", "Fixed.\r\n> I wrote to jane@agents.test")]);
        let html = "<p>fixed.</p><blockquote type=\"cite\">I wrote <blockquote>to</blockquote> jane@agents.test</blockquote>";
        check(&[letter("ann@customer.test", html)]);
        assert!(fails(&[letter("ann@customer.test", &format!("{html}\r\n<p>jane@agents.test"))]));
        for text in [format!("see support+{TOKEN}@desk.test"), "ask Jane@agents.test".into(), "Note (stays inside): x".into()] {
            assert!(fails(&[notice.clone(), letter("ann@customer.test", &text)]), "{text}");
        }
    }
}
