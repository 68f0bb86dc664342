//! Every combination of the golden table is decided as it says, but for the rows that its head lists with their reason.

use std::collections::{BTreeMap, BTreeSet};

use super::{Channel, Decision, From, Kind, Outcome, Proof, decide};

const TABLE: &str = include_str!("../../../../tests/golden/who_acts.txt");

const CHANNELS: [&str; 4] = ["mx", "relay", "sub", "imap"];
const ADDRESSES: [&str; 7] = ["agent", "agent-old", "agent-revoked", "customer", "customer-old", "broken", "plain"];
const AUTHORS: [&str; 8] = ["owner", "agent", "former", "party", "known", "new", "own", "malformed"];
const CLASSES: [&str; 2] = ["human", "auto"];
const PROOFS: [&str; 7] = ["dkim", "spf", "none", "failnone", "failpol", "temp", "perm"];

type Cell = [&'static str; 5];

/// A difference: where, what the table says, what we do.
struct Differs {
    sets: [Vec<&'static str>; 5],
    golden: &'static str,
    ours: &'static str,
}

fn set(words: &'static str, all: &[&'static str]) -> Vec<&'static str> {
    let named: Vec<_> = if words == "*" { all.to_vec() } else { words.split(',').collect() };
    assert!(named.iter().all(|word| all.contains(word)), "{words}");
    named
}

fn sets<const N: usize>(words: &[&'static str]) -> [Vec<&'static str>; N] {
    let all: [&[&'static str]; 5] = [&CHANNELS, &ADDRESSES, &AUTHORS, &CLASSES, &PROOFS];
    std::array::from_fn(|i| set(words[i], all[i]))
}

/// Rule and outcome of each cell.
fn golden() -> BTreeMap<Cell, (u8, &'static str)> {
    let mut cells = BTreeMap::new();
    for line in TABLE.lines().filter(|line| !line.starts_with(['#', '!']) && !line.is_empty()) {
        let (left, right) = line.split_once('|').unwrap();
        let [channels, addresses, authors, classes] = sets(&left.split_whitespace().collect::<Vec<_>>());
        let outcomes: Vec<_> = match right.trim().strip_prefix("*=") {
            Some(one) => vec![one; PROOFS.len()],
            None => right.split_whitespace().collect(),
        };
        assert_eq!(outcomes.len(), PROOFS.len(), "{line}");
        for (&c, &t) in channels.iter().flat_map(|c| addresses.iter().map(move |t| (c, t))) {
            for (&f, &x) in authors.iter().flat_map(|f| classes.iter().map(move |x| (f, x))) {
                for (d, ruled) in PROOFS.into_iter().zip(&outcomes) {
                    let (rule, outcome) = ruled.split_once(':').unwrap();
                    let rule = rule.strip_prefix('R').unwrap().parse().unwrap();
                    assert_eq!(cells.insert([c, t, f, x, d], (rule, outcome)), None, "twice: {c} {t} {f} {x} {d}");
                }
            }
        }
    }
    assert_eq!(cells.len(), 4 * 7 * 8 * 2 * 7);
    cells
}

fn differences() -> Vec<Differs> {
    let lines = TABLE.lines().filter_map(|line| line.strip_prefix("! "));
    let read = |line: &'static str| {
        let (what, why) = line.split_once(": ").unwrap();
        assert!(why.len() > 20, "no reason: {line}");
        let words: Vec<_> = what.split_whitespace().collect();
        assert!(words.len() == 8 && words[6] == "->", "{line}");
        Differs { sets: sets(&words), golden: words[5], ours: words[7] }
    };
    lines.map(read).collect()
}

fn ruled([c, t, f, x, d]: Cell, allow_spf: bool) -> Decision {
    let channel = if c == "sub" { Channel::Submission } else { Channel::Mail };
    let proof = [Proof::Aligned, Proof::Spf, Proof::None, Proof::Fail, Proof::FailPolicy, Proof::Temporary, Proof::Permanent]
        [PROOFS.iter().position(|p| *p == d).unwrap()];
    let kind = match t {
        "agent" => Kind::Agent,
        "agent-old" => Kind::AgentExpired,
        "agent-revoked" => Kind::AgentRevoked,
        "customer" => Kind::Customer,
        "customer-old" => Kind::CustomerExpired,
        // Refused at RCPT; where there is none, a suffix like any other.
        _ => Kind::Plain,
    };
    let from = match f {
        "owner" if t.starts_with("agent") => From::Owner,
        "owner" | "agent" => From::Agent,
        "former" => From::FormerAgent,
        "party" => From::Party,
        "own" => From::Own,
        "malformed" => From::Malformed,
        _ => From::Stranger,
    };
    decide(channel, proof, kind, from, x == "auto", allow_spf)
}

fn ours(cell: Cell, allow_spf: bool) -> (u8, &'static str) {
    let ruled = ruled(cell, allow_spf);
    let word = match ruled.outcome {
        Outcome::Act => "act",
        Outcome::Note => "note",
        Outcome::Customer => "customer",
        Outcome::CustomerUnverified => "unverified",
        Outcome::ThirdParty => "third-party",
        Outcome::OnBehalf => "on-behalf",
        Outcome::Confirm => "confirm",
        Outcome::Hold => "hold",
        Outcome::Automatic => "automatic",
    };
    (ruled.rule, word)
}

#[test]
fn all_is_decided_as_the_table_says() {
    let listed = differences();
    let mut used = BTreeSet::new();
    let mut wrong = Vec::new();
    for (cell, (rule, golden)) in golden() {
        // An address that does not verify never gets to the desk but by what was fetched.
        if cell[1] == "broken" && cell[0] != "imap" {
            assert_eq!(golden, "refuse");
            continue;
        }
        let (number, ours) = ours(cell, false);
        assert_eq!(number, rule, "{cell:?}");
        let at_desk = if golden == "refuse" { "hold" } else { golden };
        let known = listed.iter().position(|l| l.sets.iter().zip(cell).all(|(set, value)| set.contains(&value)) && l.golden == golden);
        match known {
            Some(line) if listed[line].ours == ours => drop(used.insert(line)),
            _ if ours == at_desk => {}
            _ => wrong.push(format!("{} {golden} -> {ours}", cell.join(" "))),
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
    assert_eq!(used.len(), listed.len(), "a difference is listed that is none: only {used:?}");
}

#[test]
fn an_admin_may_let_spf_be_enough_for_an_agent_and_for_nothing_else() {
    for (cell, _) in golden() {
        let (with, without) = (ours(cell, true), ours(cell, false));
        let is_that = cell[0] != "sub" && cell[1..] == ["agent", "owner", "human", "spf"];
        if is_that { assert_eq!((with, without), ((14, "act"), (14, "confirm"))) } else { assert_eq!(with, without, "{cell:?}") }
    }
}

#[test]
fn every_rule_can_be_told_in_words() {
    for (cell, _) in golden().into_iter().filter(|(cell, _)| cell[1] != "broken") {
        let told = ruled(cell, false).in_words();
        assert!(!told.contains("not known any more"), "{cell:?} {told}");
    }
}
