//! A real Postfix as our relay: it puts off, refuses, wants TLS or has none, asks for a password, ends and comes back, and
//! sends its own bounces.

use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use ombud_tests::places::skip;
use ombud_tests::postfix::Postfix;
use ombud_tests::{Desk, Draft, Letter, Options, Say, Sink, wait_until};
use serde_json::Value;

use crate::{ANN, JANE, from_ann};

mod secure;
mod stops;

const ANSWER: &str = "It is fixed, Ann.";

/// Who gets what the relay passes on.
fn world() -> Sink {
    Sink::start(|_, _| Say::Yes)
}

fn postfix(test: &str) -> Option<Postfix> {
    Postfix::prepare().map_err(|why| skip(test, why)).ok()
}

/// Jane's desk with this relay and these further lines for `[outbound]`.
fn desk(relay: String, outbound: String) -> Desk {
    let desk = Desk::prepare(Options { relay: Some(relay), outbound, mailbox: "auto_ack = \"never\"", ..Options::default() });
    desk.agent(JANE, "Jane Doe", "admin");
    desk.running()
}

fn clear(postfix: &Postfix) -> String {
    format!("smtp://{}", postfix.address())
}

/// Ann's ticket, answered by Jane in these words.
fn answered(desk: &Desk, world: &Sink, answer: &str) {
    let subject = format!("Case {}", world.to(JANE).len());
    desk.deliver(&from_ann(&subject, "Hello?"));
    let notice = world.expect(JANE, "a notification", |l| l.header("Subject").is_some_and(|s| s.ends_with(&subject)));
    desk.deliver(&Draft::answer("Jane Doe <jane@agents.test>", &notice, answer));
}

fn is_answer(letter: &Letter) -> bool {
    letter.text().contains(ANSWER)
}

fn rows(desk: &Desk, state: &str, to: &str) -> Vec<Value> {
    let rows = desk.list(&format!("/api/v1/outbox?state={state}")).into_iter();
    rows.filter(|row| row["to"] == to).collect()
}

/// What the relay said of the mail to this address that waits, or why it was not reached.
fn waits(desk: &Desk, to: &str) -> String {
    wait_until("a try that failed", || rows(desk, "waiting", to).iter().any(|row| row["last_reply"].is_string()));
    rows(desk, "waiting", to)[0]["last_reply"].as_str().unwrap_or_default().to_owned()
}

/// So many hours later, with another configuration where one is given.
fn later(desk: &mut Desk, hours: usize, configuration: Option<&str>) {
    desk.kill();
    if let Some(text) = configuration {
        desk.configure(text);
    }
    desk.serve(&["--clock", &format!("{hours}h")]);
}

fn tls_sessions(postfix: &Postfix) -> usize {
    postfix.log().lines().filter(|line| line.contains("TLS connection established from")).count()
}

/// Refusals of one recipient.
fn refuses(to: &str, with: &str) -> String {
    format!("smtpd_recipient_restrictions = check_recipient_access inline:{{ {{ {to} = {with} }} }}, permit_mynetworks, reject\n")
}

#[test]
fn what_postfix_takes_arrives_as_it_left_and_its_word_is_kept() {
    let Some(postfix) = postfix("what_postfix_takes_arrives_as_it_left_and_its_word_is_kept") else { return };
    let world = world();
    postfix.start_as_relay(world.address, "");
    let desk = desk(clear(&postfix), String::new());
    answered(&desk, &world, ANSWER);
    let letter = world.expect(ANN, "the answer", is_answer);
    desk.settle();
    let row = &rows(&desk, "sent", ANN)[0];
    assert!(letter.header("Message-ID").is_some_and(|id| id.ends_with("@desk.test>")), "{:?}", letter.header("Message-ID"));
    assert!(row["last_reply"].as_str().is_some_and(|reply| reply.contains("250 2.0.0 Ok: queued as")), "{row}");
    assert!(letter.headers("Received").iter().any(|one| one.contains("mx.front.test")), "{:?}", letter.headers("Received"));
    assert!(tls_sessions(&postfix) > 0, "TLS is taken where it is offered, also of somebody unknown:\n{}", postfix.log());
    assert_eq!((world.to(ANN).len(), world.to(JANE).len()), (1, 1));
}

#[test]
fn what_postfix_puts_off_leaves_later_and_once() {
    let Some(postfix) = postfix("what_postfix_puts_off_leaves_later_and_once") else { return };
    let world = world();
    postfix.start_as_relay(world.address, &refuses(ANN, "450 4.7.1 Not now (kq-1)"));
    let mut desk = desk(clear(&postfix), String::new());
    answered(&desk, &world, ANSWER);
    let said = waits(&desk, ANN);
    assert!(said.contains("450 4.7.1") && said.contains("Not now (kq-1)"), "{said}");
    postfix.stop();
    postfix.start_as_relay(world.address, "");
    later(&mut desk, 2, None);
    world.expect(ANN, "the answer", is_answer);
    desk.settle();
    assert_eq!((world.to(ANN).len(), world.to(JANE).len()), (1, 1), "and nobody is told of a delay that short");
}

/// How long the greylister wants to wait.
const DELAY: Duration = Duration::from_secs(1);

/// A greylister of Debian's, until it is dropped.
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
            format!("--delay={}", DELAY.as_secs()),
            "--user=root".to_owned(),
            "--group=root".to_owned(),
            "--auto-whitelist-clients=0".to_owned(),
        ];
        let child = Command::new("/usr/sbin/postgrey").args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let child = child.expect("postgrey (tests/run installs it)");
        wait_until("the greylister", || std::net::TcpStream::connect(address).is_ok());
        Self { child, address, _folder: folder }
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
    let Some(postfix) = postfix("a_greylister_is_satisfied_by_the_same_mail_again") else { return };
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
    let refused = Instant::now();
    let refusals = || postfix.log().matches("Greylisted").count();
    let sent = |desk: &Desk| !rows(desk, "sent", ANN).is_empty();
    wait_until("the greylister's delay to be over", || refused.elapsed() > 2 * DELAY);
    // Each try is by the same sender for the same recipient, or a greylister would never know it again.
    for tries in 2..6 {
        later(&mut desk, 20 * tries, None);
        wait_until("another try", || refusals() >= tries || sent(&desk));
        if sent(&desk) {
            break;
        }
    }
    world.expect(ANN, "the answer", is_answer);
    assert_eq!((world.to(ANN).len(), world.tries(ANN)), (1, 1));
}

#[test]
fn what_postfix_refuses_is_told_to_who_wrote_it() {
    let Some(postfix) = postfix("what_postfix_refuses_is_told_to_who_wrote_it") else { return };
    let world = world();
    postfix.start_as_relay(world.address, &refuses(ANN, "550 5.1.1 Nobody here (kq-2)"));
    let desk = desk(clear(&postfix), String::new());
    answered(&desk, &world, ANSWER);
    let told = world.expect(JANE, "the failure", |l| l.text().contains("kq-2"));
    assert!(told.text().contains("550 5.1.1") && told.text().contains(ANN) && told.text().contains(ANSWER), "{}", told.text());
    desk.settle();
    assert_eq!(rows(&desk, "failed", ANN)[0]["attempts"], 1);
    assert_eq!(world.tries(ANN), 0);
}

#[test]
fn what_postfix_refuses_for_its_words_or_its_size_is_told_to_who_wrote_it() {
    let Some(postfix) = postfix("what_postfix_refuses_for_its_words_or_its_size_is_told_to_who_wrote_it") else { return };
    let world = world();
    let checks = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(checks.path(), "/kq-3/ REJECT 5.7.1 Such words we do not carry\n").expect("what is looked for");
    let more = format!("body_checks = regexp:{}\nmessage_size_limit = 60000\n", checks.path().display());
    postfix.start_as_relay(world.address, &more);
    let desk = desk(clear(&postfix), String::new());
    answered(&desk, &world, "The code is kq-3, Ann.");
    let told = world.expect(JANE, "the first failure", |l| l.text().contains("Such words we do not carry"));
    assert!(told.text().contains("550 5.7.1") && !told.text().contains("kq-3"), "what quotes it would be refused, too:\n{}", told.text());
    desk.settle();
    desk.deliver(&from_ann("Large", "Hello?"));
    let notice = world.expect(JANE, "a notification", |l| l.header("Subject").is_some_and(|s| s.ends_with("Large")));
    desk.deliver(&Draft::answer("Jane Doe <jane@agents.test>", &notice, "See the file, Ann.").attach("big.bin", &[7; 100_000]));
    let told = world.expect(JANE, "the second failure", |l| l.text().contains("See the file"));
    assert!(told.text().contains("552 5.3.4") && told.text().contains("60000"), "how large it may be:\n{}", told.text());
    desk.settle();
    assert!(world.to(ANN).is_empty());
}
