//! The mail clients that people really use, against a desk that believes nobody without a signature of their domain: neomutt,
//! s-nail, Python's `email`, and answers that others were recorded with.

use std::fs;

use ombud_tests::client::Client;
use ombud_tests::{Desk, Dns, Draft, Letter, Options};
use serde_json::Value;

use crate::corpora::folder;
use crate::{ANN, JANE, SUPPORT, answers_to_ann};

/// A desk with a name server of its own, Ann and Jane, each with a provider that signs.
struct World {
    desk: Desk,
    ann: Client,
    jane: Client,
    _dns: Dns,
}

impl World {
    fn new() -> Self {
        let dns = Dns::start();
        let desk = Desk::prepare(Options { require: "aligned", resolver: Some(dns.address()), ..Options::default() });
        desk.agent(JANE, "Jane Doe", "admin");
        let (ann, jane) = (Client::of("Ann Smith", ANN, &dns), Client::of("Jane Doe", JANE, &dns));
        Self { desk: desk.running(), ann, jane, _dns: dns }
    }

    /// Ann writes; her ticket, and what Jane hears of it. Each has it in her folder.
    fn ticket(&self, subject: &str) -> (Value, Letter) {
        self.asked(subject, "Hello, it does not work.\nAnn")
    }

    /// The same with other words.
    fn asked(&self, subject: &str, words: &str) -> (Value, Letter) {
        let mail = Draft::new("Ann Smith <ann@customer.test>", SUPPORT, subject, words);
        let fate = self.ann.hand(&self.desk, &[SUPPORT.into()], &mail.bytes());
        assert_eq!(fate["kind"], "ticket", "{fate}");
        let notice = self.desk.out().expect(JANE, subject, |l| l.header("Subject").is_some_and(|s| s.ends_with(subject)));
        self.jane.receive(&notice);
        (fate["ticket"].clone(), notice)
    }

    /// What Ann gets and contains this; it lands in her folder.
    #[track_caller]
    fn ann_gets(&self, words: &str) -> Letter {
        let letter = self.desk.out().expect(ANN, words, |l| l.text().contains(words));
        self.ann.receive(&letter);
        letter
    }

    fn status(&self, ticket: &Value) -> Value {
        self.desk.get(&format!("/api/v1/tickets/{ticket}"))["status"].clone()
    }
}

/// What an agent's mail says above the customer's quote.
fn above_the_quote(letter: &Letter) -> String {
    let text = letter.text();
    text.split("\nOn ").next().unwrap_or_default().trim().to_owned()
}

#[test]
fn a_whole_conversation_in_neomutt_is_one_thread() {
    let world = World::new();
    let (ticket, notice) = world.ticket("Printer on fire");
    world.ann_gets("number");

    let at_work = world.jane.neomutt();
    at_work.sees("Printer on fire");
    at_work.answers("Please unplug it.");
    assert_eq!(world.jane.sends(&world.desk)["kind"], "message");
    let answer = world.ann_gets("Please unplug it.");
    assert_eq!(above_the_quote(&answer), "Please unplug it.");

    let at_home = world.ann.neomutt();
    at_home.sees("Re: Printer on fire");
    // The last line of a thread is the newest.
    at_home.answers("It still burns.");
    assert_eq!(world.ann.sends(&world.desk)["ticket"], ticket);
    drop(at_home);
    let second = world.desk.out().expect(JANE, "the second notification", |l| l.text().contains("It still burns."));
    world.jane.receive(&second);

    let note = &notice.labelled("Note (stays inside):")[0];
    at_work.writes(note, "A note", "She has an old one.");
    let fate = world.jane.sends(&world.desk);
    assert_eq!((&fate["kind"], &fate["reason"]), (&"message".into(), &"note".into()), "{fate}");
    drop(at_work);

    let again = world.jane.neomutt();
    again.answers("@solve\nA new one is on its way.");
    assert_eq!(world.jane.sends(&world.desk)["kind"], "message");
    world.ann_gets("A new one is on its way.");
    assert_eq!(world.status(&ticket), "solved");
    assert!(answers_to_ann(&world.desk).iter().all(|letter| !letter.everything().contains("an old one")), "a note stays inside");
    drop(again);

    // Ann's first mail, the acknowledgement, three answers; all of it one conversation in both programs.
    let (threads, mails) = world.ann.threads_by_notmuch();
    assert_eq!((threads, mails), (1, 5));
    let screen = world.ann.neomutt();
    screen.sees("Printer on fire");
    let shown = screen.screen();
    assert_eq!(shown.matches("─>").count(), 4, "every mail but the first hangs below another:\n{shown}");
}

#[test]
fn an_agent_answers_from_s_nail() {
    let world = World::new();
    let (ticket, _) = world.ticket("Locked out");
    // Its quote comes first, and the answer below it.
    world.jane.answers_by_s_nail(1, true, "Try the new password.");
    assert_eq!(world.jane.sends(&world.desk)["kind"], "message");
    let answer = world.ann_gets("Try the new password.");
    assert!(!answer.everything().contains("note (stays inside)"));
    world.jane.answers_by_s_nail(1, false, "@note Her cat sat on it.\n@tag cat");
    assert_eq!(world.jane.sends(&world.desk)["reason"], "note");
    assert_eq!(world.status(&ticket), "pending");
    assert_eq!(world.desk.get(&format!("/api/v1/tickets/{ticket}"))["tags"][0], "cat");
    assert_eq!(answers_to_ann(&world.desk).len(), 1);
}

#[test]
fn an_agent_answers_by_pythons_email() {
    let world = World::new();
    let (ticket, _) = world.ticket("By program");
    let (to, mail) = world.jane.answers_by_python("@priority high\nDas hilft: Grüße an die Küche.");
    assert_eq!(world.jane.hand(&world.desk, &to, &mail)["kind"], "message");
    let answer = world.ann_gets("Das hilft");
    assert_eq!(above_the_quote(&answer), "Das hilft: Grüße an die Küche.");
    assert_eq!(world.desk.get(&format!("/api/v1/tickets/{ticket}"))["priority"], "high");
}

/// What those who were recorded had been asked.
const SASHA: &str = "Hello! How are you?\n\nThanks,\nSasha.";

/// Answers that were recorded in other clients: the case of each, and the words it quotes.
const RECORDED: [(&str, &str, &str); 9] = [
    ("Gmail", "chatwoot/mail_with_quote", "Any update on this?"),
    ("Outlook 2010", "reply/talon/html_ms_outlook_2010", SASHA),
    ("Outlook on the web", "reply/talon/html_hotmail", SASHA),
    ("Windows Mail", "reply/talon/html_windows_mail", SASHA),
    ("Thunderbird", "reply/talon/html_thunderbird", SASHA),
    ("Yandex", "reply/talon/html_yandex_ru", SASHA),
    ("Apple Mail on a phone", "reply/talon/std_iphone", "Hi"),
    ("Android", "reply/talon/std_android", "Hi"),
    ("AOL", "reply/talon/std_aol", "Hi"),
];

#[test]
fn recorded_answers_of_other_clients_reach_the_customer_without_their_quote() {
    let Some(folder) = folder("recorded_answers_of_other_clients_reach_the_customer_without_their_quote") else { return };
    let world = World::new();
    for (client, id, asked) in RECORDED {
        let family = id.split('/').next().unwrap_or_default();
        let cases = fs::read_to_string(folder.join(family).join("cases.open.jsonl")).expect("the cases");
        let mut cases = cases.lines().map(|line| serde_json::from_str::<Value>(line).expect("a case"));
        let case = cases.find(|case| case["id"] == id).unwrap_or_else(|| panic!("{id} is missing"));
        let file = case["file"].as_str().expect("a file");
        let recorded = fs::read(folder.join(family).join(file)).expect("the mail");
        let (_, notice) = world.asked(client, asked);
        let mail = readdressed(&recorded, file.ends_with(".html"), &notice);
        let fate = world.jane.hand(&world.desk, &[notice.address("Reply-To")], &mail);
        assert_eq!(fate["kind"], "message", "{client}: {fate}");
        world.desk.settle();
        let answers = answers_to_ann(&world.desk);
        let answer = answers.iter().find(|l| l.header("Subject").is_some_and(|s| s.ends_with(client)));
        let said: String = above_the_quote(answer.unwrap_or_else(|| panic!("{client}: nothing was sent"))).split_whitespace().collect();
        let checks = &case["checks"];
        let keys = ["/reply_visible_text_no_whitespace", "/reply_text", "/text_contains/0"];
        let wanted = keys.iter().find_map(|key| checks.pointer(key)?.as_str());
        let wanted: String = wanted.unwrap_or_else(|| panic!("{id}: {checks}")).split_whitespace().collect();
        // A signature, and what a phone adds to all mail, need not go out.
        let signed = ["Thanks,Alex", "SentfrommyiPhone"];
        let bare = |text: &str| signed.iter().fold(text.to_owned(), |text, tail| text.trim_end_matches(tail).to_owned());
        assert_eq!(bare(&said), bare(&wanted), "{client}");
    }
}

/// A recorded answer as Jane's answer to this mail.
fn readdressed(recorded: &[u8], is_html: bool, notice: &Letter) -> Vec<u8> {
    let id = format!("<{}@agents.test>", notice.address("Message-ID").split('@').next().unwrap_or_default());
    let mut mail = format!(
        "From: Jane Doe <{JANE}>\r\nTo: <{}>\r\nSubject: Re: {}\r\nDate: Sun, 22 Nov 2026 10:00:00 +0000\r\nMessage-ID: {id}\r\nMIME-Version: 1.0\r\n",
        notice.address("Reply-To"),
        notice.header("Subject").unwrap_or_default()
    )
    .into_bytes();
    let text = String::from_utf8_lossy(recorded).replace("\r\n", "\n");
    if is_html {
        mail.extend(format!("Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n{text}").bytes());
        return mail;
    }
    let (head, body) = text.split_once("\n\n").expect("a mail");
    let mut keep = false;
    for line in head.lines() {
        if !line.starts_with([' ', '\t']) {
            keep = line.to_lowercase().starts_with("content-");
        }
        if keep {
            mail.extend(format!("{line}\r\n").bytes());
        }
    }
    mail.extend(format!("\r\n{body}").bytes());
    mail
}
