//! The relay ends and comes back, and sends bounces of its own.

use ombud_tests::{Draft, Letter, Say, Sink, wait_until};

use super::{ANSWER, answered, clear, desk, is_answer, later, rows, waits, world};
use crate::{ANN, JANE};

#[test]
fn what_is_written_while_postfix_is_stopped_leaves_once_it_is_back() {
    let Some(postfix) = super::postfix("what_is_written_while_postfix_is_stopped_leaves_once_it_is_back") else { return };
    let world = world();
    postfix.start_as_relay(world.address, "");
    let mut desk = desk(clear(&postfix), String::new());
    answered(&desk, &world, "The first, Ann.");
    world.expect(ANN, "the first answer", |l| l.text().contains("The first, Ann."));
    desk.settle();
    let notice = world.to(JANE).remove(0);
    postfix.stop();
    for n in 0..5 {
        desk.deliver(&Draft::answer("Jane Doe <jane@agents.test>", &notice, &format!("Number {n}, Ann.")));
    }
    waits(&desk, ANN);
    postfix.start_as_relay(world.address, "");
    later(&mut desk, 2, None);
    wait_until("all to arrive", || world.to(ANN).len() >= 6);
    desk.settle();
    // Postfix passes on several at once, so their order is the one in which it took them.
    let log = postfix.log();
    let taken = |letter: &Letter| log.find(&format!("message-id={}", letter.header("Message-ID").unwrap_or_default()));
    let mut letters = world.to(ANN);
    letters.sort_by_key(taken);
    let numbers: Vec<String> = letters.iter().skip(1).map(|l| l.text().lines().next().unwrap_or_default().to_owned()).collect();
    assert_eq!(numbers, (0..5).map(|n| format!("Number {n}, Ann.")).collect::<Vec<_>>(), "each once, in their order");
}

#[test]
fn a_bounce_that_postfix_writes_itself_is_told_to_who_wrote_the_answer() {
    let Some(postfix) = super::postfix("a_bounce_that_postfix_writes_itself_is_told_to_who_wrote_the_answer") else { return };
    let world = Sink::start(|to, _| if to == ANN { Say::Recipient("550 5.1.1 No such user (kq-5)") } else { Say::Yes });
    let desk = desk(clear(&postfix), String::new());
    // Bounces go to the address that the mail came from, which is at the desk.
    let own = desk.ports().smtp;
    let back = format!("transport_maps = inline:{{ {{ desk.test = smtp:[{}]:{} }} }}\n", own.ip(), own.port());
    postfix.start_as_relay(world.address, &back);
    answered(&desk, &world, ANSWER);
    let told = world.expect(JANE, "the failure", |l| l.text().contains("kq-5"));
    assert!(told.text().contains(ANN) && told.text().contains(ANSWER), "{}", told.text());
    assert!(!is_answer(&world.to(JANE)[0]));
    wait_until("the row to say so", || !rows(&desk, "failed", ANN).is_empty());
    assert_eq!(world.tries(ANN), 1);
}
