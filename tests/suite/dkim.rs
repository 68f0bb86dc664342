//! What leaves is signed, and an implementation that is not ours believes it.

use std::process::Command;

use ombud_tests::mail::Letter;
use ombud_tests::program::run;
use ombud_tests::{Desk, Dns, Draft, Options, Say, Sink};
use serde_json::Value;

use crate::{ANN, JANE, from_ann};

const ANSWER: &str = "It is fixed, Ann.";

/// Reads a mail; for each of its signatures whether it holds, by the records of the first argument.
const VERIFY: &str = r#"
import sys, json, dkim
records = {k + ".": v for k, v in json.loads(sys.argv[1]).items()}
mail = sys.stdin.buffer.read()
signer = dkim.DKIM(mail)
def text(name, timeout=5):
    return records.get(name.decode(), "").encode()
for at, (name, value) in enumerate([h for h in signer.headers if h[0].lower() == b"dkim-signature"]):
    try:
        print(at, signer.verify(at, dnsfunc=text))
    except Exception as error:
        print(at, type(error).__name__, error)
"#;

/// What dkimpy says of each signature.
#[track_caller]
pub(super) fn verified(mail: &[u8], records: &[Value]) -> Vec<String> {
    let records: serde_json::Map<String, Value> =
        records.iter().map(|item| (item["name"].as_str().expect("a name").to_owned(), item["value"].clone())).collect();
    let mut python = Command::new("/usr/bin/python3");
    python.args(["-c", VERIFY, &Value::Object(records).to_string()]);
    let ran = run(python, mail);
    assert_eq!(ran.code, 0, "{}", ran.err);
    ran.out.lines().map(|line| line.split_once(' ').expect("two words").1.to_owned()).collect()
}

fn selectors(letter: &Letter) -> Vec<String> {
    let tag = |field: String| {
        let flat: String = field.chars().filter(|c| !c.is_whitespace()).collect();
        flat.split(';').find_map(|tag| tag.strip_prefix("s=").map(str::to_owned)).expect("a selector")
    };
    letter.headers("DKIM-Signature").into_iter().map(tag).collect()
}

fn prepared(sink: &Sink, dns: &Dns) -> Desk {
    let options = Options { relay: Some(sink.url()), resolver: Some(dns.address()), mailbox: "auto_ack = \"never\"", ..Options::default() };
    let desk = Desk::prepare(options);
    desk.agent(JANE, "Jane Doe", "admin");
    desk
}

/// The records that `ombud keys` prints.
pub(super) fn records(desk: &Desk, arguments: &[&str]) -> Vec<Value> {
    let ran = desk.cli(&[arguments, &["--json"]].concat());
    assert_eq!(ran.code, 0, "{}", ran.err);
    serde_json::from_str(&ran.out).expect("JSON")
}

/// Puts them into the DNS.
pub(super) fn publish(dns: &Dns, records: &[Value]) {
    for item in records {
        dns.text(item["name"].as_str().expect("a name"), item["value"].as_str().expect("a value"));
    }
}

/// Jane's answer to a new mail of Ann's.
fn answer(desk: &Desk, sink: &Sink, subject: &str) -> Letter {
    desk.deliver(&from_ann(subject, "Hello?"));
    let notice = sink.expect(JANE, "a notification", |l| l.header("Subject").is_some_and(|s| s.ends_with(subject)));
    desk.deliver(&Draft::answer("Jane Doe <jane@agents.test>", &notice, ANSWER));
    sink.expect(ANN, "the answer", |l| l.text().contains(ANSWER) && l.header("Subject").is_some_and(|s| s.ends_with(subject)))
}

#[test]
fn published_keys_sign_and_others_believe_it() {
    let (dns, sink) = (Dns::start(), Sink::start(|_, _| Say::Yes));
    let desk = prepared(&sink, &dns);
    let records_there = records(&desk, &["keys", "show"]);
    assert_eq!(records_there.len(), 2, "{records_there:?}");
    assert!(records_there.iter().all(|item| item["published"] == false && item["domain"] == "desk.test"), "{records_there:?}");
    let text = desk.cli(&["keys", "show", "desk.test"]).out;
    assert!(text.contains("_domainkey.desk.test. 3600 IN TXT \"v=DKIM1; k=rsa; p="), "{text}");
    publish(&dns, &records_there);
    assert!(records(&desk, &["keys", "list"]).iter().all(|item| item["published"] == true));
    let desk = desk.running();
    let letter = answer(&desk, &sink, "Signed");
    assert_eq!(selectors(&letter).len(), 2);
    assert_eq!(verified(&letter.raw, &records_there), ["True", "True"], "{}", String::from_utf8_lossy(&letter.raw));
    // Nobody can change it or put a second From, To or Subject above the first.
    for added in ["From: eve@evil.test\r\n", "To: eve@evil.test\r\n", "Subject: Pay here\r\n", "Reply-To: eve@evil.test\r\n"] {
        let changed = [added.as_bytes(), &letter.raw].concat();
        assert!(verified(&changed, &records_there).iter().all(|said| said != "True"), "{added}");
    }
    let changed = String::from_utf8_lossy(&letter.raw).replace("It is fixed", "Pay here").into_bytes();
    assert!(verified(&changed, &records_there).iter().all(|said| said != "True"));
    let notice = sink.to(JANE).remove(0);
    assert_eq!(verified(&notice.raw, &records_there), ["True", "True"], "a notification is signed, too");
}

#[test]
fn a_new_key_signs_when_the_world_can_know_it() {
    let (dns, sink) = (Dns::start(), Sink::start(|_, _| Say::Yes));
    let desk = prepared(&sink, &dns);
    let old = records(&desk, &["keys", "show"]);
    publish(&dns, &old);
    let both = records(&desk, &["keys", "rotate", "--dkim", "desk.test"]);
    assert_eq!(both.len(), 4, "{both:?}");
    let mut desk = desk.running();
    let first = answer(&desk, &sink, "First");
    assert_eq!(verified(&first.raw, &old), ["True", "True"]);
    publish(&dns, &both);
    desk.kill();
    desk.serve(&[]);
    let second = answer(&desk, &sink, "Second");
    assert_eq!(verified(&second.raw, &both), ["True", "True"]);
    assert!(selectors(&second).iter().all(|selector| !selectors(&first).contains(selector)), "{:?}", selectors(&second));
}

#[test]
fn without_keys_or_their_records_nothing_is_signed_unless_always() {
    let (dns, sink) = (Dns::start(), Sink::start(|_, _| Say::Yes));
    let desk = prepared(&sink, &dns);
    let configured = desk.configuration();
    let mut desk = desk.running();
    assert!(answer(&desk, &sink, "No keys").headers("DKIM-Signature").is_empty());
    let keys = records(&desk, &["keys", "show"]);
    assert!(answer(&desk, &sink, "No records").headers("DKIM-Signature").is_empty());
    desk.kill();
    desk.configure(&configured.replace("[outbound]\n", "[outbound]\ndkim = \"always\"\n"));
    desk.serve(&[]);
    let letter = answer(&desk, &sink, "Always");
    assert_eq!(verified(&letter.raw, &keys), ["True", "True"]);
    desk.kill();
    publish(&dns, &keys);
    desk.configure(&configured.replace("[outbound]\n", "[outbound]\ndkim = \"never\"\n"));
    desk.serve(&[]);
    assert!(answer(&desk, &sink, "Never").headers("DKIM-Signature").is_empty());
}

#[test]
fn a_key_that_cannot_be_read_stops_no_mail() {
    let (dns, sink) = (Dns::start(), Sink::start(|_, _| Say::Yes));
    let desk = prepared(&sink, &dns);
    let keys = records(&desk, &["keys", "show"]);
    publish(&dns, &keys);
    assert!(desk.cli(&["check"]).out.contains("desk.test: keys 2"));
    std::fs::write(desk.path("data/keys/dkim_desk.test_20991231-01-rsa.key"), "no key").expect("a file");
    let checked = desk.cli(&["check"]);
    assert!(checked.code == 78 && checked.out.contains("dkim_desk.test_20991231-01-rsa.key is no private key"), "{}", checked.out);
    let desk = desk.running();
    assert_eq!(verified(&answer(&desk, &sink, "The others").raw, &keys), ["True", "True"]);
}

#[test]
fn a_retry_is_the_same_mail_with_the_same_signature() {
    let (dns, sink) = (Dns::start(), Sink::start(|to, n| if to == ANN && n == 1 { Say::Vanish } else { Say::Yes }));
    let desk = prepared(&sink, &dns);
    publish(&dns, &records(&desk, &["keys", "show"]));
    let mut desk = desk.running();
    answer(&desk, &sink, "Twice");
    ombud_tests::wait_until("the answer to wait", || {
        desk.list("/api/v1/outbox?state=waiting").iter().any(|row| row["to"] == ANN && row["last_reply"] != Value::Null)
    });
    desk.kill();
    desk.serve(&["--clock", "2h"]);
    ombud_tests::wait_until("the second copy", || sink.to(ANN).len() == 2);
    let copies = sink.to(ANN);
    assert!(copies[0].raw == copies[1].raw && selectors(&copies[0]).len() == 2);
}

#[test]
fn a_domain_of_nobody_has_no_keys() {
    let desk = prepared(&Sink::start(|_, _| Say::Yes), &Dns::start());
    let ran = desk.cli(&["keys", "rotate", "--dkim", "other.test"]);
    assert!(ran.code == 65 && ran.err.contains("desk.test"), "{}", ran.err);
    assert_eq!(desk.cli(&["keys", "rotate"]).code, 69);
}
