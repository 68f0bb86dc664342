//! The relay takes a mail later: by a rule of its own, and by a greylister.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use ombud_tests::places::lacks;
use ombud_tests::wait_until;

use super::{ANSWER, answered, clear, desk, is_answer, later, refuses, rows, waits, world};
use crate::{ANN, JANE, SUPPORT};

/// Debian's.
const POSTGREY: &str = "/usr/sbin/postgrey";

#[test]
fn what_postfix_puts_off_leaves_later_and_once() {
    let Some(postfix) = super::postfix("what_postfix_puts_off_leaves_later_and_once") else { return };
    let world = world();
    postfix.start_as_relay(world.address, &refuses(ANN, "450 4.7.1 Not now (kq-1)"));
    let mut desk = desk(clear(&postfix), String::new());
    answered(&desk, &world, ANSWER);
    let said = waits(&desk, ANN);
    assert!(said.contains("450 4.7.1") && said.contains("Not now (kq-1)"), "{said}");
    assert_eq!(rows(&desk, "waiting", ANN)[0]["attempts"], 1);
    postfix.stop();
    postfix.start_as_relay(world.address, "");
    later(&mut desk, 2, None);
    world.expect(ANN, "the answer", is_answer);
    desk.settle();
    assert_eq!(rows(&desk, "sent", ANN)[0]["attempts"], 2);
    assert_eq!((world.to(ANN).len(), world.to(JANE).len()), (1, 1), "and nobody is told of a delay that short");
}

/// A greylister, until it is dropped.
struct Greylister {
    child: Child,
    address: SocketAddr,
    _folder: tempfile::TempDir,
}

impl Greylister {
    fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let address = TcpListener::bind("127.0.0.1:0").and_then(|port| port.local_addr()).expect("a free port");
        let arguments = [
            format!("--inet={address}"),
            format!("--dbdir={}", folder.path().display()),
            "--delay=1".to_owned(),
            "--user=root".to_owned(),
            "--group=root".to_owned(),
            "--auto-whitelist-clients=0".to_owned(),
        ];
        let child = Command::new(POSTGREY).args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let greylister = Self { child: child.expect("postgrey starts"), address, _folder: folder };
        wait_until("the greylister", || TcpStream::connect(address).is_ok());
        greylister
    }

    /// Whether it would let through now what it has put off, asked as Postfix does. A suffix of the sender's is nothing to it.
    fn would_pass(&self, sender: &str, recipient: &str) -> bool {
        let question = format!(
            "request=smtpd_access_policy\nprotocol_state=RCPT\nprotocol_name=ESMTP\nclient_address=127.0.0.1\n\
             client_name=localhost\nhelo_name=desk.test\nsender={sender}\nrecipient={recipient}\n\n"
        );
        let mut stream = TcpStream::connect(self.address).expect("the greylister");
        stream.write_all(question.as_bytes()).expect("it is asked");
        let (mut answer, mut part) = (String::new(), [0; 512]);
        while !answer.ends_with("\n\n") {
            let read = stream.read(&mut part).expect("it answers");
            assert!(read > 0, "it hung up after {answer:?}");
            answer += &String::from_utf8_lossy(&part[..read]);
        }
        !answer.starts_with("action=DEFER")
    }
}

impl Drop for Greylister {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_greylister_is_satisfied_by_the_same_mail_again() {
    let test = "a_greylister_is_satisfied_by_the_same_mail_again";
    let Some(postfix) = super::postfix(test) else { return };
    if !Path::new(POSTGREY).is_file() {
        return lacks(test, "no postgrey here");
    }
    let (world, greylister) = (world(), Greylister::start());
    let asks = format!(
        "smtpd_recipient_restrictions = check_recipient_access inline:{{ {{ agents.test = OK }} }}, \
         check_policy_service inet:{}, permit_mynetworks, reject\n",
        greylister.address
    );
    postfix.start_as_relay(world.address, &asks);
    let mut desk = desk(clear(&postfix), String::new());
    answered(&desk, &world, ANSWER);
    let said = waits(&desk, ANN);
    assert!(said.contains("450 4.2.0") && said.contains("Greylisted"), "{said}");
    assert_eq!(rows(&desk, "waiting", ANN)[0]["attempts"], 1);
    assert_eq!(world.tries(ANN), 0);
    wait_until("the greylister to have waited long enough", || greylister.would_pass(SUPPORT, ANN));
    later(&mut desk, 2, None);
    world.expect(ANN, "the answer", is_answer);
    desk.settle();
    assert_eq!(rows(&desk, "sent", ANN)[0]["attempts"], 2);
    assert_eq!(postfix.log().matches("Greylisted").count(), 1, "{}", postfix.log());
    assert_eq!((world.to(ANN).len(), world.tries(ANN)), (1, 1));
    assert_eq!(world.to(JANE).len(), 1, "nobody is told of a delay that short");
}
