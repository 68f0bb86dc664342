//! One whole conversation over SMTP, as customer and agents live it.

use ombud_tests::mail::{bare, tokens};
use ombud_tests::{Desk, Draft, Letter, Options, wait_for, wait_until};
use serde_json::Value;

use crate::{ANN, BOB, JANE, SUPPORT, answers_to_ann, from_ann};

const PHOTO: &[u8] = b"\x89PNG\r\n\x1a\n\0\xff not really\n.\n\r";
const QUESTION: &str = "Hello,\nmy printer is on fire, see the photo.\n.a line with a dot\n\nAnn";
const REPLY: &str = "Dear Ann,\nplease pull the plug. The log tells why.\n\n-- \nJane Doe, ext. 4711\nprivate mobile 0170-555";

#[test]
fn customer_ticket_acknowledgement_answer_note() {
    let desk = Desk::with_jane_and_bob();
    let (ticket, to_jane) = question(&desk);
    acknowledged(&desk, &ticket);
    let answer = answered(&desk, &ticket, &to_jane);
    told_to_bob(&desk, &to_jane);
    let again = asks_again(&desk, &ticket, &answer);
    noted(&desk, &ticket, &again);
}

fn question(desk: &Desk) -> (Value, Letter) {
    let mail = from_ann("Printer on fire", QUESTION).attach("photo.png", PHOTO);
    let fate = desk.deliver(&mail);
    assert_eq!((&fate["kind"], &fate["ticket"]), (&"ticket".into(), &1.into()), "{fate}");
    let is_notice = |letter: &Letter| letter.header("Subject").as_deref() == Some("[#1] Printer on fire");
    let to_jane = desk.out().expect(JANE, "a notification", is_notice);
    desk.out().expect(BOB, "a notification", is_notice);
    is_a_notification(&to_jane);
    let ticket = desk.get("/api/v1/tickets/1");
    assert_eq!((&ticket["subject"], &ticket["status"]), (&"Printer on fire".into(), &"open".into()));
    assert_eq!((&ticket["requester"]["address"], &ticket["assignee"]), (&ANN.into(), &Value::Null));
    (fate["ticket"].clone(), to_jane)
}

/// RULES, What agents get.
fn is_a_notification(letter: &Letter) {
    let from = letter.header("From").unwrap();
    assert!(from.contains("Ann Smith via Acme Support"), "{from}");
    assert_eq!(letter.address("To"), JANE);
    for field in ["From", "Reply-To", "To", "Cc", "Sender"] {
        let value = letter.headers(field).join(",");
        assert!(!value.contains(ANN) && !value.contains(BOB), "{field}: {value}: Reply-All would show it");
    }
    let (answer, note) = (letter.labelled("Answer:"), letter.labelled("Note (stays inside):"));
    assert_eq!((answer.len(), note.len()), (1, 1), "{}", letter.text());
    assert_eq!(answer[0], letter.address("Reply-To"));
    assert_ne!(answer[0], note[0]);
    assert_eq!(tokens(&letter.text()).len(), 2, "exactly two signed addresses in the text:\n{}", letter.text());
    let desk_address = letter.address("List-Post");
    assert!(tokens(&desk_address).len() == 1 && desk_address != answer[0] && desk_address != note[0], "List-Post: {desk_address}");
    assert!(letter.text().contains("my printer is on fire"), "{}", letter.text());
    assert_eq!(letter.attachments(), [("photo.png".to_owned(), PHOTO.to_vec())]);
    is_sent_by_us(letter);
}

/// What holds for everything that leaves.
fn is_sent_by_us(letter: &Letter) {
    let id = letter.header("Message-ID").unwrap();
    let local = id.strip_prefix('<').and_then(|rest| rest.strip_suffix("@desk.test>")).unwrap_or_else(|| panic!("{id}"));
    assert!(local.len() <= 40 && local.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()), "{id}");
    assert_eq!(tokens(&letter.sender).len(), 1, "the envelope sender is a bounce address: {}", letter.sender);
    for field in ["Message-ID", "Date", "From", "To", "Subject", "MIME-Version"] {
        assert_eq!(letter.headers(field).len(), 1, "{field} once in\n{}", String::from_utf8_lossy(&letter.raw));
    }
    let long = String::from_utf8_lossy(&letter.raw).lines().map(str::len).max();
    assert!(long <= Some(998), "RFC 5322 §2.1.1: {long:?}");
}

fn acknowledged(desk: &Desk, ticket: &Value) {
    let ack = desk.out().expect(ANN, "an acknowledgement", |l| l.header("Auto-Submitted").as_deref() == Some("auto-replied"));
    is_sent_by_us(&ack);
    assert_eq!(ack.header("Subject").as_deref(), Some("Re: Printer on fire"));
    assert_eq!(ack.address("From"), SUPPORT);
    assert_eq!(tokens(&ack.address("Reply-To")).len(), 1, "its Reply-To is signed");
    assert!(ack.text().contains(&ticket.to_string()), "it names the ticket:\n{}", ack.text());
    for word in ["my printer is on fire", "ann smith", "0170"] {
        assert!(!ack.text().to_lowercase().contains(word), "{word} in\n{}", ack.text());
    }
    assert!(ack.attachments().is_empty());
}

fn answered(desk: &Desk, ticket: &Value, to_jane: &Letter) -> Letter {
    let mail = Draft::answer("Jane Doe <jane@agents.test>", to_jane, REPLY).attach("log.bin", PHOTO);
    let fate = desk.deliver(&mail);
    assert_eq!((&fate["kind"], &fate["ticket"]), (&"message".into(), ticket), "{fate}");
    let answer = desk.out().expect(ANN, "the answer", |l| l.text().contains("please pull the plug"));
    is_sent_by_us(&answer);
    let from = answer.header("From").unwrap();
    assert!(from.contains("(Acme)") && from.contains("Jane") && bare(&from) == SUPPORT, "{from}");
    assert_eq!(answer.address("To"), ANN);
    assert_eq!(tokens(&answer.address("Reply-To")).len(), 1);
    assert_eq!(answer.attachments(), [("log.bin".to_owned(), PHOTO.to_vec())]);
    let (text, everything) = (answer.text(), answer.everything());
    assert!(text.starts_with("Dear Ann,\nplease pull the plug. The log tells why."), "{text}");
    for secret in ["agents.test", "4711", "0170-555", "stays inside", "answer:", "via acme support", &desk.path("").display().to_string()] {
        assert!(!everything.contains(&secret.to_lowercase()), "{secret} reached the customer:\n{everything}");
    }
    for token in tokens(&to_jane.everything()) {
        assert!(!everything.contains(&token), "a token of the agent reached the customer:\n{everything}");
    }
    let state = wait_for("the ticket to wait", || Some(desk.get("/api/v1/tickets/1")).filter(|t| t["status"] == "pending"));
    assert_eq!(state["assignee"]["address"], JANE);
    answer
}

fn told_to_bob(desk: &Desk, to_jane: &Letter) {
    let mail = desk.out().expect(BOB, "who has it", |l| l.text().contains("Jane") && l.text().contains("has it"));
    assert_eq!(mail.header("Subject"), to_jane.header("Subject"), "one thread, one subject");
    assert!(mail.text().contains("please pull the plug"), "with what she sent:\n{}", mail.text());
    let root = |letter: &Letter| letter.header("References").unwrap_or_default().split_whitespace().next().map(str::to_owned);
    assert_eq!(root(&mail), root(to_jane), "References begin with the ticket's root");
}

fn asks_again(desk: &Desk, ticket: &Value, answer: &Letter) -> Letter {
    let (janes, bobs) = (desk.out().to(JANE).len(), desk.out().to(BOB).len());
    let mail = Draft::answer("Ann Smith <ann@customer.test>", answer, "Still burning!");
    let fate = desk.deliver(&mail);
    assert_eq!((&fate["kind"], &fate["ticket"]), (&"message".into(), ticket), "{fate}");
    wait_until("the ticket to be open again", || desk.get("/api/v1/tickets/1")["status"] == "open");
    wait_until("Jane to be told", || desk.out().to(JANE).len() > janes);
    desk.settle();
    assert_eq!(desk.out().to(BOB).len(), bobs, "only the assignee hears of it from now on");
    assert_eq!(desk.list("/api/v1/tickets").len(), 1);
    desk.out().to(JANE).pop().unwrap()
}

fn noted(desk: &Desk, ticket: &Value, notice: &Letter) {
    let before = desk.out().to(ANN).len();
    let note = &notice.labelled("Note (stays inside):")[0];
    let mail = Draft::answer("Jane Doe <jane@agents.test>", notice, "She sounds angry, mind your words. @bob").to(note);
    let fate = desk.deliver(&mail);
    assert_eq!((&fate["kind"], &fate["ticket"]), (&"message".into(), ticket), "{fate}");
    let to_bob = desk.out().expect(BOB, "the note that names him", |l| l.text().contains("mind your words"));
    // The Reply-To of a note's notification makes notes (CONTRACT, Addresses).
    assert_eq!(to_bob.address("Reply-To"), to_bob.labelled("Note (stays inside):")[0]);
    desk.settle();
    assert_eq!(desk.out().to(ANN).len(), before, "nothing of a note leaves");
    let messages = desk.messages(ticket);
    let note = messages.iter().find(|m| m["kind"] == "note").expect("a note");
    assert_eq!(note["public"], false);
    assert!(note["text"].as_str().unwrap().contains("mind your words"), "{note}");
    for letter in desk.out().to(ANN) {
        assert!(!letter.everything().contains("mind your words"));
    }
    assert_eq!(answers_to_ann(desk).len(), 1);
    let kinds: Vec<&str> = messages.iter().filter_map(|m| m["kind"].as_str()).collect();
    assert_eq!(kinds, ["customer", "agent", "customer", "note"], "oldest first");
}

#[test]
fn a_copy_of_a_mail_is_one_message() {
    let desk = Desk::with_jane();
    let mail = from_ann("Twice", "the same mail by two ways");
    assert_eq!(desk.deliver(&mail)["kind"], "ticket");
    assert!(desk.send(&mail).is_yes());
    wait_until("the copy to be known", || desk.fates(&mail.id).iter().any(|row| row["fate"]["kind"] == "duplicate"));
    assert_eq!(desk.list("/api/v1/tickets").len(), 1);
}

#[test]
fn automatic_mail_is_not_acknowledged() {
    let desk = Desk::with_jane();
    let away = from_ann("Out of office", "I am away.").header("Auto-Submitted", "auto-replied");
    assert_eq!(desk.deliver(&away)["kind"], "automatic");
    let mut bounce = from_ann("Undelivered", "It failed.").header("Auto-Submitted", "auto-replied");
    bounce.sender = String::new();
    desk.deliver(&bounce);
    let list = from_ann("News", "All the news.").header("List-Id", "<news.customer.test>").header("Precedence", "bulk");
    desk.deliver(&list);
    desk.settle();
    assert_eq!(desk.out().to(ANN).len(), 0);
}

#[test]
fn what_leaves_says_whether_a_person_wrote_it() {
    let desk = Desk::with_jane();
    desk.deliver(&from_ann("Marks", "It burns."));
    let marks = |letter: &Letter| ["Auto-Submitted", "X-Auto-Response-Suppress", "Precedence"].map(|field| letter.header(field));
    let said = |submitted: &str, suppress: &str| [Some(submitted.to_owned()), Some(suppress.to_owned()), None];
    let notice = desk.out().expect(JANE, "a notification", |l| l.text().contains("It burns."));
    assert_eq!(marks(&notice), said("auto-generated", "OOF, AutoReply, DR, RN, NRN"));
    let ack = desk.out().expect(ANN, "an acknowledgement", |_| true);
    assert_eq!(marks(&ack), said("auto-replied", "All"));
    desk.deliver(&Draft::answer("Jane Doe <jane@agents.test>", &notice, "Pull the plug."));
    let answer = desk.out().expect(ANN, "the answer", |l| l.text().contains("Pull the plug."));
    assert_eq!(marks(&answer), [None, None, None], "a person wrote it, and wants to hear who is away");
}

#[test]
fn raw_and_understood_are_kept() {
    let desk = Desk::with_jane();
    let mail = from_ann("Raw", "exactly these octets\n..\nand dots");
    let ticket = desk.deliver(&mail)["ticket"].clone();
    let message = &desk.messages(&ticket)[0];
    let raw = desk.request("GET", &format!("/api/v1/messages/{}/raw", message["id"]), None);
    assert!(raw.body.ends_with(&mail.bytes()), "{}", String::from_utf8_lossy(&raw.body));
    let understood = desk.get(&format!("/api/v1/messages/{}/understood", message["id"]));
    assert_eq!(understood["subject"], "Raw");
    assert_eq!(message["message_id"].as_str(), Some(mail.id.as_str()));
}

#[test]
fn an_answer_is_signed_by_its_author_and_the_mailbox_and_joins_the_thread() {
    let desk = Desk::prepare(Options { mailbox: "signature = \"Acme GmbH\"", ..Options::default() });
    desk.agent(JANE, "Jane Doe", "agent");
    let set = desk.cli_with(&["agent", "set", JANE, "--signature-file", "-"], "Jane Doe, Support\n+49 30 1234\n".as_bytes());
    assert_eq!(set.code, 0, "{}", set.err);
    let desk = desk.running();
    let first = from_ann("Signed", "Hello?").header("References", "<one@customer.test> <two@customer.test>");
    desk.deliver(&first);
    let notice = desk.out().expect(JANE, "a notification", |l| l.text().contains("Hello?"));
    desk.deliver(&Draft::answer("Jane Doe <jane@agents.test>", &notice, "Hello Ann."));
    let answer = desk.out().expect(ANN, "the answer", |l| l.text().contains("Hello Ann."));
    assert!(answer.text().contains("Hello Ann.\n\n-- \nJane Doe, Support\n+49 30 1234\nAcme GmbH\n"), "{}", answer.text());
    let references = answer.header("References").expect("a chain");
    let ids: Vec<String> = references.split_whitespace().map(bare).collect();
    assert_eq!((ids.len(), ids[1].as_str(), ids[2].as_str()), (4, "one@customer.test", "two@customer.test"), "{references}");
    assert_eq!(answer.header("In-Reply-To").map(|id| bare(&id)), ids.last().cloned());
}
