//! Two daemons on one PostgreSQL.

use std::time::{Duration, Instant};

use ombud_tests::{Act, Chance, Desk, Dovecot, Draft, Liar, Options, places, postgres, wait_for, wait_until};

use crate::load::{Load, once_at_the_customer, once_in_the_inbox};
use crate::{JANE, answers_to_ann, campaign, from_ann, ticket_of_ann};

/// At least so many kills.
const KILLS: usize = 36;
const CLIENTS: usize = 4;
const NO_SERVER: &str = "no OMBUD_TEST_POSTGRES";

/// A desk on a fresh database of the server, with Jane, not running yet; nothing where there is no server.
fn prepared(test: &str, options: Options) -> Option<Desk> {
    if postgres::server().is_none() {
        places::lacks(test, NO_SERVER);
        return None;
    }
    let desk = Desk::prepare(Options { database: Some(postgres::fresh()), ..options });
    desk.agent(JANE, "Jane Doe", "admin");
    Some(desk)
}

fn first(test: &str, options: Options) -> Option<Desk> {
    prepared(test, options).map(Desk::running)
}

/// The shortest silence after which one is taken for dead.
fn impatient() -> Options {
    Options { more: "[limits]\nnotifications_per_agent_hour = 1000000\nnode_silence = \"3s\"\n", ..busy() }
}

fn busy() -> Options {
    Options {
        mailbox: "auto_ack = \"never\"",
        more: "[limits]\nnotifications_per_agent_hour = 1000000\nanswers_per_agent_hour = 100000\nattempts = 100\n",
        ..Options::default()
    }
}

#[test]
fn either_is_killed_and_nothing_is_lost_or_twice() {
    let Some(one) = first("either_is_killed_and_nothing_is_lost_or_twice", busy()) else { return };
    let mut desks = [one.beside(busy()).running(), one];
    let (_, notice) = ticket_of_ann(&desks[1], "Answered under load");
    let running = Load::start(&[&desks[0], &desks[1]], CLIENTS, &notice);
    let mut chance = Chance::of_this_run();
    for _ in 0..KILLS {
        // Who is killed is chance, too.
        chance.pause(500);
        let who = usize::try_from(chance.below(2)).unwrap();
        desks[who].kill();
        // Meanwhile the other works alone.
        chance.pause(200);
        desks[who].serve(&[]);
        running.load.listeners.lock().unwrap()[who] = desks[who].ports().smtp;
    }
    let sent = running.end();
    assert!(sent.len() > KILLS, "{} mails", sent.len());
    desks[0].settle();
    once_in_the_inbox(&desks[0], &sent);
    once_at_the_customer(&desks[1], &sent);
    let dense = || postgres::sql(&desks[0].database(), "SELECT COUNT(*) = MAX(seq) AND COUNT(*) = COUNT(seq) FROM event") == "t";
    wait_until("every event has its place", dense);
}

#[test]
fn one_dies_at_a_time_at_every_point_and_the_other_carries_on() {
    if postgres::server().is_none() {
        return places::lacks("one_dies_at_a_time_at_every_point_and_the_other_carries_on", NO_SERVER);
    }
    campaign::with_two_desks(postgres::fresh());
}

#[test]
fn the_other_takes_over_what_a_dead_one_held() {
    let Some(mut one) = first("the_other_takes_over_what_a_dead_one_held", impatient()) else { return };
    let two = one.beside(impatient()).running();
    // A mail as a process leaves it that dies in the middle: in its hands, and it has not yet been missed.
    one.kill();
    let grab = "CREATE FUNCTION grab() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        NEW.state := 'claimed'; NEW.claimed_by := (SELECT MIN(id) FROM node); NEW.attempts := 1; RETURN NEW; END $$;
        CREATE TRIGGER grab BEFORE INSERT ON inbox FOR EACH ROW EXECUTE FUNCTION grab()";
    postgres::sql(&two.database(), grab);
    let mail = from_ann("Taken over", "Hello.");
    assert!(two.send(&mail).is_yes());
    postgres::sql(&two.database(), "DROP TRIGGER grab ON inbox");
    assert_eq!(two.fate(&mail.id)["kind"], "ticket", "the living one decides what the dead one had claimed");
}

#[test]
fn one_that_was_asleep_too_long_stops_and_sends_nothing_twice() {
    let Some(mut one) = first("one_that_was_asleep_too_long_stops_and_sends_nothing_twice", impatient()) else { return };
    let two = one.beside(impatient()).running();
    one.signal("STOP");
    let dead = || postgres::sql(&two.database(), "SELECT COUNT(*) FROM node WHERE dead = 1") == "1";
    wait_until("the sleeper is taken for dead", dead);
    let (_, notice) = ticket_of_ann(&two, "While one sleeps");
    assert!(two.send(&Draft::answer("Jane Doe <jane@agents.test>", &notice, "Here you are.")).is_yes());
    one.signal("CONT");
    let ended = one.wait_for_end(Duration::from_secs(30));
    assert_eq!(ended.code(), Some(75), "it says that it was missed, so that it is started again");
    assert!(one.log().contains("took this daemon for dead"), "{}", one.log());
    two.settle();
    assert_eq!(answers_to_ann(&two).len(), 1);
}

/// Two that fetch the same mailbox, both running.
fn fetching(test: &str, section: &str) -> Option<[Desk; 2]> {
    let one = prepared(test, impatient())?;
    let two = one.beside(impatient());
    for desk in [&one, &two] {
        desk.configure(&format!("{}{section}", desk.configuration()));
    }
    Some([one.running(), two.running()])
}

#[test]
fn one_mailbox_is_fetched_by_one() {
    let liar = Liar::start("IDLE", |_, _| Act::Honest);
    let Some(mut desks) = fetching("one_mailbox_is_fetched_by_one", &liar.section()) else { return };
    let fetches = |desk: &Desk| desk.log().contains("fetching begins");
    let poller = wait_for("one of them to fetch", || desks.iter().position(fetches));
    let mut mails = Vec::new();
    for n in 0..3 {
        mails.push(from_ann(&format!("While both are there {n}"), "Hello?"));
        liar.deliver(&mails[n].bytes());
        assert_eq!(desks[1 - poller].fate(&mails[n].id)["kind"], "ticket");
    }
    assert_eq!(liar.connections(), 1, "the other one keeps away");
    desks[poller].kill();
    mails.push(from_ann("The other is alone", "Hello?"));
    liar.deliver(&mails[3].bytes());
    assert_eq!(desks[1 - poller].fate(&mails[3].id)["kind"], "ticket");
    let bodies = liar.commands().iter().filter(|command| command.contains("BODY.PEEK[]")).count();
    assert_eq!((liar.connections(), bodies), (2, mails.len()), "each was fetched once");
}

#[test]
fn whoever_fetches_is_killed_and_each_mail_comes_once() {
    let dovecot = Dovecot::start();
    let section = format!("{}start = \"all\"\nafter = \"seen\"\npoll = \"1s\"\n", dovecot.section());
    let Some(mut desks) = fetching("whoever_fetches_is_killed_and_each_mail_comes_once", &section) else { return };
    let fetched = |desk: &Desk| desk.log().matches("mail fetched").count();
    let mut mails: Vec<Draft> = Vec::new();
    for round in 0..4 {
        let before = [fetched(&desks[0]), fetched(&desks[1])];
        for n in 0..25 {
            let mail = from_ann(&format!("Round {round}, mail {n}"), "Hello?");
            dovecot.deliver(&mail.bytes(), None);
            mails.push(mail);
        }
        let poller = wait_for("one of them to fetch", || (0..2).find(|who| fetched(&desks[*who]) > before[*who]));
        desks[poller].kill();
        for mail in &mails {
            assert_eq!(desks[1 - poller].fate(&mail.id)["kind"], "ticket", "the other one fetches what is left");
        }
        desks[poller].serve(&[]);
    }
    for mail in &mails {
        assert_eq!(desks[0].fates(&mail.id).len(), 1);
    }
    assert_eq!(desks[1].list("/api/v1/inbox").len(), mails.len());
}

#[test]
fn one_with_other_keys_is_refused() {
    let Some(one) = first("one_with_other_keys_is_refused", busy()) else { return };
    let two = one.beside(busy());
    std::fs::remove_dir_all(two.path("data/keys")).unwrap();
    let start = Instant::now();
    let ran = two.cli(&["serve"]);
    assert_eq!(ran.code, 78, "{}", ran.err);
    assert!(ran.err.contains("other keys") && ran.err.contains("copy"), "{}", ran.err);
    assert!(start.elapsed() < Duration::from_secs(20));
}
