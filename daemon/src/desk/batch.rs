//! What an agent writes to their desk address: blocks of commands for tickets, searches, a new conversation.

use crate::model::TicketId;
use crate::model::address::is_plain;

use super::commands::{Command, IsName, Kind, Wrong, command, kind, of_text};

/// Tickets that one mail may name.
const TICKETS: usize = 50;

/// Everything that one mail asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Orders {
    /// Commands for tickets, in order.
    pub(super) blocks: Vec<Block>,
    /// A conversation that we start.
    pub(super) new: Option<New>,
    /// What is asked for by mail, wherever it stands.
    pub(super) questions: Vec<Command>,
}

/// Commands for some tickets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Block {
    /// Their numbers, each once.
    pub(super) tickets: Vec<TicketId>,
    /// A word that stands in the subject of each of them.
    pub(super) word: Option<String>,
    /// In order.
    pub(super) commands: Vec<Command>,
    /// The text of a note; empty for none.
    pub(super) note: String,
}

/// A conversation that we start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct New {
    /// With whom.
    pub(super) address: String,
    /// For the new ticket.
    pub(super) commands: Vec<Command>,
    /// What they get.
    pub(super) text: String,
}

/// Where the next command belongs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Nowhere,
    Tickets,
    New,
}

/// Reads a mail to a desk address. Text ends the commands: it belongs to the note or the conversation above it.
pub(super) fn parse(text: &str, is_name: IsName<'_>) -> Result<Orders, Wrong> {
    let mut orders = Orders::default();
    let mut place = Place::Nowhere;
    let mut rest: Vec<&str> = Vec::new();
    for line in text.lines() {
        if rest.is_empty() && line.trim().is_empty() {
            continue;
        }
        let wrong = |why: String| Wrong { reason: "command_error", line: line.trim().to_owned(), why };
        match if rest.is_empty() { kind(line, is_name) } else { Kind::Text } {
            Kind::Command("ticket", argument) => {
                orders.blocks.push(block(argument).map_err(wrong)?);
                place = Place::Tickets;
                if orders.blocks.iter().map(|b| b.tickets.len()).sum::<usize>() > TICKETS {
                    return Err(wrong(format!("one mail takes {TICKETS} tickets")));
                }
            }
            Kind::Command("new", argument) if orders.new.is_none() && is_plain(argument) => {
                orders.new = Some(New { address: argument.to_owned(), ..New::default() });
                place = Place::New;
            }
            Kind::Command("new", _) => return Err(wrong("@new wants exactly one address, once in a mail: @new ann@example.com".into())),
            Kind::Command(word, argument) => add(&mut orders, place, command(line, word, argument)?).map_err(wrong)?,
            Kind::Wrong(why) => return Err(wrong(why)),
            Kind::Text => rest.push(of_text(line)?),
        }
    }
    end(orders, place, rest.join("\n").trim())
}

fn add(orders: &mut Orders, place: Place, (command, note): (Command, Option<String>)) -> Result<(), String> {
    if matches!(command, Command::Help | Command::Search(_)) {
        orders.questions.push(command);
        return Ok(());
    }
    match (place, orders.blocks.last_mut(), &mut orders.new) {
        (Place::Tickets, Some(block), _) => {
            if let Some(note) = note {
                let between = if block.note.is_empty() { "" } else { "\n" };
                block.note.push_str(&format!("{between}{note}"));
            }
            block.commands.push(command);
            Ok(())
        }
        (Place::New, _, Some(new)) => match command {
            Command::Assign(_)
            | Command::Team(_)
            | Command::Priority(_)
            | Command::Tag(_)
            | Command::Follow(true)
            | Command::Cc(true, _) => {
                new.commands.push(command);
                Ok(())
            }
            _ => Err("a new conversation takes @assign, @team, @priority, @tag, @follow and @cc add".into()),
        },
        _ => Err("say above it for which ticket it is: @ticket 12".into()),
    }
}

/// `12, 14 "word"`.
fn block(argument: &str) -> Result<Block, String> {
    let form = "@ticket wants numbers, and perhaps a word of the subject: @ticket 12, 14 \"printer\"";
    let (numbers, word) = match argument.split_once(['"', '“', '„', '«']) {
        None => (argument, None),
        Some((numbers, rest)) => {
            let word = rest.trim_end().trim_end_matches(['"', '”', '“', '»']).trim();
            if word.is_empty() || word.len() == rest.trim().len() {
                return Err(form.into());
            }
            (numbers, Some(word.to_owned()))
        }
    };
    let mut block = Block { word, ..Block::default() };
    for number in numbers.split([',', ' ']).map(|n| n.trim().trim_start_matches('#')).filter(|n| !n.is_empty()) {
        let plain = number.bytes().all(|b| b.is_ascii_digit());
        let number = number.parse().ok().filter(|n| plain && *n > 0).map(TicketId).ok_or(form)?;
        if !block.tickets.contains(&number) {
            block.tickets.push(number);
        }
    }
    if block.tickets.is_empty() { Err(form.into()) } else { Ok(block) }
}

/// Gives the text to whom it belongs; every part must have what it needs.
fn end(mut orders: Orders, place: Place, text: &str) -> Result<Orders, Wrong> {
    let wrong = |line: &str, why: &str| Err(Wrong { reason: "command_error", line: line.to_owned(), why: why.to_owned() });
    match (place, orders.blocks.last_mut(), &mut orders.new) {
        _ if text.is_empty() => {}
        (Place::New, _, Some(new)) => text.clone_into(&mut new.text),
        (Place::Tickets, Some(block), _) if block.commands.contains(&Command::Note) => {
            block.note = format!("{}\n{text}", block.note).trim().to_owned();
        }
        _ => {
            let line = text.lines().next().unwrap_or_default();
            return wrong(line, "nobody would get this text; it belongs below @note or @new, and answers go to a ticket's own address");
        }
    }
    if orders.new.as_ref().is_some_and(|new| new.text.is_empty()) {
        return wrong("@new", "a conversation begins with a text; it was not found below");
    }
    for block in &orders.blocks {
        let first = block.tickets.first().map_or(0, |t| t.0);
        if block.commands.is_empty() {
            return wrong(&format!("@ticket {first}"), "no command stands below it");
        }
        if block.commands.contains(&Command::Note) && block.note.is_empty() {
            return wrong("@note", "no text of a note was found");
        }
    }
    if orders == Orders::default() {
        return wrong("(nothing)", "no command was found; @help answers with all of them");
    }
    Ok(orders)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::ticket::Status;

    fn read(text: &str) -> Result<Orders, Wrong> {
        parse(text, &|word| word == "ann")
    }

    #[test]
    fn blocks_are_for_their_tickets() {
        let orders = read("@ticket 12, #14 \"printer\"\n@close\n@note called him\n\n@ticket 9\n@solve\n@search ink\n@help\n").unwrap();
        let block = |tickets: &[i64], commands: Vec<Command>| Block {
            tickets: tickets.iter().copied().map(TicketId).collect(),
            commands,
            ..Block::default()
        };
        let first = block(&[12, 14], vec![Command::Status(Status::Closed), Command::Note]);
        let first = Block { word: Some("printer".into()), note: "called him".into(), ..first };
        assert_eq!(orders.blocks, [first, block(&[9], vec![Command::Status(Status::Solved)])]);
        assert_eq!(orders.questions, [Command::Search("ink".into()), Command::Help]);
    }

    #[test]
    fn text_belongs_to_what_is_above_it() {
        let orders = read("@ticket 3\n@close\n@new ann@x.test\n@tag vip\n\nHello Ann,\n\nwe found it.").unwrap();
        let new = orders.new.unwrap();
        assert_eq!((new.address.as_str(), new.text.as_str(), new.commands.len()), ("ann@x.test", "Hello Ann,\n\nwe found it.", 1));
        assert_eq!(read("@ticket 3\n@note one\ntwo").unwrap().blocks[0].note, "one\ntwo");
        assert_eq!(read("@ticket 3\n@note\ntwo").unwrap().blocks[0].note, "two");
        assert_eq!(read("@ticket 3\n@note one\n@note two\nthree").unwrap().blocks[0].note, "one\ntwo\nthree");
    }

    #[test]
    fn what_has_no_place_is_wrong() {
        for text in [
            "",
            "@close",
            "@ticket",
            "@ticket x\n@close",
            "@ticket -3\n@close",
            "@ticket 0\n@close",
            "@ticket 3 \"\n@close",
            "@ticket 3 \"open\n@close",
            "@ticket 3",
            "@ticket 3\n@note",
            "@ticket 3\n@close\nThank you.",
            "Thank you.",
            "@ann hello",
            "@new ann\nHello",
            "@new ann@x.test",
            "@new ann@x.test\n@close\nHello",
            "@new ann@x.test\n@new bob@x.test\nHello",
            "@new ann@x.test\nHello\n@close",
            "@ticket 3\n@note x\ny\n@ticket 4\n@close",
            "@tikcet 3\n@close",
            "@ticket 3\n@merge 4",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
        let many = (1..=51).map(|n| n.to_string()).collect::<Vec<_>>().join(",");
        assert!(read(&format!("@ticket {many}\n@close")).unwrap_err().why.contains("50"));
        assert_eq!(read("@ticket 99999999999999999999\n@close").unwrap_err().reason, "command_error");
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in "(@(ticket|new|note|close|search|help)?[ \"#,0-9a-z@.]{0,12}\n?){0,6}\\PC{0,20}") {
            if let Ok(orders) = read(&text) {
                prop_assert!(orders.blocks.iter().all(|b| !b.tickets.is_empty() && !b.commands.is_empty()));
                prop_assert!(orders.new.is_none_or(|new| !new.text.is_empty()));
            }
        }
    }
}
