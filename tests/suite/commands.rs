//! Commands in an agent's mail.

use ombud_tests::{Desk, Draft, Letter, wait_for};
use serde_json::Value;

use crate::{ANN, BOB, JANE, answers_to_ann, release_address, ticket_of_ann};

fn by_jane(notice: &Letter, body: &str) -> Draft {
    Draft::answer("Jane Doe <jane@agents.test>", notice, body)
}

fn ticket(desk: &Desk, number: &Value) -> Value {
    desk.get(&format!("/api/v1/tickets/{number}"))
}

#[test]
fn a_command_alone_mails_nothing_to_the_customer() {
    let desk = Desk::with_jane();
    let (number, notice) = ticket_of_ann(&desk, "Solve me");
    assert_eq!(desk.deliver(&by_jane(&notice, "@solve"))["kind"], "message");
    desk.settle();
    assert_eq!(ticket(&desk, &number)["status"], "solved");
    assert!(answers_to_ann(&desk).is_empty());
}

#[test]
fn commands_above_an_answer_are_taken_out_of_it() {
    let desk = Desk::with_jane_and_bob();
    let (number, notice) = ticket_of_ann(&desk, "Several");
    desk.deliver(&by_jane(&notice, "@priority high\n@tag vip\n@assign bob@agents.test\n@close\n\nDone, Ann."));
    let answer = desk.out().expect(ANN, "the answer", |l| l.text().contains("Done, Ann."));
    for word in ["@priority", "@tag", "@assign", "bob@", "@close", "vip"] {
        assert!(!answer.everything().contains(word), "{word}");
    }
    let state = ticket(&desk, &number);
    assert_eq!((&state["priority"], &state["status"], &state["tags"][0]), (&"high".into(), &"closed".into(), &"vip".into()));
    assert_eq!(state["assignee"]["address"], BOB, "an explicit command wins: {state}");
}

#[test]
fn a_note_command_keeps_everything_inside() {
    let desk = Desk::with_jane();
    let (number, notice) = ticket_of_ann(&desk, "Note it");
    desk.deliver(&by_jane(&notice, "@note she is right\nbut do not tell her"));
    desk.settle();
    assert!(answers_to_ann(&desk).is_empty());
    let messages = desk.messages(&number);
    let note = messages.iter().find(|m| m["kind"] == "note").expect("a note");
    assert!(note["text"].as_str().unwrap().starts_with("she is right\nbut do not tell her"), "{note}");
}

#[test]
fn a_wrong_line_holds_the_whole_mail_until_its_author_sends_it() {
    let desk = Desk::with_jane();
    let (number, notice) = ticket_of_ann(&desk, "Typing");
    let mail = by_jane(&notice, "@slove\n@priority urgent\n\nYour printer is fixed.");
    let fate = desk.deliver(&mail);
    assert_eq!((&fate["kind"], &fate["reason"]), (&"held".into(), &"command_error".into()), "{fate}");
    let held = desk.out().expect(JANE, "that it was held", |l| l.text().contains("@slove"));
    let text = held.text();
    let first = text.lines().find(|line| !line.trim().is_empty()).unwrap_or("");
    assert!(first.to_lowercase().contains("nothing was sent"), "it says first that nothing was sent:\n{text}");
    assert!(text.contains("@solve") && text.contains("Your printer is fixed."), "what is allowed, and their text:\n{text}");
    desk.settle();
    assert!(answers_to_ann(&desk).is_empty());
    assert_eq!(ticket(&desk, &number)["priority"], "normal", "nothing of the mail is carried out");

    let release = release_address(&held);
    let go = || Draft::new("Jane Doe <jane@agents.test>", &release, "Re: held", "yes");
    desk.deliver(&go());
    desk.out().expect(ANN, "the answer", |l| l.text().contains("Your printer is fixed."));
    wait_for("the mail to be let through", || (desk.fate(&mail.id)["kind"] == "message").then_some(()));
    desk.deliver(&go());
    desk.settle();
    assert_eq!(answers_to_ann(&desk).len(), 1, "the address works once");
}

#[test]
fn what_looks_like_a_command_below_is_held() {
    let desk = Desk::with_jane();
    let (_, notice) = ticket_of_ann(&desk, "Near miss");
    for body in ["Hello Ann\n@note she is a pain", "@ note she is a pain", "\u{ff20}note she is a pain", "@internal she is a pain"] {
        let fate = desk.deliver(&by_jane(&notice, body));
        assert_eq!(fate["kind"], "held", "{body}: {fate}");
    }
    desk.settle();
    assert!(answers_to_ann(&desk).is_empty());
}

#[test]
fn an_answer_that_another_one_has_overtaken_is_held() {
    let desk = Desk::with_jane_and_bob();
    let (_, to_jane) = ticket_of_ann(&desk, "Race");
    let to_bob = desk.out().expect(BOB, "a notification", |l| l.header("Subject").is_some_and(|s| s.contains("Race")));
    desk.deliver(&Draft::answer("Bob Roe <bob@agents.test>", &to_bob, "Bob was first."));
    let fate = desk.deliver(&by_jane(&to_jane, "Jane was second."));
    assert_eq!((&fate["kind"], &fate["reason"]), (&"held".into(), &"collision".into()), "{fate}");
    let held = desk.out().expect(JANE, "that it was held", |l| l.text().contains("Jane was second."));
    desk.settle();
    assert_eq!(answers_to_ann(&desk).len(), 1);
    desk.deliver(&Draft::new("Jane Doe <jane@agents.test>", &release_address(&held), "Re: held", "send anyway"));
    desk.out().expect(ANN, "both answers", |l| l.text().contains("Jane was second."));
}
