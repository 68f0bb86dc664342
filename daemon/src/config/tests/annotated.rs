//! `config/ombud.toml` names every key, and its defaults are the defaults.

use std::collections::BTreeSet;

use super::{Folder, NO_ENV, load};
use crate::config::{Config, Limits};

const FILE: &str = include_str!("../../../../config/ombud.toml");

/// The file with the lines that begin with one of these marks made live.
fn uncommented(marks: &[&str]) -> String {
    let live = |line: &str| {
        let key = |rest: &str| rest.starts_with('[') || rest.split_once(" = ").is_some_and(|(key, _)| is_key(key));
        let bare = marks.iter().find_map(|mark| line.strip_prefix(mark)).filter(|rest| key(rest));
        bare.unwrap_or(line).to_owned()
    };
    FILE.lines().map(live).collect::<Vec<_>>().join("\n")
}

fn is_key(word: &str) -> bool {
    word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

/// Loads a text whose /etc/ombud has all files that the examples name.
fn load_with_files(text: &str) -> Config {
    let folder = Folder::new();
    for name in ["tls/cert.pem", "tls/key.pem", "relay-password", "relay-ca.pem", "imap-password", "imap-ca.pem"] {
        folder.write(name, "x");
    }
    let text = text.replace("/etc/ombud/", &format!("{}/", folder.path().display()));
    let file = folder.write("ombud.toml", text);
    crate::config::load(Some(&file), NO_ENV, folder.path()).unwrap()
}

#[test]
fn the_file_as_it_stands_is_a_configuration() {
    let config = load(FILE).unwrap();
    assert_eq!(config.limits, Limits::default());
    assert!(config.warnings.is_empty(), "{:?}", config.warnings);
}

#[test]
fn the_defaults_in_the_file_are_the_defaults() {
    let with_defaults = uncommented(&["# "]);
    assert!(with_defaults.contains("\nfree_space = \"164 MiB\""), "the test uncomments keys");
    assert_eq!(load(&with_defaults).unwrap(), load(FILE).unwrap());
}

#[test]
fn the_examples_in_the_file_are_accepted() {
    // An inline list and its sections exclude each other.
    let text = uncommented(&["# ", "#: "]).replace("\ntrusted_relays = []", "\n");
    let config = load_with_files(&text);
    assert!(config.submission.is_some() && config.lmtp.is_some() && config.smtp.unwrap().tls.is_some());
    assert_eq!(config.authentication.trusted_relays.len(), 1);
    assert_eq!(config.filters.first().unwrap().hold_on, [("X-Spam".into(), "Yes".into())]);
    assert!(config.mailboxes.first().unwrap().imap.is_some());
    let unbuilt = config.warnings.iter().filter(|warning| warning.contains("not built yet")).count();
    assert_eq!(unbuilt, 1, "sla: {:#?}", config.warnings);
}

/// The reader lists its keys when it meets one that is like none of them; each must stand in the file as a word.
#[test]
fn every_key_stands_in_the_file() {
    let sections = [
        "[qqqqqqqq]\n",
        "[desk]\n",
        "[database]\n",
        "[smtp]\n",
        "[smtp.tls]\n",
        "[submission]\n",
        "[lmtp]\n",
        "[http]\n",
        "[outbound]\n",
        "[authentication]\n",
        "[[authentication.trusted_relays]]\n",
        "[[filters]]\n",
        "[[mailboxes]]\n",
        "[[mailboxes]]\n[mailboxes.imap]\n",
        "[[mailboxes]]\n[mailboxes.imap.oauth]\n",
        "[webhooks]\n",
        "[limits]\n",
    ];
    let words: BTreeSet<&str> = FILE.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').collect();
    let mut checked = 0;
    for section in sections {
        let problems = super::problems(&format!("{section}qqqqqqqq = 1\n"));
        let line = problems.iter().find(|line| line.contains("qqqqqqqq: unknown") || line.contains("[qqqqqqqq]: unknown")).unwrap();
        let (_, known) = line.split_once(" of ").unwrap();
        for key in known.split(", ").map(|key| key.trim_matches(['"', '[', ']'])) {
            assert!(words.contains(key), "{key} of {section}");
            checked += 1;
        }
    }
    assert!(checked > 90, "{checked}");
}
