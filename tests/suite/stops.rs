//! What a day of use has shown: stops in the middle of sending, mail that a person gives up, who may read our files.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use ombud_tests::{Desk, Draft, Options, Say, Sink, postgres, wait_until};

use crate::{ANN, JANE, from_ann};

#[test]
fn a_stop_before_the_dot_is_as_if_nothing_had_been_tried() {
    // It takes connections and never says a word.
    let mute = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = mute.local_addr().unwrap().port();
    let (tell, told) = channel();
    let listener = mute.try_clone().unwrap();
    thread::spawn(move || {
        let mut kept = Vec::new();
        while let Ok((connection, _)) = listener.accept() {
            kept.push(connection);
            if tell.send(()).is_err() {
                return;
            }
        }
    });
    let mut desk =
        Desk::prepare(Options { relay: Some(format!("smtp://127.0.0.1:{port}")), mailbox: "auto_ack = \"never\"", ..Options::default() });
    desk.agent(JANE, "Jane Doe", "admin");
    desk.serve(&[]);
    desk.deliver(&from_ann("Stopped", "Hello?"));
    told.recv_timeout(Duration::from_secs(20)).expect("a try");
    let (status, took) = desk.stop();
    assert!(status.success() && took < Duration::from_secs(10), "{status} after {took:?}");
    // The old listener answers once more, to see that it is gone, and then leaves the port.
    drop(told);
    drop(mute);
    let _ = std::net::TcpStream::connect(("127.0.0.1", port));
    wait_until("the port to be free", || TcpListener::bind(("127.0.0.1", port)).is_ok());
    let sink = Sink::on(port, |_, _| Say::Yes);
    desk.serve(&[]);
    sink.expect(JANE, "the notification", |l| l.header("Subject").is_some_and(|s| s.ends_with("Stopped")));
    desk.settle();
    assert_eq!(sink.to(JANE).len(), 1);
}

#[test]
fn an_answer_that_an_admin_drops_is_told_to_its_author() {
    let sink = Sink::start(|to, _| if to == ANN { Say::Recipient("450 4.2.0 later") } else { Say::Yes });
    let desk = Desk::prepare(Options { relay: Some(sink.url()), mailbox: "auto_ack = \"never\"", ..Options::default() });
    desk.agent(JANE, "Jane Doe", "admin");
    let desk = desk.running();
    let fate = desk.deliver(&from_ann("Dropped", "Hello?"));
    let notice = sink.expect(JANE, "a notification", |_| true);
    desk.deliver(&Draft::answer("Jane Doe <jane@agents.test>", &notice, "Here you are."));
    let waiting = || desk.list("/api/v1/outbox?state=waiting").into_iter().find(|row| row["to"] == ANN && !row["last_reply"].is_null());
    wait_until("the first try", || waiting().is_some());
    let id = waiting().unwrap()["id"].to_string();
    let ran = desk.cli(&["queue", "drop", &id]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let told = sink.expect(JANE, "the word about it", |l| l.text().contains("dropped by an admin"));
    assert!(told.text().contains("Here you are."), "with her text:\n{}", told.text());
    assert!(desk.messages(&fate["ticket"]).iter().any(|m| m["kind"] == "system"));
}

#[test]
fn our_files_are_for_us_alone() {
    let desk = Desk::with_jane();
    desk.deliver(&from_ann("Private", "nobody's business"));
    let files: &[&str] = if postgres::is_meant() { &[] } else { &["data/ombud.db", "data/ombud.db-wal"] };
    for name in ["data", "data/keys", "data/keys/sign-1.key", "data/blobs"].iter().chain(files) {
        let mode = std::fs::metadata(desk.path(name)).unwrap_or_else(|e| panic!("{name}: {e}")).permissions().mode();
        assert_eq!(mode & 0o077, 0, "{name} has mode {mode:o}");
    }
}

#[test]
fn what_would_be_refused_on_the_line_is_held_when_it_is_handed_in() {
    let desk = Desk::with_jane();
    let circle =
        format!("{}From: ann@customer.test\r\nMessage-ID: <circle@customer.test>\r\nSubject: x\r\n\r\ny\r\n", "Received: x\r\n".repeat(60));
    let answer = desk.request("POST", "/api/v1/inbox?to=support@desk.test", Some(("message/rfc822", circle.as_bytes())));
    assert_eq!(answer.status, 201);
    wait_until("its fate", || desk.list("/api/v1/inbox?state=held").iter().any(|row| row["fate"]["reason"] == "malformed"));
}
