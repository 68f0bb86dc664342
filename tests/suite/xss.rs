//! Hostile HTML, sanitized, in a real browser: nothing runs, nothing is fetched, nobody is led away, and what is left is
//! what the allow-list allows. The same page shows first that it sees what is not sanitized.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use ombud_tests::browser::told;
use ombud_tests::program::ombud;
use ombud_tests::{Chance, Site};
use serde_json::{Value, json};

use crate::corpora::folder;

const PAGE: &str = include_str!("xss/page.html");
/// What would run, load or lead away, a vector a line; `{…}` is a line end or another odd octet.
const VECTORS: &str = include_str!("xss/vectors.txt");

/// What the browser saw of each of these, by their place, and what it asked for.
fn shown(cases: &[String]) -> (BTreeMap<usize, BTreeSet<String>>, Vec<String>) {
    let nonce = format!("n{:x}", Chance::of_this_run().below(1 << 32));
    // In a script nothing may look like an end of it.
    let cases = json!(cases).to_string().replace('<', "\\u003c");
    let page = PAGE.replace("NONCE", &nonce).replace("CASES", &cases);
    let policy = format!(
        "default-src 'none'; script-src 'nonce-{nonce}' 'report-sample'; img-src cid:; frame-src 'none'; form-action 'none'; base-uri 'none'"
    );
    let site = Site::of(page, format!("content-security-policy-report-only: {policy}\r\n"));
    let result = told(&site);
    let mut seen = BTreeMap::<usize, BTreeSet<String>>::new();
    for line in result.lines() {
        let (at, what) = line.split_once('\t').expect("a place and what was seen");
        seen.entry(at.parse().expect("a place")).or_default().insert(what.to_owned());
    }
    (seen, site.asked())
}

/// What a mail with this as its HTML would show of it.
fn sanitized(html: &[u8]) -> String {
    let head = b"From: Ann <ann@customer.test>\r\nSubject: HTML\r\nMIME-Version: 1.0\r\nContent-Type: text/html; charset=utf-8\r\n\r\n";
    let folder = tempfile::tempdir().expect("a folder");
    let ran = ombud(folder.path(), &["explain"], &[head, html].concat());
    assert_eq!(ran.code, 0, "{}", ran.err);
    let explained: Value = serde_json::from_str(&ran.out).expect("JSON");
    explained["html"].as_str().unwrap_or_default().to_owned()
}

/// One by one: a line end in a vector is written `{n}`, a tab `{t}`, a NUL `{0}`.
fn vectors() -> Vec<String> {
    let lines = VECTORS.lines().filter(|line| !line.is_empty());
    lines.map(|line| line.replace("{n}", "\n").replace("{t}", "\t").replace("{0}", "\0")).collect()
}

fn nothing_acts(names: &[String], cases: &[String]) {
    let (seen, asked) = shown(cases);
    let found: Vec<_> = seen.iter().map(|(at, what)| format!("{}: {what:?}\n  {}", names[*at], cases[*at])).collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
    assert_eq!(asked, Vec::<String>::new(), "somebody was asked for something");
}

#[test]
fn the_browser_sees_what_is_not_sanitized() {
    let cases = vectors();
    let (seen, asked) = shown(&cases);
    let blind: Vec<_> = (0..cases.len()).filter(|at| !seen.contains_key(at)).map(|at| &cases[at]).collect();
    assert!(blind.is_empty(), "not seen: {blind:#?}");
    let ran = seen.values().flatten().filter(|what| what.starts_with("script-src") || what.contains("alert()")).count();
    assert!(ran > 20, "{ran} ran: {seen:#?}");
    assert!(asked.iter().any(|host| host.starts_with("tracker.test")), "{asked:?}");
}

#[test]
fn what_was_sanitized_does_not_act() {
    let cases: Vec<_> = vectors().iter().map(|vector| sanitized(vector.as_bytes())).collect();
    nothing_acts(&vectors(), &cases);
    let kept = sanitized(b"<h1 id=x class=y>Hello</h1><p style='color:red'>to <b>all</b> <a href='https://example.test/'>of you</a><img src=\"cid:logo\" alt=Logo>");
    let wanted = "<h1>Hello</h1><p>to <b>all</b> <a href=\"https://example.test/\" rel=\"noopener noreferrer nofollow\">of you</a><img src=\"cid:logo\" alt=\"Logo\">";
    assert!(kept.starts_with(wanted), "{kept}");
}

#[test]
fn what_others_found_does_not_act() {
    let Some(folder) = folder("what_others_found_does_not_act").map(|folder| folder.join("xss")) else { return };
    let lines = fs::read_to_string(folder.join("cases.open.jsonl")).expect("the cases");
    let (mut names, mut cases) = (Vec::new(), Vec::new());
    for line in lines.lines() {
        let case: Value = serde_json::from_str(line).expect("a case is JSON");
        let file = folder.join(case["file"].as_str().expect("a file"));
        names.push(case["id"].to_string());
        cases.push(sanitized(&fs::read(&file).expect("the file")));
    }
    assert!(cases.len() > 200, "only {} cases", cases.len());
    println!("{} cases, {} of them shown as text alone", cases.len(), cases.iter().filter(|html| html.is_empty()).count());
    nothing_acts(&names, &cases);
}
