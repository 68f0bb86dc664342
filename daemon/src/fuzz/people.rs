//! What people write that is no mail by itself: addresses, commands, times, queries of requests.

use std::path::Path;
use std::sync::OnceLock;

use crate::config::Config;
use crate::desk::addresses::{Book, Recipient};
use crate::desk::message_id::OwnId;
use crate::desk::outside::{block, looks_meant, orders, when};
use crate::desk::token::{Grant, KeyRing, LETTERS, Purpose, looks_like_token};
use crate::http::outside::asked;
use crate::model::changes::MailboxRow;
use crate::model::{MailboxId, OutboxId, PersonId, TicketId};

const MAILBOX: MailboxId = MailboxId(1);
const HOST: &str = "desk.localhost";

/// The book of the built-in desk.
fn book() -> Option<&'static Book> {
    static BOOK: OnceLock<Option<Book>> = OnceLock::new();
    let made = BOOK.get_or_init(|| {
        let config = Config::local(Path::new("ombud-data")).ok()?;
        let rows = [MailboxRow { id: MAILBOX, address: config.mailboxes.first()?.address.clone() }];
        Some(Book::new(&config, &rows, KeyRing::new(&[(1, [7; 32])])?))
    });
    made.as_ref()
}

/// Recipients and Message-IDs: nobody who lacks the key makes ours, in any case of letters; what we made is known again, until one
/// letter of it is another.
pub(super) fn address(data: &[u8]) {
    let Some(book) = book() else { return };
    let text = String::from_utf8_lossy(data);
    let found = book.classify(&text);
    assert!(!matches!(found, Recipient::Token(..)) && OwnId::verify(book.keys(), HOST, &text).is_none(), "{text}");
    let kind = std::mem::discriminant(&found);
    assert_eq!(std::mem::discriminant(&book.classify(&text.to_ascii_uppercase())), kind, "{text}");

    let at = |from: usize| data.get(from..from + 4).and_then(|four| four.try_into().ok()).map_or(0, u32::from_le_bytes);
    let purpose = Purpose::ALL.get(data.len() % Purpose::ALL.len()).copied().unwrap_or(Purpose::Answer);
    let (subject, person) = (i64::from(at(0)), PersonId(i64::from(at(4))));
    let (epoch, turn) = (i64::from(at(8)), i64::from(at(12) % 0x4000));
    let ours = book.sign(MAILBOX, Grant { purpose, subject, person, epoch, expires_at: 1_800_000_000_000, turn });
    for spelled in [ours.clone(), ours.to_ascii_uppercase()] {
        match book.classify(&spelled) {
            Recipient::Token(MAILBOX, token) => {
                assert_eq!((token.purpose(), token.subject(), token.person(), token.turn()), (purpose, subject, person, turn));
                assert!(token.is_of_epoch(epoch) && !token.is_of_epoch(epoch + 1));
            }
            other => assert_eq!(other, Recipient::Foreign, "our own address {spelled}"),
        }
    }
    let id = OwnId { ticket: TicketId(subject), outbox: OutboxId(person.0) };
    let spelled = id.sign(book.keys(), HOST);
    assert_eq!(OwnId::verify(book.keys(), HOST, &spelled), Some(id));

    let Some((at, token)) = ours.match_indices('+').next().map(|(at, _)| at + 1).and_then(|at| Some((at, ours.get(at..at + LETTERS)?)))
    else {
        return;
    };
    assert!(looks_like_token(token));
    let place = at + subject.unsigned_abs() as usize % LETTERS;
    let other = if ours.get(place..=place) == Some("a") { "b" } else { "a" };
    let mut forged = ours.clone();
    forged.replace_range(place..=place, other);
    assert_eq!(book.classify(&forged), Recipient::BadToken, "{forged}");
}

/// An agent's commands: either line end says the same, what is left as text holds no command, and is read again as it is.
pub(super) fn commands(data: &[u8]) {
    // The text of a mail has no other line ends.
    let text = String::from_utf8_lossy(data).replace('\r', "");
    let (found, asked) = (block(&text), orders(&text));
    let wide = text.replace('\n', "\r\n");
    assert_eq!((block(&wide), orders(&wide)), (found.clone(), asked.clone()));
    match found {
        Ok((commands, left)) if !commands.iter().any(|command| command == "Note") => {
            let own = |line: &&str| !line.starts_with('>');
            assert!(!left.lines().filter(own).any(looks_meant), "{left:?}");
            assert_eq!(block(&left), Ok((Vec::new(), left)));
        }
        Ok(_) => {}
        Err((reason, line, why)) => {
            assert!(["command_error", "near_miss"].contains(&reason) && !why.is_empty() && text.contains(&line));
        }
    }
    if let Ok((_, tickets)) = asked {
        assert!(tickets.len() <= 50 && tickets.iter().all(|ticket| *ticket > 0), "{tickets:?}");
    }
    assert_eq!(when(&text), when(&text));
}

/// The query of a request: numbers within their bounds, and a text comes through as it was written.
pub(super) fn request(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Some(asked) = asked(&text) {
        assert!(asked.limit.is_none_or(|limit| (1..=200).contains(&limit)), "{asked:?}");
        assert!(asked.cursor.flatten().is_none_or(|(a, b)| a >= 0 && b >= 0), "{asked:?}");
        assert!(asked.text.is_none_or(|text| (1..=512).contains(&text.len())));
    }
    let encoded: String = text.bytes().map(|b| format!("%{b:02X}")).collect();
    let (cursor, limit) = ((i64::from(u32::MAX), data.len() as i64), 1 + data.len() % 200);
    let again = asked(&format!("q={encoded}&limit={limit}&cursor={}-{}", cursor.0, cursor.1));
    match again {
        Some(again) => {
            assert_eq!(again.text.as_deref().unwrap_or_default(), text);
            assert_eq!((again.limit, again.cursor), (Some(limit), Some(Some(cursor))));
        }
        None => assert!(text.len() > 512, "{text:?}"),
    }
}
