//! Real mail beside the repository, read in place: each gets one fate, or one clear refusal, and no robot an answer.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::thread;

use ombud_tests::places::{binary, corpora, lacks};
use ombud_tests::program::{bare_command, run};
use ombud_tests::smtp::crlf;
use ombud_tests::{Desk, Options, Smtp};
use serde_json::Value;

use crate::{JANE, SUPPORT};

/// The folder of real mail; where there is none the test says so, and in CI it fails.
pub fn folder(test: &str) -> Option<PathBuf> {
    let found = corpora();
    if found.is_none() {
        lacks(test, "there is no folder ../shared/corpora; OMBUD_CORPORA names another");
    }
    found
}

/// How many checks of each family hold at least. A figure may rise, and goes up here when it does; what is missing to all
/// of them stands in `tests/corpora.md`.
const FLOORS: [(&str, u64); 11] = [
    ("bounces-perl", 188),
    ("chatwoot", 20),
    ("discourse", 81),
    ("mime-parse", 583),
    ("reply", 362),
    ("rt", 28),
    ("sisimai", 1404),
    ("tnef", 43),
    ("xss", 454),
    ("zammad", 406),
    ("all", 3569),
];

#[test]
fn scores_only_rise() {
    let Some(folder) = folder("scores_only_rise") else { return };
    let temporary = tempfile::tempdir().unwrap();
    let table = temporary.path().join("scores.json");
    let mut judge = Command::new("python3");
    judge.arg(folder.join("score.py")).arg("--bin").arg(binary()).arg("--root").arg(&folder).arg("--json").arg(&table);
    let ran = run(judge, b"");
    assert_eq!(ran.code, 0, "{}", ran.err);
    println!("{}", ran.out);
    let table: Value = serde_json::from_slice(&fs::read(&table).expect("the table")).expect("JSON");
    let held = |family: &str| table[family]["held"].as_u64().unwrap_or(0);
    let all: u64 = table.as_object().into_iter().flatten().map(|(family, _)| held(family)).sum();
    let below: Vec<String> = FLOORS
        .iter()
        .map(|(family, floor)| (family, if *family == "all" { all } else { held(family) }, floor))
        .filter(|(_, held, floor)| held < floor)
        .map(|(family, held, floor)| format!("{family}: {held} checks hold, {floor} did: {}", table[*family]["misses"]))
        .collect();
    assert!(below.is_empty(), "{}", below.join("\n"));
}

/// The files of all open cases, each once.
fn files(test: &str) -> Option<Vec<PathBuf>> {
    let folder = folder(test)?;
    let mut files = BTreeSet::new();
    for family in fs::read_dir(&folder).expect("the corpora").flatten() {
        let Ok(cases) = fs::read_to_string(family.path().join("cases.open.jsonl")) else { continue };
        for line in cases.lines() {
            let case: Value = serde_json::from_str(line).expect("a case is JSON");
            let several = case["checks"]["files"].as_array().into_iter().flatten();
            let names = several.chain([&case["file"]]).filter_map(Value::as_str);
            files.extend(names.map(|name| family.path().join(name)).filter(|path| path.is_file()));
        }
    }
    assert!(files.len() > 500, "only {} files in {}", files.len(), folder.display());
    Some(files.into_iter().collect())
}

#[test]
fn every_mail_has_one_fate_or_one_refusal() {
    let Some(files) = files("every_mail_has_one_fate_or_one_refusal") else { return };
    let desk = Desk::prepare(Options { more: "[limits]\nnotifications_per_agent_hour = 1000000\n", ..Options::default() });
    desk.agent(JANE, "Jane Doe", "admin");
    let desk = desk.running();
    let (mut taken, mut refusals) = (0, BTreeMap::<String, usize>::new());
    for file in &files {
        let raw = fs::read(file).expect("a file");
        for content in [crlf(&raw), raw] {
            let mut smtp = Smtp::greeted(desk.ports().smtp);
            let reply =
                smtp.mail("someone@customer.test", &[SUPPORT], &content).unwrap_or_else(|| panic!("no answer to {}", file.display()));
            match reply.code {
                250 => taken += 1,
                500..600 => *refusals.entry(reply.line.chars().take(60).collect()).or_default() += 1,
                _ => panic!("{}: {}", file.display(), reply.line),
            }
        }
    }
    desk.settle();
    let rows = desk.list("/api/v1/inbox");
    let (mut fates, mut kinds) = (BTreeMap::<String, usize>::new(), BTreeMap::<&str, usize>::new());
    for row in &rows {
        *kinds.entry(row["fate"]["kind"].as_str().unwrap_or_default()).or_default() += 1;
        *fates.entry(format!("{} {}", row["fate"]["kind"], row["fate"]["reason"])).or_default() += 1;
    }
    println!("{} files, each with CRLF and as it is: {taken} taken\n{fates:#?}\nrefused {refusals:#?}", files.len());
    assert_eq!(rows.len(), taken, "a row for each mail that was taken");
    let of = |kind: &str| kinds.get(kind).copied().unwrap_or(0);
    let ends = ["ticket", "message", "duplicate", "held", "automatic"].map(of).iter().sum::<usize>();
    assert_eq!(ends, taken, "received = tickets + messages + duplicates + held + automatic: {kinds:?}");
    assert_eq!(desk.list("/api/v1/tickets").len(), of("ticket"), "a ticket for each mail that became one");
    assert!(!fates.keys().any(|fate| fate.contains("poison")), "{fates:?}");
    no_robot_is_answered(&desk);
}

/// Whom an acknowledgement went to must not have written automatic mail alone.
fn no_robot_is_answered(desk: &Desk) {
    let mut automatic = BTreeMap::<u64, bool>::new();
    for ticket in desk.list("/api/v1/tickets") {
        let messages = desk.messages(&ticket["number"]);
        automatic.insert(ticket["number"].as_u64().expect("a number"), !messages[0]["automatic"].is_null());
    }
    let letters = desk.out().letters();
    let acks = letters.iter().filter(|l| l.header("Auto-Submitted").as_deref() == Some("auto-replied") && l.recipient != JANE);
    let mut count = 0;
    for ack in acks {
        count += 1;
        let text = ack.text();
        let number = text.split('#').nth(1).map(|rest| rest.chars().take_while(char::is_ascii_digit).collect::<String>());
        let number: u64 = number.and_then(|digits| digits.parse().ok()).unwrap_or_else(|| panic!("no number in\n{text}"));
        assert_eq!(
            automatic.get(&number),
            Some(&false),
            "ticket {number} began with automatic mail and was acknowledged to {}",
            ack.recipient
        );
    }
    println!("{count} acknowledgements, none to automatic mail");
    assert!(count > 0, "real people are acknowledged");
}

#[test]
fn explain_reads_every_file_and_any_octets() {
    let folder = tempfile::tempdir().unwrap();
    let mut inputs: Vec<Vec<u8>> = octets(200);
    match files("explain_reads_every_file_and_any_octets") {
        Some(files) => inputs.extend(files.iter().map(|file| fs::read(file).expect("a file"))),
        None => println!("only random octets"),
    }
    let halves = inputs.split_at(inputs.len() / 2);
    thread::scope(|scope| {
        for half in [halves.0, halves.1] {
            let folder = folder.path();
            scope.spawn(move || {
                for input in half {
                    let mut command: Command = bare_command();
                    command.current_dir(folder).arg("explain");
                    let ran = run(command, input);
                    assert_eq!(ran.code, 0, "{} on {:?}", ran.err, String::from_utf8_lossy(&input[..input.len().min(200)]));
                    let value: Value = serde_json::from_str(&ran.out).expect("JSON");
                    assert!(value["text"].is_string() && value["attachments"].is_array(), "{value}");
                }
            });
        }
    });
    println!("{} inputs explained", inputs.len());
}

/// Random octets, the same in each run; half of them with a little of the look of a mail.
fn octets(count: usize) -> Vec<Vec<u8>> {
    const WORDS: [&[u8]; 8] =
        [b"From: ", b"\r\n", b"\r\n\r\n", b"Content-Type: multipart/mixed; boundary=b\r\n", b"--b\r\n", b"=?utf-8?B?", b"<div", b"\n> "];
    let mut seed = 20_261_121u64;
    let mut next = move |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize % below
    };
    let one = |n: usize| {
        let mut bytes = Vec::new();
        for _ in 0..next(600) {
            match next(6) {
                0 if n.is_multiple_of(2) => bytes.extend_from_slice(WORDS[next(WORDS.len())]),
                _ => bytes.push(u8::try_from(next(256)).expect("an octet")),
            }
        }
        bytes
    };
    (0..count).map(one).collect()
}

#[test]
fn random_octets_over_smtp() {
    let desk = Desk::with_jane();
    let mut taken = 0;
    for content in octets(150) {
        for content in [crlf(&content), content] {
            let mut smtp = Smtp::greeted(desk.ports().smtp);
            let reply = smtp.mail("someone@customer.test", &[SUPPORT], &content).expect("an answer");
            assert!(reply.code == 250 || (500..600).contains(&reply.code), "{}", reply.line);
            taken += usize::from(reply.is_yes());
        }
    }
    desk.settle();
    assert_eq!(desk.list("/api/v1/inbox").len(), taken);
}
