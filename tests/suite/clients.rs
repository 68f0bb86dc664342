//! The mail clients that people really use, against a desk that believes nobody without a signature of their domain: neomutt,
//! s-nail, Python's `email`, and answers that others were recorded with.

use std::fs;

use ombud_tests::client::{Client, seen_by_python};
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

/// Three pictures, one in the answer in both of Outlook's forms, one in the signature and one in what Outlook quotes, and a file.
const WITH_PICTURES: &str = "Content-Type: multipart/mixed; boundary=m\n\n\
--m\nContent-Type: multipart/related; boundary=r\n\n\
--r\nContent-Type: multipart/alternative; boundary=a\n\n\
--a\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n\
Press this:\n[cid:image001.png@JANES-PC.corp.test]\nSee https://help.test/a?b=1&c=2 – \"<now>\".\n\n-- \nJane [cid:image002.png@JANES-PC.corp.test]\n\n\
From: Desk <support@desk.test>\nSent: today\nTo: Jane\nSubject: x\n\nWhich <b>one</b> is it? [cid:image003.png@JANES-PC.corp.test]\n\
--a\nContent-Type: text/html; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n\
<p>Press this:</p><p><!--[if gte vml 1]><v:shape id=\"P1\"><v:imagedata src=\"cid:image001.png@JANES-PC.corp.test\" o:title=\"\"/></v:shape><![endif]-->\
<![if !vml]><img src=\"cid:image001.png@JANES-PC.corp.test\" v:shapes=\"P1\"><![endif]></p><p>See https://help.test/a?b=1&amp;c=2 – \"&lt;now&gt;\".</p>\
<p>-- <br>Jane <img src=\"cid:image002.png@JANES-PC.corp.test\"></p><div style=\"border:none;border-top:solid #E1E1E1 1.0pt\">\
<p><b>From:</b> Desk &lt;support@desk.test&gt;<br><b>Sent:</b> today<br><b>To:</b> Jane<br><b>Subject:</b> x</p></div>\
<p>Which &lt;b&gt;one&lt;/b&gt; is it? <!--[if gte vml 1]><v:shape><v:imagedata src=\"cid:image003.png@JANES-PC.corp.test\"/></v:shape><![endif]--></p>\n\
--a--\n\
--r\nContent-Type: image/png; name=\"image001.png\"\nContent-ID: <image001.png@JANES-PC.corp.test>\nContent-Transfer-Encoding: base64\n\nAQID\n\
--r\nContent-Type: image/png; name=\"image002.png\"\nContent-ID: <image002.png@JANES-PC.corp.test>\nContent-Transfer-Encoding: base64\n\nBAUG\n\
--r\nContent-Type: image/png; name=\"image003.png\"\nContent-ID: <image003.png@JANES-PC.corp.test>\nContent-Transfer-Encoding: base64\n\nBwgJ\n\
--r--\n\
--m\nContent-Type: application/pdf; name=\"plan.pdf\"\nContent-Disposition: attachment; filename=\"plan.pdf\"\nContent-Transfer-Encoding: base64\n\nJVBERg==\n\
--m--\n";

#[test]
fn a_customer_sees_an_answer_in_text_and_in_html_and_its_pictures_where_they_were_put() {
    let world = World::new();
    let (_, notice) = world.asked("Which button", "Which <b>one</b> is it?\nhttps://shop.test/x\nAnn");
    let head = format!(
        "From: Jane Doe <{JANE}>\r\nTo: <{}>\r\nSubject: Re: Which button\r\nDate: Sun, 22 Nov 2026 10:00:00 +0000\r\n\
         Message-ID: <pictures@agents.test>\r\nMIME-Version: 1.0\r\n",
        notice.address("Reply-To")
    );
    let fate = world.jane.hand(&world.desk, &[notice.address("Reply-To")], format!("{head}{WITH_PICTURES}").as_bytes());
    assert_eq!(fate["kind"], "message", "{fate}");
    let answer = world.ann_gets("Press this:");
    assert_eq!(above_the_quote(&answer), "Press this:\n[image: image001.png]\nSee https://help.test/a?b=1&c=2 – \"<now>\".");
    let seen = seen_by_python(&answer);
    assert_eq!(seen["defects"], serde_json::json!([]));
    let kinds =
        ["multipart/mixed", "multipart/alternative", "text/plain", "multipart/related", "text/html", "image/png", "application/pdf"];
    assert_eq!(seen["kinds"], serde_json::json!(kinds));
    let (html, picture) = (seen["html"].as_str().expect("HTML"), &seen["beside"][0]);
    assert_eq!((&picture["name"], &picture["bytes"], &picture["how"]), (&"image001.png".into(), &"010203".into(), &"inline".into()));
    let id = picture["id"].as_str().expect("a Content-ID").trim_matches(['<', '>']);
    assert!(html.contains(&format!("Press this:<br>\n<img src=\"cid:{id}\" alt=\"[image: image001.png]\"")), "{html}");
    assert!(html.contains("<a href=\"https://help.test/a?b=1&amp;c=2\" rel=\"noopener noreferrer nofollow\">"), "{html}");
    assert!(html.contains("&quot;&lt;now&gt;&quot;.</p>") && html.contains("– "), "{html}");
    let quote = html.split("<blockquote").nth(1).expect("a quote");
    assert!(quote.contains("Which &lt;b&gt;one&lt;/b&gt; is it?<br>") && quote.contains("href=\"https://shop.test/x\""), "{html}");
    assert_eq!(seen["files"].as_array().map_or(0, Vec::len), 1, "{seen}");
    assert_eq!(seen["files"][0]["name"], "plan.pdf");
    assert!(!answer.everything().contains("janes-pc"), "the agent's own Content-IDs tell of their machine");

    // The acknowledgement says the same in both parts, too.
    let ack = world.desk.out().expect(ANN, "the acknowledgement", |l| l.header("Auto-Submitted").is_some());
    let seen = seen_by_python(&ack);
    assert_eq!(seen["kinds"], serde_json::json!(["multipart/alternative", "text/plain", "text/html"]));
    assert!(seen["html"].as_str().is_some_and(|html| html.contains("We have received your mail, and a person will read it.</p>")));
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
