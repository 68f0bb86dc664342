//! Commands at the top of an agent's mail: `@word argument`, one a line. If any line is wrong, nothing of the mail is
//! carried out or sent.

use unicode_normalization::UnicodeNormalization as _;

use crate::model::address::is_plain;
use crate::model::text::is_deceptive;
use crate::model::ticket::{Priority, Status};

use super::when::{self, When};
use super::words::{self, LONGEST};

/// Words that people use for a note: never taken for text.
const SECRETIVE: [&str; 6] = ["internal", "private", "comment", "draft", "hold", "todo"];

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Command {
    /// The whole mail is internal.
    Note,
    /// Who works it.
    Assign(Assignee),
    /// Whose agents hear of it.
    Team(String),
    /// Where it stands; `true` for the explicit word, which wins over what an answer does.
    Status(Status),
    /// How much it hurries.
    Priority(Priority),
    /// Tags to add (`true`) and to take away.
    Tag(Vec<(bool, String)>),
    /// People to add (`true`) or take off.
    Cc(bool, String),
    /// Hear of it, or no more.
    Follow(bool),
    /// On hold until then.
    Snooze(When),
    /// Whose ticket it is.
    Requester(String),
    /// All that was said, by mail.
    History,
    /// What the commands are, by mail.
    Help,
    /// What is found, by mail.
    Search(String),
    /// The last answer, if it still waits.
    Undo,
}

impl Command {
    /// Asks for a mail and changes nothing.
    pub(super) fn is_question(&self) -> bool {
        matches!(self, Self::History | Self::Help | Self::Search(_))
    }
}

/// Argument of `@assign`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Assignee {
    /// Whoever writes.
    Me,
    /// Nobody.
    Nobody,
    /// An agent's address or name, as typed.
    Agent(String),
}

/// What was read: commands, and the text without them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Block {
    /// In order.
    pub(super) commands: Vec<Command>,
    /// What is left of the text.
    pub(super) text: String,
    /// The text, taken as it stands, says `@note`: it stays inside all the same.
    pub(super) note_inside: bool,
}

/// Why nothing of the mail is carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    /// Reason of RULES: `command_error` or `near_miss`.
    pub(super) reason: &'static str,
    /// The line.
    pub(super) line: String,
    /// What is wrong, and what is allowed.
    pub(super) why: String,
}

/// Whether a word, lower case, is part of the requester's name or an agent's.
pub(super) type IsName<'a> = &'a dyn Fn(&str) -> bool;

/// Reads the block at the top of an agent's own text.
pub(super) fn parse(text: &str, is_name: IsName<'_>) -> Result<Block, Wrong> {
    let mut commands = Vec::new();
    let mut rest = Vec::new();
    let mut in_block = true;
    for line in text.lines() {
        if in_block && line.trim().is_empty() && rest.is_empty() {
            continue;
        }
        match if in_block { kind(line, is_name) } else { Kind::Text } {
            Kind::Command(word, argument) => {
                let (command, more) = command(line, word, argument)?;
                commands.push(command);
                rest.extend(more);
            }
            Kind::Wrong(why) => return Err(Wrong { reason: "command_error", line: line.trim().to_owned(), why }),
            Kind::Text => {
                in_block = false;
                rest.push(of_text(line)?.to_owned());
            }
        }
    }
    Ok(Block { commands, text: rest.join("\n").trim().to_owned(), note_inside: false })
}

/// A line of text; one that is a command is not carried out there, and holds the mail. Quoted lines that were left are
/// somebody else's words.
pub(super) fn of_text(line: &str) -> Result<&str, Wrong> {
    if !line.starts_with('>') && looks_meant(line) {
        let why = "a command stands below other text, where it is not carried out; put it at the very top".to_owned();
        return Err(Wrong { reason: "near_miss", line: line.trim().to_owned(), why });
    }
    Ok(line)
}

/// What a line of the block is.
pub(super) enum Kind<'l> {
    /// Text begins.
    Text,
    /// A command's English word, and what stands behind it.
    Command(&'static str, &'l str),
    /// Neither; why.
    Wrong(String),
}

/// Reads one line of the block.
pub(super) fn kind<'l>(line: &'l str, is_name: IsName<'_>) -> Kind<'l> {
    let line = line.trim();
    if let Some(rest) = line.strip_prefix('@') {
        let (word, argument) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        if let Some(command) = words::command(word) {
            return Kind::Command(command, argument.trim());
        }
    }
    let plain: String = line.nfkc().filter(|c| !is_deceptive(*c)).collect();
    let Some(rest) = plain.trim_start().strip_prefix('@') else { return Kind::Text };
    let word: String = rest.trim_start().chars().take_while(|c| c.is_alphanumeric() || "-_'.".contains(*c)).collect();
    let more = rest.trim_start().get(word.len()..).is_some_and(|after| after.starts_with('@'));
    let word = word.trim_end_matches(['.', '\'', '-']).to_lowercase();
    let word: String = word.chars().take(LONGEST).collect();
    let (edits, near) = words::nearest(&word);
    if !more && edits > 2 && !SECRETIVE.contains(&word.as_str()) && is_name(&word) {
        return Kind::Text;
    }
    if rest.starts_with(char::is_whitespace) && edits == 0 {
        return Kind::Wrong(format!("there is a gap behind the @; a command is written @{word}"));
    }
    let hint = if edits <= 2 { format!("; did you mean @{near}?") } else { String::new() };
    // As it was typed: what is wrong may be what stands behind the word.
    let typed: String = rest.split_whitespace().next().unwrap_or_default().chars().take(2 * LONGEST).collect();
    Kind::Wrong(format!("@{typed} is no command as it stands{hint}"))
}

/// Whether a line of text begins with a command, also one in the clothes that clients and people put on words.
pub(super) fn looks_meant(line: &str) -> bool {
    first_word(line).is_some_and(|word| words::command(&word).is_some())
}

/// Whether a line of the author's own text says `@note`, or `@spam`, which mails nothing either.
pub(super) fn says_note(text: &str) -> bool {
    let stays = |word: String| matches!(words::command(&word), Some("note" | "spam"));
    text.lines().filter(|line| !line.starts_with('>')).any(|line| first_word(line).is_some_and(stays))
}

/// The word behind an `@` that begins a line, without list marks, quotes, emphasis and punctuation around it.
fn first_word(line: &str) -> Option<String> {
    const CLOTHES: [char; 14] = ['*', '_', '-', '•', '>', '"', '\'', '`', '“', '„', '(', '[', '#', '~'];
    let plain: String = line.nfkc().filter(|c| !is_deceptive(*c)).collect();
    let bare = plain.trim_start_matches(|c: char| c.is_whitespace() || CLOTHES.contains(&c));
    let rest = bare.strip_prefix('@')?.trim_start();
    let word: String = rest.chars().take_while(|c| c.is_alphanumeric()).collect();
    (!word.is_empty()).then(|| word.to_lowercase())
}

/// The command of a line on a ticket, and text of the line that belongs to the mail (`@note like this`).
pub(super) fn command(line: &str, word: &str, argument: &str) -> Result<(Command, Option<String>), Wrong> {
    let wrong = |why: String| Wrong { reason: "command_error", line: line.trim().to_owned(), why };
    let bare = |command: Command| match argument {
        "" => Ok((command, None)),
        _ => Err(wrong(format!("@{word} takes nothing behind it; text begins on the next line"))),
    };
    let some = |why: &str| if argument.is_empty() { Err(wrong(why.to_owned())) } else { Ok(argument.to_owned()) };
    match word {
        "note" => Ok((Command::Note, (!argument.is_empty()).then(|| argument.to_owned()))),
        "solve" => bare(Command::Status(Status::Solved)),
        "close" => bare(Command::Status(Status::Closed)),
        "reopen" => bare(Command::Status(Status::Open)),
        "spam" => bare(Command::Status(Status::Spam)),
        "follow" => bare(Command::Follow(true)),
        "unfollow" => bare(Command::Follow(false)),
        "assign" => Ok((
            Command::Assign(match argument.to_lowercase().as_str() {
                "" | "me" => Assignee::Me,
                "nobody" => Assignee::Nobody,
                _ => Assignee::Agent(argument.to_owned()),
            }),
            None,
        )),
        "team" => Ok((Command::Team(some("@team wants a team's name: @team billing")?), None)),
        "status" => match Status::of(&argument.to_lowercase()).filter(|s| *s != Status::Spam) {
            Some(status) => Ok((Command::Status(status), None)),
            None => Err(wrong("@status takes one of open, pending, on_hold, solved, closed".into())),
        },
        "priority" => match Priority::of(&argument.to_lowercase()) {
            Some(priority) => Ok((Command::Priority(priority), None)),
            None => Err(wrong("@priority takes one of low, normal, high, urgent".into())),
        },
        "tag" => tags(&some("@tag wants tags: @tag vip, -trial")?).map(|t| (Command::Tag(t), None)).map_err(wrong),
        "cc" => cc(argument).map(|c| (c, None)).map_err(wrong),
        "snooze" => match when::parse(argument) {
            Some(when) => Ok((Command::Snooze(when), None)),
            None => Err(wrong("@snooze takes a time: 3d, 4h, tomorrow 9:00, monday, 2026-12-01 14:30".into())),
        },
        "requester" if is_plain(argument) => Ok((Command::Requester(argument.to_owned()), None)),
        "requester" => Err(wrong("@requester wants exactly one address: @requester ann@example.com".into())),
        "search" => Ok((Command::Search(some("@search wants words: @search printer is:open")?), None)),
        "history" => bare(Command::History),
        "help" => bare(Command::Help),
        "undo" => bare(Command::Undo),
        "ticket" | "new" => Err(wrong(format!("@{word} goes to your desk address, to which mail clients write to a list (List-Post)"))),
        other => Err(wrong(format!("@{other} is not built yet; nothing of this mail was carried out"))),
    }
}

fn tags(argument: &str) -> Result<Vec<(bool, String)>, String> {
    let mut tags = Vec::new();
    for word in argument.split(',').map(str::trim).filter(|w| !w.is_empty()) {
        let (add, tag) = word.strip_prefix('-').map_or((true, word), |tag| (false, tag.trim()));
        let fits = !tag.is_empty() && tag.chars().count() <= 40 && tag.chars().all(|c| c.is_alphanumeric() || "-_. ".contains(c));
        if !fits {
            return Err(format!("{word:?} can't be a tag: letters, digits, - and _, at most 40"));
        }
        tags.push((add, tag.to_lowercase()));
    }
    Ok(tags)
}

fn cc(argument: &str) -> Result<Command, String> {
    let mut words = argument.split_whitespace();
    let add = match words.next() {
        Some("add") => true,
        Some("remove") => false,
        _ => return Err("@cc takes add or remove and an address: @cc add bob@example.com".into()),
    };
    match (words.next().filter(|a| is_plain(a)), words.next()) {
        (Some(address), None) => Ok(Command::Cc(add, address.to_owned())),
        _ => Err("@cc wants exactly one address: @cc add bob@example.com".into()),
    }
}

/// What an agent may write, for the mail that says that something was wrong.
pub fn allowed() -> String {
    words::ON_TICKET.iter().map(|entry| entry.form).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Block, Wrong> {
        parse(text, &|word| ["ann", "smith"].contains(&word))
    }

    #[test]
    fn the_block_ends_at_the_first_other_line() {
        let block = read("\n@assign me\n@priority high\n\nDear Ann,\nit is fixed.\n").unwrap();
        assert_eq!(block.commands, [Command::Assign(Assignee::Me), Command::Priority(Priority::High)]);
        assert_eq!(block.text, "Dear Ann,\nit is fixed.");
    }

    #[test]
    fn a_note_takes_the_rest_of_its_line_and_all_the_text() {
        let block = read("@note she is angry\ncareful").unwrap();
        assert_eq!((block.commands, block.text.as_str()), (vec![Command::Note], "she is angry\ncareful"));
    }

    #[test]
    fn quoted_words_are_no_commands() {
        let text = "> @team: any news?\n> @nota: dejar en la puerta\nYes, tomorrow.";
        assert_eq!(read(text).unwrap().text, text);
        assert!(!says_note(text) && says_note("x\n@spam") && says_note("@nota x"));
    }

    #[test]
    fn whatever_looks_like_a_command_and_is_none_is_wrong() {
        for line in [
            "@ntoe secret",
            "@ note secret",
            "＠note secret",
            "@no\u{200b}te secret",
            "@internal secret",
            "@private",
            "@xyzzy",
            "@",
            "@ann@note",
        ] {
            let wrong = read(&format!("{line}\nhello")).unwrap_err();
            assert_eq!(wrong.reason, "command_error", "{line}");
        }
        for line in
            ["@status gone", "@priority", "@tag", "@cc bob", "@solve it", "@snooze", "@snooze 3y", "@requester ann", "@search", "@merge 3"]
        {
            assert_eq!(read(line).unwrap_err().reason, "command_error", "{line}");
        }
    }

    #[test]
    fn each_command_has_a_form_that_is_read() {
        for entry in words::ON_TICKET {
            let form = entry.form.replace("[TEXT]", "x").replace("EMAIL", "a@b.test").replace("add|", "");
            let line = form.split('|').next().unwrap();
            assert!(read(line).is_ok(), "{line}: {:?}", read(line));
            assert!(form.starts_with(&format!("@{}", entry.word)), "{form}");
        }
        for word in words::NOT_YET {
            assert!(read(&format!("@{word} x")).unwrap_err().why.contains("not built yet"));
        }
        assert!(read("@ticket 12").unwrap_err().why.contains("desk address"));
    }

    #[test]
    fn other_languages_have_words_for_them() {
        for (line, command) in [("@Lösen", Command::Status(Status::Solved)), ("@annulla", Command::Undo), ("@AIDE", Command::Help)] {
            assert_eq!(read(line).unwrap().commands, [command], "{line}");
        }
        assert_eq!(read("@notiz sie ist böse").unwrap().commands, [Command::Note]);
        assert_eq!(read("Hallo\n- @Notiz sie ist böse").unwrap_err().reason, "near_miss");
        assert!(says_note("Hallo\n@Notiz böse"));
        let colon = read("@note: secret").unwrap_err().why;
        assert!(colon.contains("@note: is no command") && colon.contains("did you mean @note?"), "{colon}");
        assert!(read("@notitz geheim").unwrap_err().why.contains("did you mean @notiz?"));
    }

    #[test]
    fn a_name_is_text() {
        assert_eq!(read("@Ann thank you").unwrap().text, "@Ann thank you");
        assert_eq!(read("@Smith: see below").unwrap().text, "@Smith: see below");
        // Two edits from @note.
        assert!(parse("@Nate hello", &|word| word == "nate").is_err());
    }

    #[test]
    fn a_later_command_holds_the_mail() {
        assert_eq!(read("Hello\n@close").unwrap_err().reason, "near_miss");
        for line in ["＠note secret", "@note: secret", "*@note* secret", "- @note secret", "\"@close\"", " > @note secret", "@Note"] {
            assert_eq!(read(&format!("Hello\n{line}")).unwrap_err().reason, "near_miss", "{line}");
            assert!(read(line).is_err() || read(line).unwrap().commands == [Command::Note], "{line}");
        }
        assert_eq!(read("Hello\n@ann see you\nann@example.com").unwrap().text, "Hello\n@ann see you\nann@example.com");
    }

    proptest::proptest! {
        /// Whatever stands there: what is left as text holds no command.
        #[test]
        fn any_text_is_survived(text in "(@ ?(note|status|cc|Notiz|snooze|xyz|)[ a-z@.0-9]{0,14}\n|[ \n]|\\PC{0,12}\n){0,6}") {
            if let Ok(block) = read(&text) {
                let note = block.commands.contains(&Command::Note);
                proptest::prop_assert!(note || !block.text.lines().any(looks_meant), "{:?}", block);
            }
        }
    }
}
