//! What reads the words of agents, with plain values in and out: for what must hold for any text.

use super::commands::{self, Wrong};
use super::{batch, when};

/// What was wrong: the reason, the line, why.
pub(crate) type Fault = (&'static str, String, String);

fn fault(wrong: Wrong) -> Fault {
    (wrong.reason, wrong.line, wrong.why)
}

fn is_name(word: &str) -> bool {
    ["ann", "smith"].contains(&word)
}

/// The commands of an answer as they are shown, and what is left of the text.
pub(crate) fn block(text: &str) -> Result<(Vec<String>, String), Fault> {
    let block = commands::parse(text, &is_name).map_err(fault)?;
    Ok((block.commands.iter().map(|command| format!("{command:?}")).collect(), block.text))
}

/// What a mail to a desk address asks for, as it is shown, and the tickets that it names.
pub(crate) fn orders(text: &str) -> Result<(String, Vec<i64>), Fault> {
    let orders = batch::parse(text, &is_name).map_err(fault)?;
    let tickets = orders.blocks.iter().flat_map(|block| &block.tickets).map(|ticket| ticket.0).collect();
    Ok((format!("{orders:?}"), tickets))
}

/// Whether a line of text would be taken for a command.
pub(crate) fn looks_meant(line: &str) -> bool {
    commands::looks_meant(line)
}

/// A time as it is shown.
pub(crate) fn when(text: &str) -> Option<String> {
    when::parse(text).map(|when| format!("{when:?}"))
}
