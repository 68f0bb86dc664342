//! Everything that an agent can ask for by mail: commands that ask, wait and take back, and those to the desk address.

use ombud_tests::mail::tokens;
use ombud_tests::places::lacks;
use ombud_tests::{Desk, Draft, Letter, Options, certificates, wait_for, wait_until};
use serde_json::Value;

use crate::{ANN, BOB, JANE, answers_to_ann, release_address, ticket_of_ann};

const CARL: &str = "carl@customer.test";

fn by_jane(notice: &Letter, body: &str) -> Draft {
    Draft::answer("Jane Doe <jane@agents.test>", notice, body)
}

/// Jane's mail to her desk address, which every mail to her names.
fn to_desk(notice: &Letter, subject: &str, body: &str) -> Draft {
    let address = notice.address("List-Post");
    Draft::new("Jane Doe <jane@agents.test>", address.trim_matches(['<', '>']).trim_start_matches("mailto:"), subject, body)
}

fn ticket(desk: &Desk, number: &Value) -> Value {
    desk.get(&format!("/api/v1/tickets/{number}"))
}

/// A desk whose answers wait, so that they can be taken back.
fn that_waits() -> Desk {
    let desk = Desk::prepare(Options::default());
    desk.configure(&desk.configuration().replace("[outbound]\n", "[outbound]\nundo = \"1h\"\n"));
    desk.agent(JANE, "Jane Doe", "admin");
    desk.running()
}

#[track_caller]
fn is_held(fate: &Value, reason: &str) {
    assert_eq!((&fate["kind"], &fate["reason"]), (&"held".into(), &reason.into()), "{fate}");
}

#[test]
fn a_requester_is_changed_after_a_word_of_the_agents() {
    let desk = Desk::with_jane();
    let (number, notice) = ticket_of_ann(&desk, "Whose is it");
    let mail = by_jane(&notice, "@requester carl@customer.test\n\nHello Carl, this is yours.");
    is_held(&desk.deliver(&mail), "confirm");
    desk.settle();
    assert_eq!(ticket(&desk, &number)["requester"]["address"], ANN);
    let held = desk.out().expect(JANE, "that it waits", |l| l.text().contains("this is yours"));
    desk.deliver(&Draft::new("Jane Doe <jane@agents.test>", &release_address(&held), "Re: held", "yes"));
    let answer = desk.out().expect(CARL, "the answer", |l| l.text().contains("this is yours"));
    assert!(!answer.everything().contains("it does not work"), "what Ann wrote is hers:\n{}", answer.text());
    wait_until("a new requester", || ticket(&desk, &number)["requester"]["address"] == CARL);
    desk.settle();
    assert!(answers_to_ann(&desk).is_empty());
    let receipt = desk.out().expect(JANE, "a receipt", |l| l.text().contains("gets no more answers"));
    assert!(receipt.text().contains(ANN), "{}", receipt.text());

    // Carl's answer comes to the same ticket.
    let fate = desk.deliver(&Draft::answer("Carl <carl@customer.test>", &answer, "Thank you."));
    assert_eq!((&fate["kind"], &fate["ticket"]), (&"message".into(), &number), "{fate}");
}

#[test]
fn a_requester_is_changed_at_once_by_who_has_logged_in() {
    let desk = Desk::prepare(Options { require: "aligned", ..Options::default() });
    certificates::make(&desk.path(""));
    let listen = "listen = [\"tls:127.0.0.1:0\"]\ntls = { cert = \"cert.pem\", key = \"key.pem\" }";
    desk.configure(&desk.configuration().replace("[lmtp]", &format!("[submission]\n{listen}\n[lmtp]")));
    desk.agent(JANE, "Jane Doe", "admin");
    let desk = desk.running();
    let (number, notice) = ticket_of_ann(&desk, "Known better");
    let password = desk.cli(&["agent", "app-password", JANE]).out.split_whitespace().last().expect("a password").to_owned();
    let mut smtp = ombud_tests::Smtp::over_tls(desk.ports().submission[0].expect("a listener"), &desk.path("ca.pem"));
    assert_eq!(smtp.log_in(JANE, &password).code, 235);
    let mail = by_jane(&notice, "@requester carl@customer.test\n@cc add ann@customer.test");
    let to: Vec<&str> = mail.recipients.iter().map(String::as_str).collect();
    assert_eq!(smtp.mail(&mail.sender, &to, &mail.bytes()).expect("a reply").code, 250);
    assert_eq!(desk.fate(&mail.id)["kind"], "message");
    let state = ticket(&desk, &number);
    assert_eq!((&state["requester"]["address"], &state["participants"].as_array().unwrap().len()), (&CARL.into(), &2), "{state}");
    desk.deliver(&by_jane(&notice, "@requester support@desk.test"));
    assert_eq!(ticket(&desk, &number)["requester"]["address"], CARL);
}

#[test]
fn copying_somebody_from_outside_waits_for_a_word_of_the_agents() {
    let desk = Desk::with_jane();
    let (number, notice) = ticket_of_ann(&desk, "Who reads it");
    for command in ["@cc add dan@customer.test", "@cc add eva@it.customer.test", "@cc add sales@desk-partner.test"] {
        let fate = desk.deliver(&by_jane(&notice, command));
        assert_eq!(fate["kind"] == "held", command.contains("partner"), "{command}: {fate}");
    }
    let asked = desk.out().expect(JANE, "what will happen", |l| l.text().contains("@cc add sales@desk-partner.test"));
    assert!(asked.text().contains("gets a copy of each"), "{}", asked.text());
    let people = || ticket(&desk, &number)["participants"].as_array().map_or(0, Vec::len);
    assert_eq!(people(), 3);
    desk.deliver(&Draft::new("Jane Doe <jane@agents.test>", &release_address(&asked), "Re: held", "yes"));
    wait_until("a fourth participant", || people() == 4);
    let both = format!("@ticket {number}\n@cc remove dan@customer.test\n@cc add x@elsewhere.test");
    is_held(&desk.deliver(&to_desk(&notice, "two", &both)), "confirm");
    assert_eq!(people(), 4);
}

#[test]
fn a_ticket_is_put_off_until_somebody_writes() {
    let desk = Desk::with_jane();
    let (number, notice) = ticket_of_ann(&desk, "Later");
    desk.deliver(&by_jane(&notice, "@assign me\n@snooze 2d"));
    let receipt = desk.out().expect(JANE, "a receipt", |l| l.text().contains("On hold until 20"));
    assert!(receipt.text().contains("UTC"), "{}", receipt.text());
    assert_eq!(ticket(&desk, &number)["status"], "on_hold");
    for (line, part) in [("@snooze soon", "tomorrow 9:00"), ("@snooze 2020-01-01", "has passed"), ("@snooze 900d", "further away")] {
        is_held(&desk.deliver(&by_jane(&notice, line)), "command_error");
        desk.out().expect(JANE, "what is wrong", |l| l.text().contains(line.split(' ').next().unwrap()) && l.text().contains(part));
    }
    assert_eq!(ticket(&desk, &number)["status"], "on_hold");
    // Whoever writes meanwhile ends it.
    desk.deliver(
        &Draft::new("Ann Smith <ann@customer.test>", crate::SUPPORT, "Re: Later", "It is urgent now.")
            .header("In-Reply-To", &notice.header("References").unwrap_or_default()),
    );
    wait_until("the ticket to be open", || ticket(&desk, &number)["status"] == "open");
}

#[test]
fn a_ticket_that_was_put_off_comes_back() {
    let name = "a_ticket_that_was_put_off_comes_back";
    let Some(library) = crate::clock::library() else { return lacks(name, "no libfaketime here") };
    let mut desk = Desk::prepare(Options::default());
    desk.agent(JANE, "Jane Doe", "admin");
    let clock = desk.path("clock");
    std::fs::write(&clock, "+0").unwrap();
    let (preload, file) = (library.display().to_string(), clock.display().to_string());
    assert!(desk.serve_under(&[], &crate::clock::variables(&preload, &file)), "{}", desk.log());
    let (number, notice) = ticket_of_ann(&desk, "In two days");
    desk.deliver(&by_jane(&notice, "@assign me\n@snooze 2d"));
    assert_eq!(ticket(&desk, &number)["status"], "on_hold");
    std::fs::write(&clock, "+3d").unwrap();
    let back = desk.out().expect(JANE, "that it is open again", |l| l.text().starts_with("This ticket was put off until now"));
    assert!(back.text().contains("it does not work") && back.html().contains("put off"), "{}", back.text());
    assert_eq!(ticket(&desk, &number)["status"], "open");
    desk.deliver(&by_jane(&back, "It works now."));
    let answer = desk.out().expect(ANN, "the answer", |l| l.text().contains("It works now."));
    assert!(!answer.everything().contains("put off"), "{}", answer.text());
}

#[test]
fn a_history_goes_to_the_agent_alone() {
    let desk = Desk::with_jane();
    let (number, notice) = ticket_of_ann(&desk, "From the beginning");
    desk.deliver(&by_jane(&notice, "@note she is a regular"));
    desk.deliver(&by_jane(&notice, "We are on it."));
    let fate = desk.deliver(&by_jane(&notice, "@history"));
    assert_eq!((&fate["kind"], &fate["ticket"]), (&"message".into(), &number), "{fate}");
    let history = desk.out().expect(JANE, "the history", |l| l.text().contains("All that was said"));
    let text = history.text();
    let places: Vec<_> = ["it does not work", "she is a regular", "We are on it."].map(|part| text.find(part)).into();
    assert!(places.iter().all(Option::is_some) && places.is_sorted(), "in order:\n{text}");
    assert!(history.header("Subject").is_some_and(|s| s == format!("[#{number}] From the beginning")));
    assert_eq!(history.address("Reply-To"), history.labelled("Note (stays inside):")[0], "an answer to it is a note");
    assert_eq!(tokens(&text).len(), 2);
    desk.settle();
    assert_eq!(answers_to_ann(&desk).len(), 1);
    assert_eq!(desk.out().to(JANE).iter().filter(|l| l.text().starts_with("All that was said")).count(), 1, "no receipt beside it");
}

#[test]
fn help_lists_what_can_be_written() {
    let desk = Desk::with_jane();
    let (_, notice) = ticket_of_ann(&desk, "What can I do");
    for mail in [by_jane(&notice, "@help"), by_jane(&notice, "@Hilfe"), to_desk(&notice, "", "@help")] {
        let before = desk.out().to(JANE).len();
        assert_eq!(desk.deliver(&mail)["kind"], "message");
        let help = wait_for("one more mail", || desk.out().to(JANE).into_iter().nth(before));
        for part in ["@snooze 3d|tomorrow 9:00|2026-12-01", "@undo", "@ticket 12, 14", "@new EMAIL", "@notiz"] {
            assert!(help.text().contains(part), "{part}:\n{}", help.text());
        }
        assert_eq!(help.address("Reply-To"), to_desk(&notice, "", "").recipients[0]);
    }
    desk.settle();
    assert!(answers_to_ann(&desk).is_empty());
}

#[test]
fn a_search_is_answered_by_mail() {
    let desk = Desk::with_jane();
    let (number, notice) = ticket_of_ann(&desk, "Flux capacitor");
    let found = wait_for("the index to know it", || {
        desk.deliver(&to_desk(&notice, "", "@search subject:flux from:ann"));
        desk.settle();
        desk.out().to(JANE).into_iter().find(|l| l.text().contains(&format!("#{number} Flux capacitor")))
    });
    assert!(found.header("Subject").is_some_and(|s| s.starts_with("Search: subject:flux")), "{:?}", found.header("Subject"));
    assert!(found.text().contains("it does not work"), "{}", found.text());
    desk.deliver(&by_jane(&notice, "@search \"flux"));
    desk.out().expect(JANE, "where it can't be read", |l| l.text().contains("column 1"));
    desk.deliver(&by_jane(&notice, "@buscar unicorn"));
    desk.out().expect(JANE, "that there is none", |l| l.text().contains("Nothing is like this"));
    // An answer to what was found does something.
    desk.deliver(&Draft::answer("Jane Doe <jane@agents.test>", &found, &format!("@ticket {number}\n@solve")));
    assert_eq!(ticket(&desk, &number)["status"], "solved");
    desk.settle();
    assert!(answers_to_ann(&desk).is_empty());
}

#[test]
fn an_answer_is_taken_back_while_it_waits() {
    let desk = that_waits();
    let (number, notice) = ticket_of_ann(&desk, "Too fast");
    let line = "It was the gardener, who left by the window of the library.";
    desk.deliver(&by_jane(&notice, line));
    assert_eq!(ticket(&desk, &number)["status"], "pending");
    assert_eq!(desk.deliver(&by_jane(&notice, "@undo"))["kind"], "message");
    let receipt = desk.out().expect(JANE, "a receipt", |l| l.text().contains("taken back"));
    assert!(receipt.text().contains(&format!("> {line}")), "{}", receipt.text());
    assert_eq!(ticket(&desk, &number)["status"], "open");
    let messages = desk.messages(&number);
    assert_eq!((&messages[1]["kind"], &messages[1]["public"]), (&"note".into(), &false.into()), "{messages:?}");
    let waiting = desk.cli(&["queue", "list", "--json"]);
    assert!(waiting.code == 0 && !waiting.out.contains("\"answer\""), "{}", waiting.out);
    // There is nothing left to take back.
    is_held(&desk.deliver(&by_jane(&notice, "@undo\n@close")), "command_error");
    assert_eq!(ticket(&desk, &number)["status"], "open", "all or nothing");
    // And another text instead.
    assert_eq!(desk.deliver(&by_jane(&notice, &format!("{line}\n\nOr it was the cook.")))["kind"], "message");
    desk.deliver(&by_jane(&notice, "@annuler\n\nIt was the butler."));
    let messages = desk.messages(&number);
    let kinds: Vec<_> = messages.iter().map(|m| m["kind"].as_str().unwrap_or_default()).collect();
    assert_eq!(kinds, ["customer", "note", "note", "agent"], "{messages:?}");
    assert_eq!(ticket(&desk, &number)["status"], "pending");
    assert!(answers_to_ann(&desk).is_empty());
}

#[test]
fn what_has_left_is_not_taken_back() {
    let desk = Desk::with_jane();
    let (number, notice) = ticket_of_ann(&desk, "Too late");
    desk.deliver(&by_jane(&notice, "It was the gardener."));
    desk.out().expect(ANN, "the answer", |l| l.text().contains("gardener"));
    desk.settle();
    is_held(&desk.deliver(&by_jane(&notice, "@undo\n@priority high\n\nSorry.")), "command_error");
    desk.out().expect(JANE, "why", |l| l.text().contains("has left") && l.text().contains("> Sorry."));
    desk.settle();
    assert_eq!((answers_to_ann(&desk).len(), &ticket(&desk, &number)["priority"]), (1, &"normal".into()));
}

#[test]
fn commands_have_one_receipt_and_a_plain_answer_none() {
    let desk = Desk::prepare(Options::default());
    desk.agent(JANE, "Jane Doe", "admin");
    desk.agent(BOB, "Bob Roe", "agent");
    assert_eq!(desk.cli(&["agent", "set", BOB, "--receipts", "all"]).code, 0);
    let desk = desk.running();
    let (number, notice) = ticket_of_ann(&desk, "Receipts");
    let is_receipt = |l: &Letter| l.header("Auto-Submitted").is_some() && !l.text().contains("Answer:") && !l.text().contains("has it");
    let receipts = |who: &str| {
        desk.settle();
        desk.out().to(who).into_iter().filter(is_receipt).collect::<Vec<_>>()
    };
    desk.deliver(&by_jane(&notice, "It works again."));
    assert!(receipts(JANE).is_empty());
    desk.deliver(&by_jane(&notice, "@priority low\n@tag vip\n@follow\n\nIt does."));
    let found = receipts(JANE);
    assert_eq!(found.len(), 1);
    for part in ["Priority is low", "Tags are vip", "You follow it"] {
        assert!(found[0].text().contains(part), "{part}: {}", found[0].text());
    }
    let to_bob = desk.out().expect(BOB, "his notification", |l| l.header("Subject").is_some_and(|s| s == format!("[#{number}] Receipts")));
    let fate = desk.deliver(&Draft::answer("Bob Roe <bob@agents.test>", &to_bob, "@note He knows."));
    assert_eq!(fate["reason"], "note", "{fate}");
    assert_eq!(receipts(BOB).len(), 1);
}

#[test]
fn what_is_not_built_yet_says_so_and_holds() {
    let desk = Desk::with_jane();
    let (number, notice) = ticket_of_ann(&desk, "Some day");
    for line in ["@macro hello", "@kb printer", "@merge 12", "@split"] {
        is_held(&desk.deliver(&by_jane(&notice, &format!("@close\n{line}\n\nHello Ann."))), "command_error");
        desk.out().expect(JANE, line, |l| l.text().contains(&format!("{line}: ")) && l.text().contains("not built yet"));
    }
    desk.settle();
    assert!(answers_to_ann(&desk).is_empty());
    assert_eq!(ticket(&desk, &number)["status"], "open");
}

#[test]
fn words_of_other_languages_are_commands() {
    let desk = Desk::with_jane();
    let (number, notice) = ticket_of_ann(&desk, "Sprachen");
    desk.deliver(&by_jane(&notice, "@zuweisen me\n@étiquette vip\n@prioridad high\n@chiudi\n\nDone, Ann."));
    let answer = desk.out().expect(ANN, "the answer", |l| l.text().contains("Done, Ann."));
    for word in ["@zuweisen", "tiquette", "@prioridad", "@chiudi"] {
        assert!(!answer.everything().contains(word), "{word}");
    }
    let state = ticket(&desk, &number);
    assert_eq!((&state["priority"], &state["status"], &state["tags"][0]), (&"high".into(), &"closed".into(), &"vip".into()));
    is_held(&desk.deliver(&by_jane(&notice, "@notitz geheim")), "command_error");
    is_held(&desk.deliver(&by_jane(&notice, "Hallo\n@Notiz geheim")), "near_miss");
    desk.settle();
    assert_eq!(answers_to_ann(&desk).len(), 1);
}

#[test]
fn commands_for_several_tickets_come_to_the_desk_address() {
    let desk = Desk::with_jane_and_bob();
    let (one, notice) = ticket_of_ann(&desk, "Printer one");
    let (two, _) = ticket_of_ann(&desk, "Printer two");
    let (three, _) = ticket_of_ann(&desk, "Scanner");
    let body =
        format!("@ticket {one}, {two} \"printer\"\n@tag paper\n@assign bob@agents.test\n\n@ticket {three}\n@note all is well\n@solve");
    assert_eq!(desk.deliver(&to_desk(&notice, "Some work", &body))["kind"], "message");
    for number in [&one, &two] {
        let state = ticket(&desk, number);
        assert_eq!((&state["tags"][0], &state["assignee"]["address"]), (&"paper".into(), &BOB.into()), "{state}");
    }
    assert_eq!(ticket(&desk, &three)["status"], "solved");
    assert_eq!(desk.messages(&three)[1]["kind"], "note");
    let receipt =
        desk.out().expect(JANE, "a receipt", |l| l.text().contains("Assigned to Bob Roe") || l.text().contains("assigned to Bob Roe"));
    for number in [&one, &two, &three] {
        assert!(receipt.text().contains(&format!("#{number} ")), "{}", receipt.text());
    }
    for subject in ["Printer one", "Printer two"] {
        desk.out().expect(BOB, "that he has it", |l| {
            l.header("Subject").is_some_and(|s| s.ends_with(subject)) && l.text().contains("You have it now")
        });
    }
    desk.settle();
    assert!(answers_to_ann(&desk).is_empty());
    assert_eq!(desk.out().to(JANE).iter().filter(|l| l.text().contains("ssigned to Bob Roe")).count(), 1, "one receipt");
}

#[test]
fn a_wrong_line_to_the_desk_address_carries_out_nothing_at_all() {
    let desk = Desk::with_jane();
    let (one, notice) = ticket_of_ann(&desk, "Printer one");
    let (two, _) = ticket_of_ann(&desk, "Scanner");
    let good = format!("@ticket {one}\n@close\n");
    for (bad, part) in [
        (format!("@ticket {one}, {two} \"printer\"\n@tag x"), "does not stand in the subject"),
        ("@ticket 4711\n@close".to_owned(), "there is no ticket #4711"),
        (format!("@ticket {two}\n@cc remove nobody@x.test"), "no copied person"),
        (format!("@ticket {two}\n@slove"), "@solve"),
        (format!("@ticket {two}\nThank you."), "Thank you."),
        (format!("@ticket {two}\n@undo"), "you have no answer"),
        ("@new ann@customer.test".to_owned(), "begins with a text"),
        ("@new support@desk.test\nHello".to_owned(), "an address of this desk"),
        ("@new ann@customer.test\nHello\n@close".to_owned(), "below other text"),
    ] {
        let fate = desk.deliver(&to_desk(&notice, "Work", &format!("{good}{bad}")));
        assert_eq!(fate["kind"], "held", "{bad}: {fate}");
        let back = desk.out().expect(JANE, part, |l| l.text().contains(part) && l.text().starts_with("Nothing was sent"));
        assert!(back.text().contains("@ticket 12, 14") && back.text().contains(&format!("> @ticket {one}")), "{}", back.text());
        assert_eq!(back.address("Reply-To"), to_desk(&notice, "", "").recipients[0]);
    }
    is_held(&desk.deliver(&to_desk(&notice, "Work", "Hello")), "command_error");
    desk.settle();
    assert_eq!(ticket(&desk, &one)["status"], "open");
    assert!(answers_to_ann(&desk).is_empty());
}

#[test]
fn a_new_conversation_shows_nothing_of_the_agent() {
    let desk = Desk::with_jane();
    let (_, notice) = ticket_of_ann(&desk, "Another matter");
    let mail =
        to_desk(&notice, "Your order", "@new Carl@customer.test\n@tag order\n\nDear Carl,\nit is on its way.\n\n-- \nJane, +49 30 1234")
            .attach("order.pdf", b"not really");
    let fate = desk.deliver(&mail);
    assert_eq!(fate["kind"], "ticket", "{fate}");
    let letter = desk.out().expect("Carl@customer.test", "our mail", |l| l.text().contains("on its way"));
    assert_eq!(letter.header("Subject").as_deref(), Some("Your order"));
    assert_eq!(letter.attachments()[0].0, "order.pdf");
    for part in ["jane@", "agents.test", "@new", "@tag", "+49"] {
        assert!(!letter.everything().contains(part), "{part}:\n{}", letter.text());
    }
    let number = fate["ticket"].clone();
    let state = ticket(&desk, &number);
    assert_eq!(
        (&state["status"], &state["assignee"]["address"], &state["requester"]["address"], &state["tags"][0]),
        (&"pending".into(), &JANE.into(), &"Carl@customer.test".into(), &"order".into())
    );
    let receipt = desk.out().expect(JANE, "a receipt", |l| l.text().contains("was sent, without your address"));
    assert!(receipt.header("Subject").is_some_and(|s| s == format!("[#{number}] Your order")));
    // Carl's answer comes to it, and to Jane.
    let fate = desk.deliver(&Draft::answer("Carl <carl@customer.test>", &letter, "Thank you."));
    assert_eq!((&fate["kind"], &fate["ticket"]), (&"message".into(), &number), "{fate}");
    desk.out().expect(JANE, "a notification", |l| l.text().contains("Thank you."));
    assert_eq!(ticket(&desk, &number)["status"], "open");
    // The same mail again is no second one.
    assert!(desk.send(&mail).is_yes());
    desk.settle();
    assert_eq!(desk.out().to("Carl@customer.test").iter().filter(|l| l.text().contains("on its way")).count(), 1);
}

#[test]
fn nobody_else_gives_orders_to_the_desk_address() {
    let desk = Desk::with_jane_and_bob();
    let (one, notice) = ticket_of_ann(&desk, "Mine");
    for from in ["Ann Smith <ann@customer.test>", "Bob Roe <bob@agents.test>"] {
        let mut mail = to_desk(&notice, "Work", &format!("@ticket {one}\n@close"));
        mail = Draft::new(from, &mail.recipients[0].clone(), "Work", &format!("@ticket {one}\n@close"));
        desk.deliver(&mail);
    }
    let away = to_desk(&notice, "Automatic reply", &format!("@ticket {one}\n@close")).header("Auto-Submitted", "auto-replied");
    desk.deliver(&away);
    desk.settle();
    assert_eq!(ticket(&desk, &one)["status"], "open");
}

#[test]
fn the_list_header_of_a_notification_unfollows_its_ticket() {
    let desk = Desk::with_jane_and_bob();
    let (one, notice) = ticket_of_ann(&desk, "Follow me");
    desk.deliver(&by_jane(&notice, "@assign bob@agents.test\n@follow"));
    let header = notice.header("List-Unsubscribe").expect("a way out");
    let (address, query) = header.trim_matches(['<', '>']).trim_start_matches("mailto:").split_once('?').expect("a command");
    let body = query.split('&').find_map(|part| part.strip_prefix("body=")).expect("a body");
    let body = body.replace("%40", "@").replace("%20", " ").replace("%0D%0A", "\n");
    assert_eq!(desk.deliver(&Draft::new("Jane Doe <jane@agents.test>", address, "Unfollow", &body))["kind"], "message");
    desk.settle();
    let before = desk.out().to(JANE).len();
    desk.deliver(&Draft::answer("Ann Smith <ann@customer.test>", &desk.out().expect(ANN, "anything", |_| true), "Anybody there?"));
    desk.out().expect(BOB, "a notification", |l| l.text().contains("Anybody there?"));
    desk.settle();
    assert_eq!(desk.out().to(JANE).len(), before, "#{one}");
}

#[test]
fn each_action_of_the_table_has_its_test() {
    let table = std::fs::read_to_string(ombud_tests::places::root().join("tests/agent-actions.md")).expect("the table");
    let folder = ombud_tests::places::root().join("tests/suite");
    let suites: String =
        std::fs::read_dir(folder).expect("suites").flatten().filter_map(|f| std::fs::read_to_string(f.path()).ok()).collect();
    let rows: Vec<_> = table.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| what")).collect();
    assert!(rows.len() > 20, "{} rows", rows.len());
    for row in rows {
        let tests = row.trim_end_matches('|').rsplit('|').next().unwrap_or_default();
        let named: Vec<_> = tests.split('`').skip(1).step_by(2).collect();
        assert!(!named.is_empty(), "no test in: {row}");
        for test in named {
            assert!(suites.contains(&format!("fn {test}()")), "there is no test {test}");
        }
    }
}
