//! What a folder and its server may do beside bringing mail: refuse the log-in, show mail late, count anew, be read-only.

use ombud_tests::{Act, Desk, Dovecot, Liar, wait_until};

use crate::imap::fetching;
use crate::{JANE, from_ann};

fn logged(desk: &Desk, what: &str) {
    wait_until(&format!("{what:?} in the log"), || desk.log().contains(what));
}

fn metric(desk: &Desk, name: &str) -> String {
    let text = String::from_utf8_lossy(&desk.public("/metrics").body).into_owned();
    text.lines().find(|line| line.starts_with(name)).and_then(|line| line.rsplit(' ').next()).unwrap_or_default().to_owned()
}

fn page(desk: &Desk) -> String {
    String::from_utf8_lossy(&desk.public("/").body).into_owned()
}

#[test]
fn after_three_refused_log_ins_admins_are_told_once_and_a_reload_tries_again() {
    let liar = Liar::start("", |_, command| match command.starts_with("LOGIN") {
        true => Act::Say("TAG NO [AUTHENTICATIONFAILED] geheim-1234 is wrong\r\n".into()),
        false => Act::Honest,
    });
    let desk = fetching(&liar.section());
    desk.agent(JANE, "Jane Doe", "admin");
    let desk = desk.running();
    let tries = || liar.commands().iter().filter(|c| c.starts_with("LOGIN")).count();
    for count in 1..=4 {
        wait_until(&format!("try {count}"), || tries() == count);
        desk.signal("HUP");
        if count == 3 {
            logged(&desk, "tried once an hour from now on");
        }
    }
    let letter = desk.out().expect(JANE, "Mail for support@desk.test can't be fetched", |l| {
        l.header("Subject").is_some_and(|s| s.contains("can't be fetched"))
    });
    let text = letter.text();
    assert!(text.contains("*** is wrong") && text.contains("reload (SIGHUP)") && !text.contains("geheim"), "{text}");
    wait_until("the page to say so", || page(&desk).contains("The log-in is refused."));
    wait_until("a fifth try", || tries() >= 5);
    desk.settle();
    assert_eq!(desk.out().to(JANE).len(), 1, "told once");
}

#[test]
fn what_is_no_refusal_is_tried_on() {
    let liar = Liar::start("", |connection, command| match (connection, command.starts_with("LOGIN")) {
        (0, true) => Act::Say("TAG NO [UNAVAILABLE] later\r\n".into()),
        (1, true) => Act::Say("TAG NO [INUSE] in use\r\n".into()),
        _ => Act::Honest,
    });
    let desk = fetching(&liar.section()).running();
    logged(&desk, "fetching begins");
    assert_eq!((liar.connections(), desk.log().contains("log-in refused")), (3, false));
}

#[test]
fn a_mail_that_is_shown_late_is_found_fetched_and_told_of() {
    let liar = Liar::start("IDLE", |_, _| Act::Honest);
    let mails: Vec<_> = (1..=3).map(|n| from_ann(&format!("Late {n}"), "Hello?")).collect();
    liar.deliver_late(1, &mails[0].bytes());
    liar.deliver_late(3, &mails[2].bytes());
    let mut desk = fetching(&format!("{}start = \"all\"\n", liar.section())).running();
    assert_eq!(desk.fate(&mails[2].id)["kind"], "ticket");
    liar.deliver_late(2, &mails[1].bytes());
    // The first look of a process compares; the next one would in an hour.
    desk.kill();
    desk.serve(&[]);
    assert_eq!(desk.fate(&mails[1].id)["kind"], "ticket");
    logged(&desk, "mails were in the folder and not here, and are fetched now");
    wait_until("it to be counted", || metric(&desk, "ombud_imap_missed_mails") == "1");
    wait_until("the page to say so", || page(&desk).contains("had been passed over and was fetched late"));
    desk.kill();
    desk.serve(&[]);
    let looks = || liar.commands().iter().filter(|c| *c == "IDLE").count();
    let before = looks();
    wait_until("a look without news", || looks() > before);
    assert_eq!(metric(&desk, "ombud_imap_missed_mails"), "1", "what is kept is not missed");
    assert_eq!(desk.list("/api/v1/inbox").len(), 3);
}

#[test]
fn a_mail_that_is_shown_late_is_not_deleted_before_it_is_kept() {
    let liar = Liar::start("UIDPLUS", |connection, command| match connection == 0 && command.starts_with("UID STORE") {
        true => Act::Hang,
        false => Act::Honest,
    });
    let mails: Vec<_> = (1..=3).map(|n| from_ann(&format!("Late {n}"), "Hello?")).collect();
    liar.deliver_late(1, &mails[0].bytes());
    liar.deliver_late(3, &mails[2].bytes());
    let mut desk = fetching(&format!("{}start = \"all\"\nafter = \"delete\"\npoll = \"1s\"\n", liar.section())).running();
    assert_eq!(desk.fate(&mails[2].id)["kind"], "ticket");
    wait_until("it to be marked", || liar.commands().iter().any(|c| c.starts_with("UID STORE")));
    liar.deliver_late(2, &mails[1].bytes());
    desk.kill();
    desk.serve(&[]);
    assert_eq!(desk.fate(&mails[1].id)["kind"], "ticket");
    wait_until("it to be deleted", || liar.commands().contains(&"UID EXPUNGE 2".to_owned()));
    let commands = liar.commands();
    let at = |what: &str| commands.iter().position(|c| c == what).unwrap_or_else(|| panic!("no {what} in {commands:?}"));
    assert!(at("UID EXPUNGE 1,3") < at("UID FETCH 2 (UID BODY.PEEK[])"), "{commands:?}");
    assert!(at("UID FETCH 2 (UID BODY.PEEK[])") < at("UID EXPUNGE 2"), "{commands:?}");
}

#[test]
fn mail_of_the_same_day_before_us_is_nobody_s_ticket_after_a_recount() {
    let mut dovecot = Dovecot::start();
    let old: Vec<_> = (0..3).map(|n| from_ann(&format!("Old {n}"), "There before us.")).collect();
    for mail in &old {
        let name = dovecot.deliver(&mail.bytes(), None);
        dovecot.age(&name, 5);
    }
    let desk = fetching(&dovecot.section()).running();
    logged(&desk, "fetching begins");
    let ours = from_ann("Ours", "Hello?");
    dovecot.deliver(&ours.bytes(), None);
    assert_eq!(desk.fate(&ours.id)["kind"], "ticket");
    dovecot.stop();
    dovecot.change_uidvalidity();
    let new = from_ann("New", "Hello?");
    dovecot.deliver(&new.bytes(), None);
    dovecot.run();
    assert_eq!(desk.fate(&new.id)["kind"], "ticket");
    logged(&desk, "the server counts its mails anew");
    assert!(old.iter().all(|mail| desk.fates(&mail.id).is_empty()));
    assert_eq!((desk.list("/api/v1/tickets").len(), desk.fates(&ours.id).len()), (2, 2), "ours came twice and was recognised");
}

/// Mail is taken, nothing is done with it, and that is said.
fn stays(liar: &Liar, after: &str, told: &str) {
    let mails: Vec<_> = (1..=2).map(|n| from_ann(&format!("Read-only {n}"), "Hello?")).collect();
    liar.deliver(&mails[0].bytes());
    let desk = fetching(&format!("{}start = \"all\"\nafter = \"{after}\"\npoll = \"1s\"\n", liar.section())).running();
    assert_eq!(desk.fate(&mails[0].id)["kind"], "ticket");
    logged(&desk, &format!("fetched mail could not be treated as `after = \"{after}\"` says: {told}"));
    liar.deliver(&mails[1].bytes());
    assert_eq!(desk.fate(&mails[1].id)["kind"], "ticket");
    assert_eq!(metric(&desk, "ombud_imap_up"), "1");
}

#[test]
fn a_folder_that_is_read_only_is_fetched_all_the_same() {
    let liar = Liar::start("UIDPLUS MOVE", |_, command| match command.starts_with("SELECT") {
        true => Act::Say("* 2 EXISTS\r\n* OK [UIDVALIDITY 7]\r\n* OK [UIDNEXT 9]\r\nTAG OK [READ-ONLY] done\r\n".into()),
        false => Act::Honest,
    });
    stays(&liar, "delete", "the server gives the folder read-only");
    assert!(!liar.commands().iter().any(|c| c.starts_with("UID STORE") || c.contains("EXPUNGE")), "{:?}", liar.commands());
    let liar = Liar::start("UIDPLUS MOVE", |_, command| match command.starts_with("UID STORE") {
        true => Act::Say("TAG NO [READ-ONLY] not here\r\n".into()),
        false => Act::Honest,
    });
    stays(&liar, "seen", "STORE: not here");
}
