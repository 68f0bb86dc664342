//! What agents get who ask by a command. The marker stands in all that they answer: clients that mark no quote are understood by it.

use super::quoted;
use crate::desk::answer::{ANSWER_LABEL, NOTE_LABEL};
use crate::desk::words::{AT_DESK, Entry, ON_TICKET, elsewhere};
use crate::understand::MARKER;

/// Above a ticket that was put off.
pub(in crate::send) const WOKEN: &str = "This ticket was put off until now. It is open again; its customer wrote last:";

/// Below the receipt of `@undo`.
pub(in crate::send) fn taken_back(text: &str) -> String {
    format!("\nYour text:\n\n{}\n", quoted(text))
}

/// The commands and what they mean.
pub(in crate::send) fn help() -> String {
    let list = |entries: &[Entry]| {
        entries.iter().map(|e| format!("{}\n    {}{}\n", e.form, e.meaning, in_other_words(e.word))).collect::<String>()
    };
    format!(
        "At the top of an answer to a ticket's mail, one a line, before any other text. They are taken out of what the customer\n\
         gets; if nothing else is left, nothing is sent. If one line is wrong, nothing of the mail is done, and you get it back.\n\n\
         {}\nTo your desk address, to which an answer to this mail goes (List-Post in every mail from here):\n\n{}\n\
         The commands above stand below @ticket there, too, and text only below @note and @new.\n\n{MARKER}\n",
        list(ON_TICKET),
        list(AT_DESK),
    )
}

fn in_other_words(word: &str) -> String {
    let words: Vec<_> = elsewhere(word).into_iter().map(|word| format!("@{word}")).collect();
    if words.is_empty() { String::new() } else { format!(" ({})", words.join(" ")) }
}

/// One thing found.
pub(in crate::send) struct Hit {
    /// `#12`, or an article's name.
    pub(in crate::send) what: String,
    /// Subject or title.
    pub(in crate::send) title: String,
    /// Where it says so.
    pub(in crate::send) snippet: String,
}

/// What was found.
pub(in crate::send) fn found(query: &str, total: u64, hits: &[Hit]) -> String {
    if hits.is_empty() {
        return format!("Nothing is like this:\n\n  {query}\n\n{MARKER}\n");
    }
    let more = match u64::try_from(hits.len()).is_ok_and(|shown| shown < total) {
        true => format!(", the best {} of {total}", hits.len()),
        false => String::new(),
    };
    let list: String = hits.iter().map(|hit| format!("{} {}\n    {}\n\n", hit.what, hit.title, hit.snippet)).collect();
    format!(
        "Found{more}:\n\n  {query}\n\n{list}Answer this mail with @ticket and a number, and commands below it: @history, @assign me, @note …\n\n{MARKER}\n"
    )
}

/// A query that can't be read.
pub(in crate::send) fn unreadable(query: &str, why: &str) -> String {
    format!("This query can't be read: {why}.\n\n  {query}\n\n{MARKER}\n")
}

/// A search that is not answered now.
pub(in crate::send) fn not_found_now(query: &str, why: &str) -> String {
    format!("This search has no answer: {why}.\n\n  {query}\n\n{MARKER}\n")
}

/// One message of a history.
pub(in crate::send) fn said(at: &str, author: &str, kind: &str, text: &str) -> String {
    format!("--- {at}, {author} ({kind}) ---\n\n{}\n\n", text.trim())
}

/// All that was said on a ticket.
pub(in crate::send) fn history(subject: &str, said: &[String], left_out: usize, answer: &str, note: &str) -> String {
    let older = match left_out {
        0 => String::new(),
        n => format!(" The oldest {n} are left out: the mail would be too large."),
    };
    format!(
        "All that was said about \"{subject}\", oldest first, notes included.{older}\n\n{}{MARKER}\n\n\
         {ANSWER_LABEL} {answer}\n{NOTE_LABEL} {note}\n\nAn answer to this mail is a note.\n",
        said.concat()
    )
}

/// A mail to a desk address that was held for one of its lines.
pub(in crate::send) fn held(detail: &str, text: &str, drop: &str) -> String {
    let forms: Vec<_> = AT_DESK.iter().chain(ON_TICKET).map(|entry| entry.form).collect();
    format!(
        "Nothing was sent and nothing was carried out: a line of your mail is not clear.\n\n  {detail}\n\nCommands are: {}\n\n\
         Answer this mail with all of it, mended. To drop it, write to:\n{drop}\n\nYour mail:\n\n{}\n\n{MARKER}\n",
        forms.join(", "),
        quoted(text)
    )
}
