//! Dialogues with scripted servers. TLS handshakes are tested from outside, against real servers.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod folder;
mod pipelining;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::client::{Plan, Session};
use super::dot::tests::strict_server;
use super::*;
use crate::config::types::Straight;

/// One move of a scripted server; after the last it closes the connection.
#[derive(Clone, Debug)]
enum Step {
    /// Sends these lines in one write.
    Say(&'static str),
    /// Reads a line that begins so.
    Hear(&'static str),
    /// Reads a mail with its final dot.
    Mail,
    /// Reads until the client goes away.
    Stay,
}
use Step::{Hear, Mail, Say, Stay};

const SENDER: &str = "support+t@desk.example";
const ANN: &str = "ann@example.com";
const MAIL: &[u8] = b"Subject: x\n\n.hidden\r\n.\r\nMAIL FROM:<eve@x.test>\n";

async fn play(mut stream: TcpStream, script: Vec<Step>) -> String {
    let mut heard = Vec::new();
    let mut from = 0;
    for step in script {
        match step {
            Say(text) => stream.write_all(format!("{text}\r\n").as_bytes()).await.unwrap(),
            Hear(start) => {
                let end = read_until(&mut stream, &mut heard, from, b"\r\n").await;
                let line = String::from_utf8_lossy(&heard[from..end]).into_owned();
                assert!(line.starts_with(start), "expected {start}, heard {line}");
                from = end;
            }
            Mail => from = read_until(&mut stream, &mut heard, from, b"\r\n.\r\n").await,
            Stay => {
                let _ = stream.read_to_end(&mut heard).await;
            }
        }
    }
    String::from_utf8_lossy(&heard).into_owned()
}

async fn read_until(stream: &mut TcpStream, heard: &mut Vec<u8>, from: usize, end: &[u8]) -> usize {
    loop {
        if let Some(at) = heard[from..].windows(end.len()).position(|w| w == end) {
            return from + at + end.len();
        }
        assert_ne!(stream.read_buf(heard).await.unwrap(), 0, "the client went away after {:?}", String::from_utf8_lossy(heard));
    }
}

/// A server for one connection: its port, and in the end all that it heard.
async fn server(script: Vec<Step>) -> (u16, JoinHandle<String>) {
    let (port, heard) = servers(vec![script]).await;
    (port, tokio::spawn(async move { heard.await.unwrap().remove(0) }))
}

/// A server for one connection after the other: its port, and in the end all that it heard on each.
async fn servers(scripts: Vec<Vec<Step>>) -> (u16, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let all = async move {
        let mut heard = Vec::new();
        for script in scripts {
            heard.push(play(listener.accept().await.unwrap().0, script).await);
        }
        heard
    };
    (port, tokio::spawn(all))
}

fn exit(port: u16) -> Exit {
    let relay = SmtpRelay { host: "127.0.0.1".into(), port, implicit_tls: false, user: None, password: None, ca: None };
    let timeouts = Timeouts { idle: Duration::ZERO, ..Timeouts::default() };
    Exit::new(&Relay::Smtp(relay), "desk.example").unwrap().with_timeouts(timeouts)
}

async fn deliver(script: Vec<Step>, mail: &[u8]) -> (Outcome, String) {
    let (port, heard) = server(script).await;
    let outcome = exit(port).deliver("1", SENDER, ANN, mail, &Fence::default()).await;
    (outcome, heard.await.unwrap())
}

/// A dialogue that goes well up to the given command, whose reply the caller gives.
fn until(command: &str) -> Vec<Step> {
    let all = [
        ("greeting", vec![Say("220 mx")]),
        ("EHLO", vec![Hear("EHLO desk.example"), Say("250-mx\r\n250 SIZE 20000000")]),
        ("MAIL", vec![Hear("MAIL FROM:<support+t@desk.example> SIZE="), Say("250 ok")]),
        ("RCPT", vec![Hear("RCPT TO:<ann@example.com>"), Say("250 ok")]),
        ("DATA", vec![Hear("DATA"), Say("354 go on")]),
        ("dot", vec![Mail, Say("250 2.0.0 queued as 4711")]),
    ];
    let mut script = Vec::new();
    for (name, mut steps) in all {
        if name == command {
            steps.pop();
            script.extend(steps);
            return script;
        }
        script.extend(steps);
    }
    script
}

fn with(mut script: Vec<Step>, more: &[Step]) -> Vec<Step> {
    script.extend_from_slice(more);
    script
}

#[tokio::test]
async fn a_mail_leaves_once_and_whole() {
    let (outcome, heard) = deliver(with(until("end"), &[Hear("QUIT")]), MAIL).await;
    assert_eq!(outcome, Outcome::Sent { reply: "250 2.0.0 queued as 4711".into() });
    let (_, data) = heard.split_once("DATA\r\n").unwrap();
    let (mail, rest) = strict_server(data.as_bytes()).unwrap();
    assert_eq!(String::from_utf8(mail).unwrap(), "Subject: x\r\n\r\n.hidden\r\n.\r\nMAIL FROM:<eve@x.test>\r\n");
    assert_eq!(rest, b"QUIT\r\n");
}

#[tokio::test]
async fn tries_can_run_as_tasks_of_their_own() {
    let nowhere = SocketAddr::from(([127, 0, 0, 1], 1));
    let exit = Arc::new(Exit::asking(&Relay::Mx(Straight::default()), "desk.example", Some(nowhere), None).unwrap());
    let outcome = tokio::spawn(async move { exit.deliver("1", "", ANN, MAIL, &Fence::default()).await }).await.unwrap();
    assert!(matches!(&outcome, Outcome::Destination { reply } if reply.contains("the DNS cannot be asked")), "{outcome:?}");
}

#[tokio::test]
async fn who_is_to_blame_depends_on_the_stage() {
    for (stage, reply, expected) in [
        ("greeting", "554 no", "destination"),
        ("greeting", "450 later", "destination"),
        ("EHLO", "450 later", "destination"),
        ("MAIL", "450 4.7.1 later", "temporary"),
        ("MAIL", "550 5.1.1 no such user", "temporary"),
        ("MAIL", "550 5.7.1 sender", "temporary"),
        ("MAIL", "530 5.7.0 authenticate", "destination"),
        ("MAIL", "552 too big", "permanent"),
        ("MAIL", "554 5.3.4 too big", "permanent"),
        ("RCPT", "450 4.2.0 greylisted", "temporary"),
        ("RCPT", "550-5.1.1 no such\r\n550 5.1.1 user", "permanent"),
        ("RCPT", "530 5.7.0 authenticate", "destination"),
        ("DATA", "451 4.3.0 later", "temporary"),
        ("DATA", "554 5.5.1 no", "permanent"),
        ("DATA", "250 what?", "temporary"),
        ("dot", "451 4.7.1 later", "temporary"),
        ("dot", "554 5.7.1 spam", "permanent"),
        ("dot", "354 what?", "unknown"),
        ("dot", "no SMTP", "unknown"),
    ] {
        let (outcome, _) = deliver(with(until(stage), &[Say(reply), Stay]), MAIL).await;
        let (got, said) = match &outcome {
            Outcome::Sent { reply } => ("sent", reply),
            Outcome::Recipient { temporary: true, reply } => ("temporary", reply),
            Outcome::Recipient { temporary: false, reply } => ("permanent", reply),
            Outcome::Destination { reply } => ("destination", reply),
            Outcome::Unknown { reply } => ("unknown", reply),
        };
        assert_eq!(got, expected, "{stage}: {reply}: {outcome:?}");
        let one_line = reply.replace("\r\n550", "");
        let verbatim = one_line.replacen('-', " ", usize::from(reply.contains('\n')));
        assert_eq!(said.starts_with("MAIL: "), stage == "MAIL", "what is said of us is not taken for said of the recipient: {said}");
        assert!(said.contains(&verbatim) || reply == "no SMTP", "{said} does not say {verbatim}");
    }
}

#[tokio::test]
async fn closing_down_is_never_the_mails_fault() {
    for stage in ["greeting", "EHLO", "MAIL", "RCPT", "DATA", "dot"] {
        let (outcome, _) = deliver(with(until(stage), &[Say("421 4.3.2 shutting down"), Stay]), MAIL).await;
        assert!(matches!(&outcome, Outcome::Destination { reply } if reply.contains("421 4.3.2")), "{stage}: {outcome:?}");
    }
}

#[tokio::test]
async fn a_lost_connection_is_unknown_only_after_the_dot() {
    for stage in ["greeting", "EHLO", "MAIL"] {
        let (outcome, _) = deliver(until(stage), MAIL).await;
        assert!(matches!(outcome, Outcome::Destination { .. }), "{stage}: {outcome:?}");
    }
    let later = |outcome: &Outcome| matches!(outcome, Outcome::Recipient { temporary: true, .. });
    for stage in ["RCPT", "DATA"] {
        let (outcome, _) = deliver(until(stage), MAIL).await;
        assert!(later(&outcome), "{stage}: {outcome:?}");
    }
    let large = b"0123456789abcde\r\n".repeat(1 << 20);
    let (outcome, _) = deliver(with(until("dot")[..until("dot").len() - 1].to_vec(), &[]), &large).await;
    assert!(later(&outcome), "in the mail: {outcome:?}");
    let (outcome, _) = deliver(until("dot"), MAIL).await;
    assert!(matches!(outcome, Outcome::Unknown { .. }), "after the dot: {outcome:?}");
}

#[tokio::test]
async fn last_words_in_the_middle_of_a_mail_are_heard() {
    let large = b"0123456789abcde\r\n".repeat(1 << 20);
    let before_mail = until("dot")[..until("dot").len() - 1].to_vec();
    let (outcome, _) = deliver(with(before_mail, &[Say("552 5.3.4 too big")]), &large).await;
    assert_eq!(outcome, Outcome::Recipient { temporary: false, reply: "552 5.3.4 too big".into() });
}

#[tokio::test]
async fn a_silent_server_holds_nobody_for_ever() {
    let (short, long) = (Duration::from_millis(50), Duration::from_secs(30));
    for stage in ["greeting", "EHLO", "MAIL", "RCPT", "DATA", "dot"] {
        let within = |tested| if tested { short } else { long };
        let (data, dot) = (within(stage == "DATA"), within(stage == "dot"));
        let timeouts = Timeouts { reply: within(stage != "DATA" && stage != "dot"), data, dot, quit: short, ..Timeouts::default() };
        let (port, heard) = server(with(until(stage), &[Stay])).await;
        let outcome = exit(port).with_timeouts(timeouts).deliver("1", SENDER, ANN, MAIL, &Fence::default()).await;
        match outcome {
            Outcome::Unknown { reply } => assert!(stage == "dot" && reply.contains("nothing within"), "{stage}: {reply}"),
            Outcome::Destination { reply } => {
                assert!(matches!(stage, "greeting" | "EHLO" | "MAIL") && reply.contains("nothing within"), "{stage}: {reply}");
            }
            Outcome::Recipient { temporary: true, reply } => {
                assert!(matches!(stage, "RCPT" | "DATA") && reply.contains("nothing within"), "{stage}: {reply}");
            }
            other => panic!("{stage}: {other:?}"),
        }
        heard.await.unwrap();
    }
}

#[tokio::test]
async fn a_server_that_drips_is_timed_as_a_whole() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let drip = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut tick = tokio::time::interval(Duration::from_millis(10));
        while stream.write_all(b"220-x\r\n").await.is_ok() {
            tick.tick().await;
        }
    });
    let short = Timeouts { reply: Duration::from_millis(60), quit: Duration::from_millis(10), ..Timeouts::default() };
    let outcome = exit(port).with_timeouts(short).deliver("1", SENDER, ANN, MAIL, &Fence::default()).await;
    assert!(matches!(&outcome, Outcome::Destination { reply } if reply.contains("nothing within")), "{outcome:?}");
    drip.await.unwrap();
}

#[tokio::test]
async fn a_final_dot_that_hangs_in_a_buffer_never_leaves_later() {
    const ROOM: usize = 16;
    let (client, mut server) = tokio::io::duplex(ROOM);
    let mail = b"Subject: x\r\n\r\n0123456789abcdefghijklmnopqrstuvwxyz\r\n";
    let (go_on, gone) = tokio::sync::oneshot::channel::<()>();
    let peer = tokio::spawn(async move {
        let mut heard = Vec::new();
        server.write_all(b"220 mx\r\n").await.unwrap();
        let mut from = 0;
        for reply in ["250 mx", "250 ok", "250 ok", "354 go"] {
            loop {
                if let Some(at) = heard[from..].windows(2).position(|two| two == b"\r\n") {
                    from += at + 2;
                    break;
                }
                assert_ne!(server.read_buf(&mut heard).await.unwrap(), 0);
            }
            server.write_all(format!("{reply}\r\n").as_bytes()).await.unwrap();
        }
        // What is left of the mail fills the way, so that the dot finds no room.
        let mut most = vec![0; mail.len() - ROOM];
        server.read_exact(&mut most).await.unwrap();
        gone.await.unwrap();
        server.read_to_end(&mut most).await.unwrap();
        most
    });
    let tls = Tls::new("127.0.0.1", false, None).unwrap();
    let short = Duration::from_millis(50);
    let timeouts = Timeouts { block: short, quit: short, ..Timeouts::default() };
    let plan =
        Plan { host: "127.0.0.1", port: 1, at: None, implicit_tls: false, login: None, tls: &tls, hostname: "desk.example", timeouts };
    // As TLS does: what was written once leaves with whatever is flushed next.
    let stream = tokio::io::BufWriter::new(client);
    let mut session = Session::begin(&plan, Box::new(stream), true).await.unwrap_or_else(|fault| panic!("{fault}"));
    let outcome = session.deliver(SENDER, ANN, mail, &Fence::default()).await;
    assert!(matches!(&outcome, Outcome::Unknown { reply } if reply.contains("final dot")), "{outcome:?}");
    let end = async {
        session.quit().await;
    };
    let read = async {
        go_on.send(()).unwrap();
        peer.await.unwrap()
    };
    let ((), heard) = tokio::join!(end, read);
    assert_eq!(String::from_utf8_lossy(&heard), String::from_utf8_lossy(mail), "neither a dot nor a word follows");
}

#[tokio::test]
async fn what_comes_with_the_starttls_reply_ends_it() {
    let (outcome, heard) = deliver(
        vec![Say("220 mx"), Hear("EHLO"), Say("250-mx\r\n250 STARTTLS"), Hear("STARTTLS"), Say("220 go\r\n250 injected"), Stay],
        MAIL,
    )
    .await;
    assert!(matches!(&outcome, Outcome::Destination { reply } if reply.contains("nobody asked")), "{outcome:?}");
    assert_eq!(heard, "EHLO desk.example\r\nSTARTTLS\r\n");
}

#[tokio::test]
async fn a_reply_before_its_command_ends_it() {
    let (outcome, heard) = deliver(vec![Say("220 mx\r\n250 mx"), Stay], MAIL).await;
    assert!(matches!(outcome, Outcome::Destination { .. }), "{outcome:?}");
    assert_eq!(heard, "");
}

#[tokio::test]
async fn without_user_a_refused_starttls_goes_on_in_clear() {
    let mut script = vec![Say("220 mx"), Hear("EHLO"), Say("250-mx\r\n250 STARTTLS"), Hear("STARTTLS"), Say("454 4.7.0 no TLS now")];
    script.extend([Hear("MAIL FROM:<support+t@desk.example>\r\n"), Say("250 ok"), Hear("RCPT"), Say("250 ok")]);
    script.extend([Hear("DATA"), Say("354 go"), Mail, Say("250 taken"), Hear("QUIT")]);
    assert_eq!(deliver(script, MAIL).await.0, Outcome::Sent { reply: "250 taken".into() });
}

#[tokio::test]
async fn a_server_without_ehlo_is_greeted_with_helo() {
    let mut script = vec![Say("220 mx"), Hear("EHLO"), Say("502 what?"), Hear("HELO desk.example"), Say("250 mx")];
    script.extend([Hear("MAIL FROM:<support+t@desk.example>\r\n"), Say("550 5.1.0 no"), Hear("QUIT")]);
    assert!(matches!(deliver(script, MAIL).await.0, Outcome::Recipient { temporary: true, .. }));
}

/// Logs in to a scripted server that is on this machine or only pretends to be far away.
async fn log_in(script: Vec<Step>, loopback: bool) -> (Result<(), String>, String) {
    let (port, heard) = server(script).await;
    let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let tls = Tls::new("127.0.0.1", false, None).unwrap();
    let login = Some(Login { user: "desk", password: "correct horse" });
    let timeouts = Timeouts::default();
    let plan = Plan { host: "127.0.0.1", port, at: None, implicit_tls: false, login, tls: &tls, hostname: "desk.example", timeouts };
    let outcome = match Session::begin(&plan, Box::new(stream), loopback).await {
        Ok(session) => {
            session.quit().await;
            Ok(())
        }
        Err(fault) => Err(fault.to_string()),
    };
    (outcome, heard.await.unwrap())
}

#[tokio::test]
async fn no_password_in_clear_beyond_this_machine() {
    let (outcome, heard) = log_in(vec![Say("220 mx"), Hear("EHLO"), Say("250-mx\r\n250 AUTH PLAIN LOGIN"), Stay], false).await;
    assert!(outcome.unwrap_err().contains("no STARTTLS"));
    assert_eq!(heard, "EHLO desk.example\r\n");

    let script =
        vec![Say("220 mx"), Hear("EHLO"), Say("250-mx\r\n250-AUTH PLAIN\r\n250 STARTTLS"), Hear("STARTTLS"), Say("454 no TLS"), Stay];
    let (outcome, heard) = log_in(script, false).await;
    assert!(outcome.unwrap_err().contains("454 no TLS"));
    assert!(!heard.contains("AUTH") && !heard.contains("MAIL"), "{heard}");
}

#[tokio::test]
async fn auth_plain_and_login() {
    let hello = || vec![Say("220 mx"), Hear("EHLO")];
    let plain = [Say("250-mx\r\n250 auth login plain"), Hear("AUTH PLAIN AGRlc2sAY29ycmVjdCBob3JzZQ==\r\n"), Say("235 ok"), Hear("QUIT")];
    assert_eq!(log_in(with(hello(), &plain), true).await.0, Ok(()));

    let mut login =
        with(hello(), &[Say("250-mx\r\n250 AUTH=LOGIN"), Hear("AUTH LOGIN\r\n"), Say("334 VXNlcm5hbWU6"), Hear("ZGVzaw==\r\n")]);
    login.extend([Say("334 UGFzc3dvcmQ6"), Hear("Y29ycmVjdCBob3JzZQ==\r\n"), Say("235 ok"), Hear("QUIT")]);
    assert_eq!(log_in(login, true).await.0, Ok(()));

    let none = with(hello(), &[Say("250-mx\r\n250 AUTH CRAM-MD5"), Stay]);
    assert!(log_in(none, true).await.0.unwrap_err().contains("no AUTH PLAIN"));
}

#[tokio::test]
async fn a_refused_password_is_not_shown() {
    let script = vec![
        Say("220 mx"),
        Hear("EHLO"),
        Say("250-mx\r\n250 AUTH PLAIN"),
        Hear("AUTH"),
        Say("535 5.7.8 bad: AUTH PLAIN AGRlc2sAY29ycmVjdCBob3JzZQ=="),
        Stay,
    ];
    let shown = log_in(script, true).await.0.unwrap_err();
    assert_eq!(shown, "AUTH: 535 5.7.8 bad: AUTH PLAIN ***");
}

#[tokio::test]
async fn what_cannot_be_sent_is_not_tried() {
    let exit = exit(1);
    for (sender, recipient) in [(SENDER, "ann@x.test> SIZE=1"), (SENDER, "ann\r\nRCPT TO:<eve@x.test>"), ("a\n@x.test", ANN), (SENDER, "")]
    {
        let outcome = exit.deliver("1", sender, recipient, MAIL, &Fence::default()).await;
        assert!(matches!(outcome, Outcome::Recipient { temporary: false, .. }), "{sender} {recipient}: {outcome:?}");
    }
    for hostname in ["", "a b", "desk\r\nMAIL", "bücher.example"] {
        assert!(matches!(Exit::new(&Relay::Maildir("x".into()), hostname), Err(RelayError::Hostname(_))), "{hostname:?}");
    }
}

#[tokio::test]
async fn nobody_at_the_port_is_the_destinations_trouble() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let outcome = exit(port).deliver("1", SENDER, ANN, MAIL, &Fence::default()).await;
    assert!(matches!(&outcome, Outcome::Destination { reply } if reply.contains("cannot connect to 127.0.0.1")), "{outcome:?}");
    assert!(exit(port).probe().await.unwrap_err().contains("cannot connect"));
}

#[tokio::test]
async fn a_probe_sends_no_mail() {
    let (port, heard) = server(vec![Say("220 mx"), Hear("EHLO"), Say("250 mx"), Stay]).await;
    exit(port).probe().await.unwrap();
    assert_eq!(heard.await.unwrap(), "EHLO desk.example\r\nQUIT\r\n");
}
