//! Messages from outside: `explain`, `deliver`, and the inbox after it.

use super::{CONFIG, Folder};

const MAIL: &str = "From: Ann <ann@x.test>\nTo: support@example.com\nSubject: Printer\nMessage-ID: <1@x.test>\n\nIt burns.\n";

#[test]
fn explain_needs_no_desk() {
    let folder = Folder::new();
    folder.write("mail.eml", MAIL);
    folder.write("ombud.toml", "broken");
    let understood = folder.json(&["explain", "mail.eml"]);
    assert_eq!(understood["from"]["address"], "ann@x.test");
    assert_eq!(understood["reply_text"].as_str().unwrap().trim(), "It burns.");
    assert_eq!(understood["message_id"], "1@x.test");
    assert!(!folder.path.join("data").exists());
    assert_eq!(folder.fails(&["explain", "nothing.eml"]).0, 66);
    assert_eq!(folder.fails(&["explain", "."]).0, 66);
    assert_eq!(folder.run(&["explain", "mail.eml", "--config", "ombud.toml"]).code, 78);
}

#[test]
fn explain_takes_any_bytes_and_prints_what_no_terminal_obeys() {
    let folder = Folder::new();
    let deep = format!("{}\n{}", MAIL.trim(), "Content-Type: multipart/mixed; boundary=a\n\n--a\n".repeat(5_000));
    let cases: [&[u8]; 5] =
        [b"", b"\xff\xfe\0\x1b[2J", b"Subject: =?utf-8?q?=1B]0=3Bx=07=C2=9B31m?=\n\n\x1b[31m\n", deep.as_bytes(), &[b'a'; 200_000]];
    for bytes in cases {
        folder.write("mail.eml", bytes);
        let text = folder.text(&["explain", "mail.eml"]);
        assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok());
        assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text}");
    }
    let last: serde_json::Value = folder.json(&["explain", "mail.eml"]);
    assert!(last["warnings"].to_string().contains("only the first 65536 octets"), "{}", last["warnings"]);
}

#[test]
fn what_is_delivered_is_in_the_inbox() {
    let folder = Folder::new();
    folder.write("mail.eml", format!("From bounce@x.test Sat Nov 21 10:00:00 2026\n{MAIL}"));
    assert_eq!(folder.text(&["deliver", "--to", "Support@example.com", "mail.eml"]), "accepted as 1\n");
    let args = ["deliver", "--to", "<help@example.com>", "--to", "support+shop@example.com", "--from", "<>", "mail.eml"];
    assert_eq!(folder.json(&args)["id"], 2);
    assert_eq!(folder.text(&["deliver", "--to", "postmaster@example.com", "--from", "ann@x.test", "mail.eml"]), "accepted as 3\n");

    let list = folder.json(&["inbox", "list"]);
    let ids: Vec<_> = list["items"].as_array().unwrap().iter().map(|mail| mail["id"].as_i64().unwrap()).collect();
    assert_eq!((ids, &list["next"]), (vec![3, 2, 1], &serde_json::Value::Null));
    let senders: Vec<_> = list["items"].as_array().unwrap().iter().map(|mail| mail["mail_from"].as_str().unwrap()).collect();
    assert_eq!(senders, ["ann@x.test", "", "bounce@x.test"]);
    assert_eq!(list["items"][1]["recipients"], serde_json::json!(["help@example.com", "support+shop@example.com"]));
    assert_eq!(list["items"][2]["fate"]["kind"], "waiting");
    assert_eq!(list["items"][2]["transport"], "pipe");

    let page = folder.json(&["inbox", "list", "--limit", "2"]);
    let rest = folder.json(&["inbox", "list", "--cursor", page["next"].as_str().unwrap()]);
    assert_eq!(rest["items"].as_array().unwrap().len(), 1);
    assert!(
        folder
            .text(&["inbox", "list", "--limit", "2"])
            .ends_with(&format!("There are more: --cursor {}\n", page["next"].as_str().unwrap()))
    );
    assert_eq!(folder.text(&["inbox", "list", "--state", "held"]), "No mail is like that.\n");
    assert!(folder.text(&["inbox", "show", "1"]).contains("bounce@x.test to Support@example.com"));
    assert_eq!(folder.fails(&["inbox", "release", "1"]), (65, "mail 1 is not held".to_owned()));
    assert_eq!(folder.fails(&["inbox", "release", "9"]).0, 66);
    assert_eq!(folder.fails(&["inbox", "drop", "1"]), (65, "mail 1 is not held".to_owned()));
    for word in ["release", "drop"] {
        assert_eq!(folder.fails(&["inbox", word, "--braked", "agent@desk.localhost"]).0, 66);
        assert_eq!(folder.fails(&["inbox", word]).0, 64);
    }
    assert_eq!(folder.fails(&["inbox", "show", "9"]).0, 66);
}

#[test]
fn what_can_t_be_delivered_says_who_is_at_fault() {
    let folder = Folder::new();
    folder.write("mail.eml", MAIL);
    folder.write("empty.eml", "");
    folder.write("large.eml", [b'a'; 64 * 1024 + 1]);
    folder.write("whole.eml", [b'a'; 64 * 1024]);
    folder.write("circle.eml", "Received: x\n".repeat(60) + MAIL);
    let deliver = |to: &str, file: &str| folder.run(&["deliver", "--to", to, file]);
    let code = |to, file| deliver(to, file).code;
    assert_eq!(code("support@example.com", "nothing.eml"), 66);
    assert_eq!(code("support@example.com", "empty.eml"), 65);
    assert_eq!(code("support@example.com", "large.eml"), 65);
    assert_eq!(code("support@example.com", "whole.eml"), 0);
    assert_eq!(code("support@example.com", "circle.eml"), 0, "kept for a person to look at");
    assert_eq!(code("not an address", "mail.eml"), 65);
    assert_eq!(folder.run(&["deliver", "--to", "support@example.com", "--from", "ann", "mail.eml"]).code, 65);
    let stranger = deliver("sales@example.com", "mail.eml");
    assert_eq!(stranger.code, 65);
    assert!(stranger.stderr[0].contains("known are support@example.com"), "{:?}", stranger.stderr);
    assert_eq!(folder.json(&["inbox", "list"])["items"].as_array().unwrap().len(), 2, "the whole one and the circle are kept");

    folder.write("ombud.toml", format!("{CONFIG}\nbroken"));
    let kept = deliver("support@example.com", "mail.eml");
    assert_eq!(kept.code, 75, "a mail system would bounce the mail for 78");
    assert!(kept.stderr[0].starts_with("ombud.toml:"), "{:?}", kept.stderr);
}
