//! What a command says: text for stdout, lines for stderr, an exit code.

use std::io::{ErrorKind, Write as _};

use serde::Serialize;

use super::failure::{Failure, TEMPORARY};
use super::json;

/// What a command that could do its work has to say.
#[derive(Debug, Default)]
pub(super) struct Answer {
    /// For stdout: lines, or one JSON document.
    pub(super) text: String,
    /// For stderr: what somebody should know beside it.
    pub(super) notes: Vec<String>,
    /// What is wrong although there is something to show (`check`).
    pub(super) failure: Option<Failure>,
}

/// How a command ends.
pub(super) type Done = Result<Answer, Failure>;

impl Answer {
    /// `value` as JSON, or the text for people.
    pub(super) fn of(json: bool, value: &impl Serialize, text: impl FnOnce() -> String) -> Done {
        let text = if json { json::document(value)? } else { text() };
        Ok(Self { text, ..Self::default() })
    }

    /// The same with something on stderr.
    pub(super) fn noting(self, note: impl Into<String>) -> Self {
        let mut notes = self.notes;
        notes.push(note.into());
        Self { notes, ..self }
    }
}

/// What the process prints and its exit code.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Finished {
    /// For stdout, with its line ends.
    pub(super) stdout: String,
    /// For stderr, a line each.
    pub(super) stderr: Vec<String>,
    /// The exit code.
    pub(super) code: u8,
}

impl From<Done> for Finished {
    fn from(done: Done) -> Self {
        let answer = done.unwrap_or_else(|failure| Answer { failure: Some(failure), ..Answer::default() });
        let mut stdout = answer.text;
        if !stdout.is_empty() && !stdout.ends_with('\n') {
            stdout.push('\n');
        }
        let (code, wrong) = answer.failure.map_or((0, Vec::new()), |failure| (failure.code, failure.lines));
        Self { stdout, stderr: answer.notes.into_iter().chain(wrong).collect(), code }
    }
}

impl Finished {
    /// Prints it; answers the exit code. A reader who has seen enough (`| head`) is no error.
    pub(super) fn print(self) -> u8 {
        let mut stdout = std::io::stdout().lock();
        let written = stdout.write_all(self.stdout.as_bytes()).and_then(|()| stdout.flush());
        let mut code = self.code;
        let mut lines = self.stderr;
        if let Err(error) = written
            && error.kind() != ErrorKind::BrokenPipe
        {
            code = if code == 0 { TEMPORARY } else { code };
            lines.push(format!("the answer could not be written to stdout: {error}"));
        }
        for line in lines {
            say(&line);
        }
        code
    }
}

/// One line on stderr. Where that is closed there is nobody to tell.
pub(super) fn say(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "ombud: {line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_with_a_failure_shows_both() {
        let answer = Answer { text: "bad relay".into(), failure: Some(Failure::data("it can't run")), ..Answer::default() };
        let finished = Finished::from(Ok(answer.noting("by the way")));
        let expected = Finished { stdout: "bad relay\n".into(), stderr: vec!["by the way".into(), "it can't run".into()], code: 65 };
        assert_eq!(finished, expected);
    }

    #[test]
    fn nothing_to_say_is_no_empty_line() {
        assert_eq!(Finished::from(Ok(Answer::default())), Finished::default());
    }
}
