//! TLS that the relay wants, lacks or proves badly, and passwords.

use ombud_tests::dovecot::{Dovecot, PASSWORD, USER};
use ombud_tests::postfix::Postfix;
use ombud_tests::wait_until;

use super::{TLS, answered, clear, desk, is_answer, later, rows, tls_sessions, waits, world};
use crate::{ANN, JANE, from_ann};

/// When Postfix has logged such lines, in seconds of the day.
fn times(postfix: &Postfix, such: &str) -> Vec<i32> {
    let seconds = |line: &str| {
        let time = line.split_ascii_whitespace().nth(2).expect("a time of day");
        time.split(':').fold(0, |sum, part| sum * 60 + part.parse::<i32>().expect("a number"))
    };
    postfix.log().lines().filter(|line| line.contains(such)).map(seconds).collect()
}

fn ca(postfix: &Postfix) -> String {
    format!("ca = \"{}\"\n", postfix.ca().display())
}

#[test]
fn tls_that_postfix_wants_is_used() {
    let Some(postfix) = super::postfix("tls_that_postfix_wants_is_used") else { return };
    let world = world();
    postfix.start_as_relay(world.address, "smtpd_tls_security_level = encrypt\n");
    let desk = desk(clear(&postfix), String::new());
    answered(&desk, &world, super::ANSWER);
    world.expect(ANN, "the answer", is_answer);
    assert!(tls_sessions(&postfix) > 0, "{}", postfix.log());
}

#[test]
fn tls_that_we_want_and_postfix_has_not_lets_nothing_leave() {
    let Some(postfix) = super::postfix("tls_that_we_want_and_postfix_has_not_lets_nothing_leave") else { return };
    let world = world();
    postfix.start_as_relay(world.address, "smtpd_tls_security_level = none\n");
    let desk = desk(format!("smtps://{}", postfix.address()), ca(&postfix));
    desk.deliver(&from_ann("Secret", "Hello?"));
    let said = waits(&desk, JANE);
    assert!(said.contains("TLS"), "the queue says why: {said}");
    let checked = desk.cli(&["check"]);
    assert!(checked.code != 0 && format!("{}{}", checked.out, checked.err).contains("TLS"), "{}{}", checked.out, checked.err);
    assert!(world.letters().is_empty() && !postfix.log().contains("from=<"), "{}", postfix.log());
}

#[test]
fn a_certificate_that_nobody_knows_is_believed_once_its_authority_is() {
    let Some(postfix) = super::postfix("a_certificate_that_nobody_knows_is_believed_once_its_authority_is") else { return };
    let world = world();
    postfix.start_as_relay(world.address, "");
    let mut desk = desk(format!("smtps://{}", postfix.tls_address()), String::new());
    desk.deliver(&from_ann("Secret", "Hello?"));
    let said = waits(&desk, JANE);
    assert!(said.to_lowercase().contains("certificate"), "the queue says why: {said}");
    assert!(world.letters().is_empty());
    let known = desk.configuration().replace("[outbound]\n", &format!("[outbound]\n{}", ca(&postfix)));
    later(&mut desk, 2, Some(&known));
    world.expect(JANE, "the notification", |_| true);
    assert!(tls_sessions(&postfix) > 0, "{}", postfix.log());
}

#[test]
fn who_logs_in_with_the_right_password_may_relay() {
    let Some(postfix) = super::postfix("who_logs_in_with_the_right_password_may_relay") else { return };
    let (world, dovecot) = (world(), Dovecot::start());
    let asks = format!(
        "smtpd_sasl_auth_enable = yes\nsmtpd_sasl_type = dovecot\nsmtpd_sasl_path = {}\nsmtpd_tls_auth_only = yes\n\
         smtpd_relay_restrictions = permit_sasl_authenticated, reject\n\
         smtpd_recipient_restrictions = permit_sasl_authenticated, reject\n",
        dovecot.auth_socket().display()
    );
    postfix.start_as_relay(world.address, &asks);
    let relay = format!("smtp://{USER}@{}", postfix.address());
    let wrong = "wrong-horse-kq-4";
    let mut desk = desk(relay, format!("connections = 1\npassword = \"{wrong}\"\n{}", ca(&postfix)));
    let subjects: Vec<_> = (0..5).map(|n| format!("Password {n}")).collect();
    for subject in &subjects {
        desk.deliver(&from_ann(subject, "Hello?"));
    }
    let said = waits(&desk, JANE);
    assert!(said.contains("535"), "the queue says why: {said}");
    // Dovecot itself takes longer with each wrong password, so what counts is when the next try begins.
    wait_until("another try", || times(&postfix, TLS).len() > 1);
    let (refused, next) = (times(&postfix, "authentication failed")[0], times(&postfix, TLS)[1]);
    assert!((next - refused).rem_euclid(86_400) >= 4, "a server that counts would lock us out: {refused} {next}\n{}", postfix.log());
    assert!(rows(&desk, "failed", JANE).is_empty(), "a password can be mended");
    let checked = desk.cli(&["check"]);
    let words = format!("{}{}", checked.out, checked.err);
    assert!(checked.code != 0 && words.contains("535"), "{words}");
    assert!(!desk.log().contains(wrong) && !words.contains(wrong) && !said.contains(wrong), "a password in the log");
    let right = desk.configuration().replace(wrong, PASSWORD);
    later(&mut desk, 2, Some(&right));
    for subject in &subjects {
        world.expect(JANE, subject, |l| l.header("Subject").is_some_and(|s| s.ends_with(subject)));
    }
    desk.settle();
    assert_eq!((rows(&desk, "sent", JANE).len(), world.to(JANE).len()), (5, 5), "each once");
    assert!(postfix.log().contains(&format!("sasl_username={USER}")), "{}", postfix.log());
}

#[test]
fn what_a_relay_puts_off_that_does_not_know_us_yet_leaves_once_it_does() {
    let Some(postfix) = super::postfix("what_a_relay_puts_off_that_does_not_know_us_yet_leaves_once_it_does") else { return };
    let world = world();
    // As Postfix is installed, for everybody who is not in its networks.
    let asks =
        "mynetworks = 192.0.2.0/24\nsmtpd_relay_restrictions = permit_mynetworks, permit_sasl_authenticated, defer_unauth_destination\n";
    postfix.start_as_relay(world.address, asks);
    let mut desk = desk(clear(&postfix), String::new());
    desk.deliver(&from_ann("Closed", "Hello?"));
    let said = waits(&desk, JANE);
    assert!(said.contains("454 4.7.1") && said.contains("Relay access denied"), "{said}");
    postfix.stop();
    postfix.start_as_relay(world.address, "");
    later(&mut desk, 2, None);
    world.expect(JANE, "the notification", |_| true);
}
