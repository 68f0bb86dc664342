//! The brake on an agent who publishes more answers than one person writes.

use ombud_tests::{Desk, Draft, Letter, Options, wait_for, wait_until};

use crate::{BOB, JANE, answers_to_ann, release_address, ticket_of_ann};

fn by_bob(notice: &Letter, body: &str) -> Draft {
    Draft::answer("Bob Roe <bob@agents.test>", notice, body)
}

fn subject(letter: &Letter) -> String {
    letter.header("Subject").unwrap_or_default()
}

#[test]
fn answers_beyond_the_limit_are_held_until_one_word_lets_all_go() {
    let more = "[limits]\nanswers_per_agent_hour = 2\n";
    let desk = Desk::prepare(Options { more, ..Options::default() });
    desk.agent(JANE, "Jane Doe", "admin");
    desk.agent(BOB, "Bob Roe", "agent");
    let mut desk = desk.running();
    ticket_of_ann(&desk, "So many words");
    let notice = desk.out().expect(BOB, "a notification", |l| subject(l).contains("So many words"));
    for n in 1..=4 {
        let fate = desk.deliver(&by_bob(&notice, &format!("Answer number {n}.")));
        assert_eq!(fate["reason"], if n <= 2 { "answer" } else { "rate" }, "{fate}");
    }
    let asked = desk.out().expect(BOB, "the question", |l| subject(l).contains("are they yours"));
    assert!(asked.text().contains("you have published 2 answers within an hour"), "{}", asked.text());
    let told = desk.out().expect(JANE, "what the admins hear", |l| subject(l).starts_with("Answers of Bob Roe are held"));
    assert!(told.text().contains("ombud agent disable bob@agents.test"), "{}", told.text());
    desk.settle();
    assert_eq!(answers_to_ann(&desk).len(), 2);

    desk.kill();
    desk.serve(&[]);
    let address = release_address(&asked);
    assert!(!told.everything().contains(&address));
    // Whoever has seen the address and is not Bob can do nothing with it.
    desk.deliver(&Draft::new("Eve <eve@evil.test>", &address, "Re: held", "yes"));
    desk.settle();
    assert_eq!(answers_to_ann(&desk).len(), 2);
    desk.deliver(&Draft::new("Bob Roe <bob@agents.test>", &address, "Re: held", "yes"));
    wait_until("all of them", || answers_to_ann(&desk).len() == 4);
    let last = desk.deliver(&by_bob(&notice, "Answer number 5."));
    assert_eq!(last["reason"], "answer", "nothing is held for an hour: {last}");
    wait_for("the fifth", || (answers_to_ann(&desk).len() == 5).then_some(()));
    assert_eq!(desk.out().to(BOB).iter().filter(|l| subject(l).contains("are they yours")).count(), 1);
}
