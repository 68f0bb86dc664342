//! What clap has to say about the arguments, in our form: help on stdout, a mistake in one line.

use super::failure::USAGE;
use super::out::Finished;
use crate::model::text::one_line;

/// Longest line about a mistake, in characters.
const LONGEST: usize = 600;

/// Help and version are answers (0); a mistake is one line and 64.
pub(super) fn finished(error: &clap::Error) -> Finished {
    let text = error.render().to_string();
    if !error.use_stderr() {
        return Finished { stdout: text, ..Finished::default() };
    }
    Finished { stderr: vec![line(&text, error.kind())], code: USAGE, ..Finished::default() }
}

fn line(text: &str, kind: clap::error::ErrorKind) -> String {
    let (what, rest) = text.split_once("Usage:").unwrap_or((text, ""));
    let what = match kind {
        // clap answers these with the whole help.
        clap::error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => "a command is missing".to_owned(),
        _ => {
            let what = what.split("For more information").next().unwrap_or_default().replace("tip: ", "; ");
            one_line(what.trim_start_matches("error: "), LONGEST).replace(" ; ", "; ")
        }
    };
    let usage = rest.lines().next().unwrap_or_default().trim();
    let usage = if usage.is_empty() { "ombud <COMMAND>" } else { usage };
    format!("{what}; usage: {} (see --help)", one_line(usage, LONGEST))
}
