//! What of an agent's mail goes to the customer: their own lines, and of what they quote only the customer's own words.

use std::sync::LazyLock;

use crate::model::Understood;
use crate::model::understood::LineKind;

use crate::understand::{MARKER, is_header_line};

use super::lookup::Lookup;
use super::pictures;

/// Begins the line of the answer address in a notification.
pub const ANSWER_LABEL: &str = "Answer:";
/// Begins the line of the note address in a notification.
pub const NOTE_LABEL: &str = "Note (stays inside):";

/// The text of an agent's mail: own lines and, between them, quoted lines that are words of the customer (`theirs`).
pub(super) fn text(u: &Understood, theirs: &str) -> String {
    blank_runs(pictures::placed(&own(u, theirs), u, &[]).trim())
}

/// The same with lines below it that are the agent's own because they have said so.
pub(super) fn released(u: &Understood, theirs: &str, lines: &[&str]) -> String {
    let text = format!("{}\n\n{}", own(u, theirs), lines.join("\n"));
    blank_runs(pictures::placed(text.trim(), u, lines).trim())
}

/// The text as the client wrote it.
fn own(u: &Understood, theirs: &str) -> String {
    if u.facts.lines.is_empty() {
        return u.reply_text.trim().to_owned();
    }
    let mut words = Lookup::new(theirs);
    let mut keep = |text: &str| {
        let quoted = squeeze(text.trim_start_matches(['>', ' ']));
        !quoted.is_empty() && words.has(&quoted)
    };
    let lines = u.facts.lines.iter().filter_map(|line| match line.kind {
        LineKind::Own => Some(line.text.as_str()),
        LineKind::Inline if keep(&line.text) => Some(line.text.as_str()),
        _ => None,
    });
    lines.collect::<Vec<_>>().join("\n").trim().to_owned()
}

/// The lines that were taken for a quote although nothing marks them as one: no `>`, not our notification, not the
/// customer's words. An agent who wrote them would not want them to go silently.
pub(super) fn unmarked<'u>(u: &'u Understood, theirs: &str) -> Vec<&'u str> {
    let mut words = Lookup::new(theirs);
    let quote: Vec<&str> = u.facts.lines.iter().filter(|l| l.kind == LineKind::Quote).map(|l| l.text.trim()).collect();
    if quote.iter().any(|line| has_marker(line)) {
        return Vec::new();
    }
    let is_marked = |line: &str| line.starts_with(['>', '|']);
    let tail = quote.iter().rposition(|line| is_marked(line)).map_or(0, |last| last + 1);
    let is_header = |line: &str| line.ends_with(':') || is_header_line(line);
    let said: Vec<&str> =
        quote.get(tail..).unwrap_or_default().iter().copied().skip_while(|line| line.is_empty() || is_header(line)).collect();
    if said.iter().all(|line| squeeze(&pictures::without(line)).is_empty()) {
        // Nothing says whose pictures these are.
        return said.into_iter().filter(|line| pictures::without(line) != *line).collect();
    }
    let mut is_theirs = |line: &str| {
        let line = squeeze(&pictures::without(line));
        line.is_empty() || words.has(&line)
    };
    said.into_iter().filter(|line| !is_theirs(line)).collect()
}

/// Letters and digits alone: quoting re-wraps lines and changes white space.
pub(super) fn squeeze(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// The marker as it is compared.
static SQUEEZED: LazyLock<String> = LazyLock::new(|| squeeze(MARKER));

/// Whether a line has the marker of our notifications, however it was quoted.
pub(super) fn has_marker(line: &str) -> bool {
    line.len() >= SQUEEZED.len() && squeeze(line).contains(SQUEEZED.as_str())
}

fn blank_runs(text: &str) -> String {
    let mut out: Vec<&str> = Vec::new();
    for line in text.lines().map(str::trim_end) {
        if !(line.is_empty() && out.last().is_some_and(|last| last.is_empty())) {
            out.push(line);
        }
    }
    out.join("\n")
}

/// Whether the HTML part shows other commands at its top than the text part does.
pub(super) fn parts_disagree(u: &Understood) -> bool {
    let Some(html) = &u.facts.html_text else { return false };
    let top = |text: &str| -> Vec<String> {
        let lines = text.lines().map(str::trim).filter(|l| !l.is_empty());
        lines.take_while(|l| l.starts_with('@')).map(squeeze).collect()
    };
    let (text, html) = (top(&u.text), top(html));
    // HTML without the line ends that text has is no disagreement.
    text.concat() != html.concat() && !(html.len() == 1 && html.concat().starts_with(&text.concat()) && !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::understood::{Facts, Line};

    fn mail(lines: &[(LineKind, &str)]) -> Understood {
        let lines = lines.iter().map(|(kind, text)| Line { kind: *kind, text: (*text).into() }).collect();
        Understood { facts: Facts { lines, ..Facts::default() }, ..Understood::default() }
    }

    #[test]
    fn only_the_customers_words_stay_between_the_agents() {
        let u = mail(&[
            (LineKind::Own, "Hello Ann,"),
            (LineKind::Inline, "> does it run on Linux?"),
            (LineKind::Own, "Yes."),
            (LineKind::Inline, "> our internal discount is 40%"),
            (LineKind::Own, "Bye"),
            (LineKind::Signature, "-- "),
            (LineKind::Signature, "Jane, +49 30 1234"),
            (LineKind::Quote, "> all of it"),
        ]);
        assert_eq!(text(&u, "Hi,\ndoes it run on\nLinux?"), "Hello Ann,\n> does it run on Linux?\nYes.\nBye");
    }

    #[test]
    fn what_nothing_marks_as_a_quote_is_not_cut_silently() {
        let quote = |lines: &[&'static str]| mail(&lines.iter().map(|l| (LineKind::Quote, *l)).collect::<Vec<_>>());
        assert_eq!(unmarked(&quote(&["As Ann wrote on 21 Nov 2026:", "please do it"]), "It burns."), ["please do it"]);
        assert!(unmarked(&quote(&["On 21 Nov 2026 Ann wrote:", "It burns."]), "It burns.").is_empty());
        assert!(unmarked(&quote(&["On 21 Nov 2026 Ann wrote:", "> anything"]), "").is_empty());
        assert!(unmarked(&quote(&["From: Ann", "Sent: today", "", "anything", MARKER, "Ticket: #1"]), "").is_empty());
        assert!(unmarked(&quote(&["Отправлено: четверг", "Enviado el: jueves", "Asunto: x", "", "It burns."]), "It burns.").is_empty());
        assert!(unmarked(&quote(&["-----Original Message-----", "From: Ann", "", "It burns."]), "It burns.").is_empty());
        assert!(unmarked(&quote(&["From: Ann", "", "It [cid:a.png@01D] burns.", "[cid:b@01D]"]), "It burns.").is_empty());
        assert_eq!(unmarked(&quote(&["From: Ann", "Sent: today", "", "[cid:b@01D]", ""]), "It burns."), ["[cid:b@01D]"]);
        assert!(unmarked(&quote(&["From: Ann", "", "[cid:b@01D]", MARKER]), "").is_empty());
        assert_eq!(unmarked(&quote(&["From: Ann", "Achtung: nein"]), "It burns."), ["Achtung: nein"]);
    }

    #[test]
    fn what_a_customers_mail_keeps_when_in_doubt_never_leaves_with_an_agents() {
        let raw = "From: j@a.test\n\nOn 21 Nov 2026 10:00, Ann <ann@x.test> wrote:\n\nIt burns.\n";
        let u = crate::understand::understand(raw.as_bytes(), &crate::understand::Limits::default());
        assert_eq!((u.reply_text.as_str(), text(&u, "It burns.").as_str()), ("It burns.", ""));
        let outlook = format!(
            "From: j@a.test\n\nDone.\n\nFrom: Desk <d@x.test>\nSent: today\nTo: J\nSubject: x\n\nIt burns.\n\n{MARKER}\nTicket: #1\n"
        );
        let u = crate::understand::understand(outlook.as_bytes(), &crate::understand::Limits::default());
        assert_eq!((text(&u, "It burns.").as_str(), unmarked(&u, "It burns.")), ("Done.", Vec::new()));
    }
}
