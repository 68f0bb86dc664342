//! Whatever of ours is put into a letter, wherever and however: it stays.

#![expect(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;

use super::*;
use crate::config::Config;
use crate::desk::addresses::Book;
use crate::desk::answer::NOTE_LABEL;
use crate::desk::token::{Grant, KeyRing, Purpose};
use crate::model::changes::MailboxRow;
use crate::model::people::Person;
use crate::model::staff::Staff;
use crate::model::ticket::Role;
use crate::model::understood::Attachment;
use crate::model::{Address, MailboxId, PersonId};
use crate::understand::MARKER;

use super::super::super::letter::Picture;
use super::super::html_of::html_of;

const ANN: Reader = Some(PersonId(7));

fn book() -> Book {
    let config = Config::local(std::path::Path::new("/nowhere")).unwrap();
    let rows = [MailboxRow { id: MailboxId(1), address: "support@desk.localhost".into() }];
    Book::new(&config, &rows, KeyRing::new(&[(1, [7; 32])]).unwrap())
}

fn jane() -> Person {
    Person {
        name: Some("Jane".into()),
        role: Role::Admin,
        aliases: vec!["jd@home.test".into()],
        ..Person::agent(PersonId(1), "jane@agents.test")
    }
}

fn signed(book: &Book, purpose: Purpose, subject: i64, person: i64) -> String {
    book.sign(MailboxId(1), Grant { purpose, subject, person: PersonId(person), epoch: 0, expires_at: i64::MAX / 2, turn: 1 })
}

fn letter(book: &Book) -> Letter {
    Letter {
        from: Address { name: Some("Jane (Desk)".into()), address: "support@desk.localhost".into() },
        to: Address { name: Some("Ann".into()), address: "ann@customer.test".into() },
        reply_to: Some(signed(book, Purpose::Customer, 12, 7)),
        subject: "Re: Printer".into(),
        message_id: "a@desk.localhost".into(),
        text: "Turn it off.\n\n> It burns. I wrote to jane@agents.test.".into(),
        ..Letter::default()
    }
}

fn file(name: &str, content_type: &str, bytes: Vec<u8>) -> Part {
    let meta = Attachment { name: Some(name.into()), content_type: content_type.into(), ..Attachment::default() };
    Part { meta, bytes }
}

fn picture(part: Part) -> Picture {
    Picture { placeholder: "[image: a.png]".into(), id: "1.a@desk.localhost".into(), part }
}

fn stopped(book: &Book, letter: &Letter, vouched: bool) -> Option<String> {
    let staff = Staff::new(vec![jane()]);
    objection(letter, &Inside { book, staff: &staff }, ANN, vouched, "")
}

#[test]
fn an_answer_as_it_should_be_leaves() {
    let book = book();
    assert_eq!(stopped(&book, &letter(&book), false), None);
    let text = format!("Thanks.\n\n> Answer: ann@home.test\n> {NOTE_LABEL} mine");
    assert_eq!(stopped(&book, &Letter { text, ..letter(&book) }, false), None, "the customer's own words");
}

#[test]
fn what_an_author_may_vouch_for_is_stopped_until_they_do() {
    let book = book();
    for text in ["Write to jane@agents.test", "or jd@home.test", MARKER, &format!("{NOTE_LABEL} yes")] {
        let letter = Letter { text: text.into(), ..letter(&book) };
        assert!(stopped(&book, &letter, false).is_some(), "{text}");
        assert_eq!(stopped(&book, &letter, true), None, "{text}");
    }
    let named = Letter { from: Address { name: Some("jane@agents.test".into()), ..letter(&book).from }, ..letter(&book) };
    assert!(stopped(&book, &named, true).is_some());
    let desk = Letter { desk_address: Some("x@y.test".into()), ..letter(&book) };
    assert!(stopped(&book, &desk, true).is_some());
}

#[test]
fn the_html_part_is_looked_at_as_the_text_is() {
    let book = book();
    let only_html = |text: &str| Letter { html: html_of(text, &[]), ..letter(&book) };
    let note = signed(&book, Purpose::Note, 12, 1);
    for text in [format!("{NOTE_LABEL} {note}"), format!("mailto:{note}"), format!("> {note}"), format!("x\n> > a {note} b")] {
        assert!(stopped(&book, &only_html(&text), true).is_some(), "a signed address, whoever vouches: {text}");
    }
    for text in
        ["Write to jane@agents.test.", "mailto:jd@home.test", "  > jd@home.test", MARKER, "Answer: x@y.test", &format!("{NOTE_LABEL} yes")]
    {
        assert!(stopped(&book, &only_html(text), false).is_some(), "{text}");
        assert_eq!(stopped(&book, &only_html(text), true), None, "{text}");
    }
    for text in ["> I wrote to jane@agents.test", "Well:\n> > mailto:jd@home.test\nno", &letter(&book).text] {
        assert_eq!(stopped(&book, &only_html(text), false), None, "the customer's own words: {text}");
    }
    let behind = "</blockquote>\n<p>jane@agents.test</p><blockquote>";
    for html in [format!("<blockquote>x{behind}"), behind.to_owned(), format!("<blockquote>{behind}y</blockquote>")] {
        let letter = Letter { html: Some(html), ..letter(&book) };
        assert!(stopped(&book, &letter, false).is_some(), "{:?}", letter.html);
    }
}

#[test]
fn what_a_stranger_planted_is_taken_out() {
    let (book, staff) = (book(), Staff::new(vec![jane()]));
    let planted = signed(&book, Purpose::Answer, 12, 1);
    let mut planted = Letter {
        subject: format!("Re: {planted}"),
        to: Address { name: Some(planted.clone()), address: "ann@customer.test".into() },
        references: vec!["root@desk.localhost".into(), planted],
        ..letter(&book)
    };
    assert!(stopped(&book, &planted, true).is_some());
    scrub(&mut planted, &Inside { book: &book, staff: &staff }, ANN, 12);
    assert_eq!((planted.subject.as_str(), planted.references.as_slice()), ("Re: #12", ["root@desk.localhost".to_owned()].as_slice()));
    assert_eq!(stopped(&book, &planted, false), None);
}

/// The ways in which an address gets into a text.
fn dressed(address: &str, how: u8) -> String {
    match how {
        0 => address.to_owned(),
        1 => address.to_uppercase(),
        2 => format!("mailto:{}?body=x", address.replace('+', "%2B")),
        3 => format!("<a href=\"mailto:{}\">", address.replace('+', "&#43;")),
        4 => address.replace('+', "=2B"),
        _ => format!("Reply-To: \"Desk\" <{address}>,"),
    }
}

proptest! {
    #[test]
    fn no_signed_address_but_the_readers_own_leaves(
        purpose in prop::sample::select(Purpose::ALL.to_vec()),
        subject in 1..20_i64,
        person in 1..20_i64,
        how in 0..6_u8,
        place in 0..12_u8,
        around in "[ -~\n]{0,40}",
        forged in any::<bool>(),
    ) {
        prop_assume!(!(purpose == Purpose::Customer && person == 7) || forged);
        let book = book();
        let mut address = signed(&book, purpose, subject, person);
        if forged {
            let last = address.find('@').unwrap() - 1;
            let other = if address.get(last..=last) == Some("a") { "b" } else { "a" };
            address.replace_range(last..=last, other);
        }
        let text = format!("{around} {} {around}", dressed(&address, how));
        let good = letter(&book);
        let split = |at: usize| format!("{}=\r\n{}", text.get(..at).unwrap_or(""), text.get(at..).unwrap_or(""));
        let bad = match place {
            0 => Letter { text: format!("{}\n{text}", good.text), ..good },
            1 => Letter { text: format!("> {text}"), ..good },
            2 => Letter { html: Some(text), ..good },
            10 => Letter { pictures: vec![picture(file("a.png", "image/png", text.into_bytes()))], ..good },
            11 => Letter { pictures: vec![picture(file(&text, "image/png", Vec::new()))], ..good },
            9 => Letter { html: html_of(&text, &[]), ..good },
            3 => Letter { subject: text, ..good },
            4 => Letter { references: vec![text], ..good },
            5 => Letter { reply_to: Some(address), ..good },
            6 => Letter { attachments: vec![file(&text, "image/png", Vec::new())], ..good },
            7 => Letter { attachments: vec![file("a", "text/plain", split(text.len() / 2).into_bytes())], ..good },
            _ => {
                let mail = format!("From: a@b.test\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{text}\r\n");
                Letter { attachments: vec![file("a.eml", "message/rfc822", mail.into_bytes())], ..good }
            }
        };
        prop_assert!(stopped(&book, &bad, true).is_some());
    }
}
