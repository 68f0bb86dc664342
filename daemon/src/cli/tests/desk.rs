//! People, tokens, tickets and the queue of a desk that somebody else has filled.

use std::sync::Arc;

use serde_json::json;

use super::Folder;
use crate::app::Opened;
use crate::clock::Clock;
use crate::config;
use crate::model::changes::{Changes, MessageRef, NewMessage, NewOutbox, NewPerson, NewTicket, PersonRef, TicketRef};
use crate::model::outgoing::{MailKind, Params};
use crate::model::ticket::{MessageKind, Priority, Status, Ticket};
use crate::model::{MailboxId, PersonId, TicketId};
use crate::store::Cmd;

#[test]
fn agents_come_and_go() {
    let folder = Folder::new();
    assert!(folder.text(&["agent", "list"]).starts_with("Nobody works here yet"));
    let add = [
        "agent",
        "add",
        "Jane@x.test",
        "--name",
        "Jane Doe",
        "--role",
        "admin",
        "--alias",
        "jd@x.test",
        "--alias",
        "JD@x.test",
        "--team",
        "sales",
    ];
    let jane = folder.json(&add);
    assert_eq!((&jane["address"], &jane["role"], &jane["disabled"]), (&json!("Jane@x.test"), &json!("admin"), &json!(false)));
    assert_eq!((&jane["aliases"], &jane["teams"], &jane["notify"]), (&json!(["jd@x.test"]), &json!(["sales"]), &json!("team")));
    assert_eq!(folder.text(&["agent", "add", "bob@x.test", "--name", "Bob", "--allow-spf"]), "bob@x.test works here as agent\n");

    for (email, alias, told) in [
        ("jane@X.test", "a@x.test", "already"),
        ("eve@x.test", "bob@x.test", "already"),
        ("eve@x.test", "jd@x.test", "already"),
        ("support@example.com", "a@x.test", "the desk itself"),
        ("eve@x.test", "help@example.com", "the desk itself"),
        ("eve", "a@x.test", "no mail address"),
        ("eve@x.test", "Eve <eve@x.test>", "no mail address"),
    ] {
        let (code, line) = folder.fails(&["agent", "add", email, "--name", "Eve", "--alias", alias]);
        assert_eq!(code, 65, "{line}");
        assert!(line.contains(told), "{line}");
    }
    assert_eq!(folder.fails(&["agent", "add", "eve@x.test", "--name", " \n"]).0, 65);

    assert_eq!(folder.json(&["agent", "disable", "jd@x.test"])["disabled"], true);
    assert_eq!(folder.json(&["agent", "show", "jane@x.test"])["disabled"], true);
    assert_eq!(folder.text(&["agent", "enable", "jane@x.test"]), "Jane@x.test works here\n");
    assert_eq!(folder.json(&["agent", "revoke-addresses", "jane@x.test"])["disabled"], false);
    for act in ["show", "disable", "enable", "revoke-addresses"] {
        assert_eq!(folder.fails(&["agent", act, "nobody@x.test"]).0, 66, "{act}");
    }
    let list = folder.text(&["agent", "list"]);
    assert_eq!(list.lines().count(), 3, "{list}");
    assert!(list.lines().next().unwrap().starts_with("ADDRESS      STATE"), "{list}");
}

#[test]
fn agents_work_as_they_are_set() {
    let folder = Folder::new();
    folder.text(&["agent", "add", "bob@x.test", "--name", "Bob"]);
    let set = ["agent", "set", "bob@x.test", "--team", "sales", "--team", "field", "--notify", "mine", "--receipts", "all"];
    let bob = folder.json(&set);
    assert_eq!((&bob["teams"], &bob["notify"], &bob["receipts"]), (&json!(["sales", "field"]), &json!("mine"), &json!("all")));
    assert_eq!(folder.json(&["agent", "show", "bob@x.test"]), bob);
    assert_eq!(bob["allow_spf"], false);
    assert_eq!(folder.json(&["agent", "set", "bob@x.test", "--allow-spf", "yes"])["allow_spf"], true);
    assert_eq!(folder.json(&["agent", "set", "bob@x.test", "--notify", "mine"])["allow_spf"], true, "what is not asked for stays");
    assert_eq!(folder.json(&["agent", "set", "bob@x.test", "--allow-spf", "no"])["allow_spf"], false);
    let quiet = folder.run(&["agent", "set", "bob@x.test", "--quiet", "18:00-08:00"]);
    assert_eq!((quiet.code, quiet.stderr.len()), (0, 1), "what is not acted on yet says so");
    assert_eq!(folder.fails(&["agent", "set", "bob@x.test", "--quiet", "nights"]).0, 65);
    assert_eq!(folder.fails(&["agent", "set", "bob@x.test"]).0, 64);
    assert_eq!(folder.fails(&["agent", "set", "eve@x.test", "--notify", "all"]).0, 66);
}

#[test]
fn a_token_is_shown_once() {
    let folder = Folder::new();
    folder.text(&["agent", "add", "bob@x.test", "--name", "Bob"]);
    let made = folder.text(&["token", "create", "--scope", "write", "--name", "ci job", "--agent", "bob@x.test", "--expires", "90d"]);
    let token = made.lines().last().unwrap().split(' ').next_back().unwrap();
    assert!(token.starts_with("ombud_") && token.len() > 50, "{made}");
    let list = folder.json(&["token", "list"]);
    assert!(!list.to_string().contains(token));
    let first = &list["items"][0];
    assert_eq!(
        (&first["id"], &first["name"], &first["scope"], &first["agent"]),
        (&json!(1), &json!("ci job"), &json!("write"), &json!("bob@x.test"))
    );
    assert!(first["expires_at"].is_string() && first["revoked_at"].is_null() && first.get("token").is_none());
    let other = folder.json(&["token", "create", "--scope", "read", "--name", "look"]);
    assert!(other["token"].as_str().unwrap().starts_with("ombud_") && other["expires_at"].is_null());
    assert_eq!(folder.text(&["token", "revoke", "1"]), "token 1 is revoked\n");
    assert_eq!(folder.fails(&["token", "revoke", "1"]).0, 66);
    assert_eq!(folder.fails(&["token", "create", "--scope", "read", "--name", "x", "--agent", "eve@x.test"]).0, 66);
    assert_eq!(folder.fails(&["token", "create", "--scope", "read", "--name", "x", "--expires", "0d"]).0, 64);
    let text = folder.text(&["token", "list"]);
    assert!(text.contains("revoked") && text.contains("valid"), "{text}");
}

/// A ticket of Ann's with a mail that would like to steer a terminal, and a mail to Bob that waits.
fn filled() -> Folder {
    let folder = Folder::new();
    folder.text(&["agent", "add", "bob@x.test", "--name", "Bob"]);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let config = config::load::<&str, &str>(None, [], &folder.path).unwrap();
        let opened = Opened::open(Arc::new(config), Clock::default()).await.unwrap();
        opened.store.run(Cmd::Commit(Box::new(changes()))).await.unwrap();
        opened.store.close().await;
    });
    folder
}

fn changes() -> Changes {
    let at = 1_795_255_200_000;
    let row = Ticket {
        id: TicketId(0),
        version: 1,
        turn: 1,
        status: Status::Open,
        priority: Priority::High,
        subject: "Printer \u{1b}[31mburns".into(),
        mailbox: MailboxId(1),
        requester: PersonId(0),
        assignee: Some(PersonId(1)),
        assigned_turn: 0,
        assigned_by: None,
        team: None,
        tags: vec!["hot".into()],
        merged_into: None,
        continues: None,
        messages: 1,
        solved_at: None,
        created_at: at,
        updated_at: at,
    };
    let message = NewMessage {
        ticket: TicketRef::New(0),
        turn: 1,
        kind: MessageKind::Customer,
        public: true,
        author: Some(PersonRef::New(0)),
        blob: None,
        inbox: None,
        message_id: Some("1@x.test".into()),
        subject: row.subject.clone(),
        automatic: None,
        flags: vec!["unverified".into()],
        verdict: None,
        text: "It\u{1b}[2J burns.\n> quoted\n".into(),
        reply_text: "It\u{1b}[2J burns.\nHelp!\n".into(),
        html: None,
        attachments: r#"[{"name":"fire.jpg","content_type":"image/jpeg","size":12,"sha256":"ab","inline":false,"content_id":null}]"#.into(),
        created_at: at,
    };
    let mail = NewOutbox {
        ticket: Some(TicketRef::New(0)),
        recipient: PersonRef::Id(PersonId(1)),
        address: "bob@x.test".into(),
        kind: MailKind::Notify,
        message: Some(MessageRef::New(0)),
        params: Params::default(),
        due_at: at,
        created_at: at,
    };
    Changes {
        at,
        persons: vec![NewPerson { address: "ann@y.test".into(), name: Some("Ann".into()) }],
        tickets: vec![NewTicket { row, requester: PersonRef::New(0) }],
        messages: vec![message],
        outbox: vec![mail],
        ..Changes::default()
    }
}

#[test]
fn tickets_are_listed_and_shown() {
    let folder = filled();
    let list = folder.json(&["ticket", "list", "--status", "open", "--query", "ANN@"]);
    let ticket = &list["items"][0];
    assert_eq!((&ticket["number"], &ticket["status"], &ticket["priority"]), (&json!(1), &json!("open"), &json!("high")));
    assert_eq!(ticket["requester"], json!({ "name": "Ann", "address": "ann@y.test" }));
    assert_eq!((&ticket["assignee"]["address"], &ticket["created_at"]), (&json!("bob@x.test"), &json!("2026-11-21T10:00:00.000Z")));
    assert_eq!(folder.text(&["ticket", "list", "--status", "spam"]), "No ticket is like that.\n");
    assert_eq!(folder.json(&["ticket", "list", "--query", "scanner"])["items"], json!([]));

    let shown = folder.json(&["ticket", "show", "1"]);
    assert_eq!((&shown["number"], &shown["messages"]), (&json!(1), &json!(1)));
    let message = &shown["conversation"][0];
    assert_eq!(message["reply_text"], "It\u{1b}[2J burns.\nHelp!\n");
    assert_eq!((&message["attachments"][0]["id"], &message["attachments"][0]["name"]), (&json!("1-0"), &json!("fire.jpg")));

    let text = folder.text(&["ticket", "show", "1"]);
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines[0], "Ticket     #1 Printer [31mburns");
    let expected = [
        "",
        "--- 2026-11-21 10:00 Ann <ann@y.test> (customer) [unverified]",
        "It[2J burns.",
        "Help!",
        "[fire.jpg (image/jpeg, 12 octets)]",
    ];
    assert_eq!(lines[lines.len() - 5..], expected);
    assert_eq!(folder.fails(&["ticket", "show", "2"]).0, 66);
}

#[test]
fn the_queue_is_listed_tried_and_given_up() {
    let folder = filled();
    let list = folder.json(&["queue", "list", "--state", "waiting"]);
    let mail = &list["items"][0];
    assert_eq!(
        (&mail["id"], &mail["to"], &mail["ticket"], &mail["state"]),
        (&json!(1), &json!("bob@x.test"), &json!(1), &json!("waiting"))
    );
    assert_eq!((&mail["attempts"], &mail["next_attempt_at"]), (&json!(0), &json!("2026-11-21T10:00:00.000Z")));
    assert_ne!(folder.json(&["queue", "retry", "1"])["next_attempt_at"], mail["next_attempt_at"]);
    assert_eq!(folder.text(&["queue", "drop", "1"]), "mail 1 is given up\n");
    let gone = folder.json(&["queue", "show", "1"]);
    assert_eq!((&gone["state"], &gone["next_attempt_at"]), (&json!("failed"), &json!(null)));
    assert_eq!(folder.fails(&["queue", "drop", "1"]).0, 66);
    assert_eq!(folder.text(&["queue", "list", "--state", "sent"]), "No mail is like that.\n");
    for act in ["show", "retry", "drop"] {
        assert_eq!(folder.fails(&["queue", act, "7"]).0, 66, "{act}");
    }
}
