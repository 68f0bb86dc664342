//! Mistakes: all at once, each with its line.

use proptest::prelude::*;

use super::{SMALL, load, problems};
use crate::config::env::Environment;
use crate::config::{Require, read_bytes};

#[test]
fn all_mistakes_are_reported_at_once_with_their_lines() {
    let text = SMALL.replace("name = \"Acme\"", "name = 5") + "[outbound]\nrellay = \"maildir:x\"\nundo = \"soon\"\n";
    assert_eq!(
        problems(&text),
        [
            "ombud.toml:2: [desk] name: must be text in quotes, not a number",
            "ombud.toml:7: [outbound] rellay: unknown key; did you mean \"relay\"?",
            "ombud.toml:8: [outbound] undo: \"soon\" is no duration; write a number and s, m, h or d, like \"90s\" or \"30d\"",
        ]
    );
}

#[test]
fn what_must_be_there_is_missed() {
    let lines = problems("[smtp]\ntls = {}\n[[mailboxes]]\n");
    let starts = |start: &str| lines.iter().any(|line| line.starts_with(start));
    assert!(starts("ombud.toml: [desk] name: missing; "), "{lines:#?}");
    assert!(starts("ombud.toml: [desk] hostname: missing; "), "{lines:#?}");
    assert!(starts("ombud.toml:1: [smtp] listen: missing; "), "{lines:#?}");
    assert!(starts("ombud.toml:2: [smtp.tls] cert: missing; "), "{lines:#?}");
    assert!(starts("ombud.toml:3: [[mailboxes]] address: missing; "), "{lines:#?}");
    assert_eq!(lines.len(), 6);
}

#[test]
fn unknown_sections_name_the_nearest() {
    let lines = problems(&format!("{SMALL}[smpt]\nx = 1\n[lmtp]\nlisten = [\"127.0.0.1:24\"]\nqqqq = 1\n"));
    assert_eq!(lines.first().unwrap(), "ombud.toml:6: [smpt]: unknown section; did you mean [smtp]?");
    assert!(lines.get(1).unwrap().starts_with("ombud.toml:10: [lmtp] qqqq: unknown key; the nearest is \"listen\""), "{lines:?}");
}

#[test]
fn syntax_errors_stand_beside_the_others() {
    let text =
        SMALL.replace("name = \"Acme\"", "name = Acme") + "[outbound]\nrellay = 1\n[http]\nlisten = [\"127.0.0.1:1\"\npublic = tru\n";
    let lines = problems(&text);
    assert!(lines.first().unwrap().starts_with("ombud.toml:2: not valid TOML: "), "{lines:#?}");
    assert!(lines.iter().any(|line| line.starts_with("ombud.toml:7: [outbound] rellay: unknown key")), "{lines:#?}");
    assert!(lines.iter().all(|line| !line.contains("missing; ") && !line.contains('\n')), "{lines:#?}");
    // A hidden section is not missed.
    let lines = problems(&SMALL.replace("[desk]", "[desk"));
    assert_eq!(lines.len(), 1, "{lines:#?}");
}

/// One wrong line below a section, and what must stand in its one problem.
const WRONG: &[(&str, &str, &str)] = &[
    ("[database]", "url = \"postgres://u:geheim@h\"", "with the name of a database"),
    ("[database]", "url = \"mysql://u:geheim@h/d\"", "or \"postgres://USER@HOST/NAME\""),
    ("[database]", "url = \"sqlite::memory:\"", "path of a file"),
    ("[outbound]", "relay = \"smtp://ann:geheim@relay.example.com\"", "must not hold a password"),
    ("[outbound]", "relay = \"smtp://relay.example.com/x\"", "must name a host"),
    ("[outbound]", "relay = \"smtp://relay.example.com:0\"", "must name a host"),
    ("[outbound]", "relay = \"http://relay.example.com\"", "must begin with smtp://"),
    ("[outbound]", "relay = \"maildir:\"", "needs a folder"),
    ("[outbound]", "relay = \"smtp://ann@relay.example.com\"", "needs password_file"),
    ("[outbound]", "relay = \"smtp://h.example\"\npassword = \"geheim\"", "names no user"),
    ("[outbound]", "relay = \"smtp://a@h.example\"\npassword = \"geheim\"\npassword_file = \"x\"", "keep one of the two"),
    ("[outbound]", "relay = \"smtp://a@h.example\"\npassword_file = \"/nonexistent\"", "cannot be read"),
    ("[outbound]", "relay = \"smtps://h.example\"\nca = \"/nonexistent\"", "cannot be read"),
    ("[outbound]", "relay = \"smtp://h.example\"\nundo = \"2h\"", "must be from 0s to 1h"),
    ("[outbound]", "ca = \"/nonexistent\"", "cannot be read"),
    ("[outbound]", "mta_sts_port = 0", "must be from 1 to 65535"),
    ("[[mailboxes]]", "address = \"b@x.example\"\nrelay = \"smtp://ann@relay.example.com\"", "needs password_file"),
    ("[[mailboxes]]", "address = \"b@x.example\"\nrelay = \"http://relay.example.com\"", "must begin with smtp://"),
    ("[[mailboxes]]", "address = \"b@x.example\"\nrellay = \"smtp://relay.example.com\"", "did you mean \"relay\"?"),
    ("[smtp]", "listen = []", "at least one address"),
    ("[smtp]", "listen = \"0.0.0.0:25\"", "must be a list of texts"),
    ("[smtp]", "listen = [25]", "there is a number in it"),
    ("[smtp]", "listen = [\"localhost:25\"]", "is nothing to listen on"),
    ("[smtp]", "listen = [\"127.0.0.1:25\", \"127.0.0.1:25\"]", "already listened on (line 7)"),
    ("[submission]", "listen = [\"0.0.0.0:465\"]", "\"tls:IP:PORT\""),
    ("[submission]", "listen = [\"tls:0.0.0.0:465\"]", "passwords go over TLS only"),
    ("[submission]", "listen = []", "at least one address"),
    ("[smtp]", "listen = [\"0.0.0.0:25\"]\nproxy = [\"10.0.0.0/33\"]", "is no network"),
    ("[authentication]", "require = \"some\"", "is not one of \"aligned\", \"none\""),
    ("[authentication]", "resolver = \"dns\"", "\"IP:PORT\""),
    ("[authentication]", "trusted_relays = [{ net = \"10.0.0.0/33\" }]", "is no network"),
    ("[authentication]", "trusted_relays = [{ net = \"::ffff:10.0.0.0/104\" }]", "IPv4 network"),
    ("[[mailboxes]]", "address = \"Support@Example.com\"", "already an address of a mailbox (line 5)"),
    ("[[mailboxes]]", "address = \"support\"", "must be a mail address"),
    ("[[mailboxes]]", "address = \"a-name-of-20-letters@example.com\"", "set `reply`"),
    ("[[mailboxes]]", "address = \"b@example.com\"\nreply = \"b@{token}.example.com\"", "once before the @"),
    ("[[mailboxes]]", "address = \"b@example.com\"\nreply = \"a-name-of-twenty-oct+{token}@example.com\"", "no room"),
    ("[[mailboxes]]", "address = \"b@example.com\"\naliases = [\"b@example.com\"]", "already an address of a mailbox (line 7)"),
    ("[[mailboxes]]", "address = \"b@example.com\"\nname = \"B\\r\\nBcc: all@x\"", "one line"),
    ("[[mailboxes]]", "address = \"b@example.com\"\nauto_ack = \"sometimes\"", "\"aligned\", \"always\", \"never\""),
    ("[[mailboxes]]", "address = \"b@example.com\"\nlanguage = \"english\"", "two letters"),
    ("[mailboxes.imap]", "server = \"imaps://h.example\"\nuser = \"u\"", "is needed to log in"),
    ("[mailboxes.imap]", "server = \"imaps://u:geheim@h.example\"\nuser = \"u\"\npassword = \"geheim\"", "neither user nor password"),
    ("[mailboxes.imap]", "server = \"imaps://h.example\"\nuser = \"u\"\npassword = \"p\"\nafter = \"burn\"", "move:FOLDER"),
    (
        "[mailboxes.imap]",
        "server = \"imaps://h.example\"\nuser = \"u\"\npassword = \"p\"\nafter = \"move:inbox\"",
        "which is fetched itself",
    ),
    (
        "[mailboxes.imap]",
        "server = \"imaps://h.example\"\nuser = \"u\"\npassword = \"p\"\nfolders = [\"A\", \"INBOX\", \"Inbox\"]",
        "twice",
    ),
    (
        "[mailboxes.imap]",
        "server = \"imaps://h.example\"\nuser = \"u\"\noauth = { provider = \"yahoo\", client_id = \"c\", refresh_token = \"r\" }",
        "\"google\", \"microsoft\"",
    ),
    (
        "[mailboxes.imap]",
        "server = \"imaps://h.example\"\nuser = \"u\"\noauth = { client_id = \"c\", refresh_token = \"r\" }",
        "token_url for another one",
    ),
    (
        "[mailboxes.imap]",
        "server = \"imaps://h.example\"\nuser = \"u\"\noauth = { provider = \"google\", client_id = \"c\", refresh_token = \"r\" }",
        "Google wants it",
    ),
    (
        "[mailboxes.imap]",
        "server = \"imaps://h.example\"\nuser = \"u\"\noauth = { provider = \"microsoft\", client_id = \"c\", refresh_token = \"r\" }",
        "the directory's id",
    ),
    (
        "[mailboxes.imap]",
        "server = \"imaps://h.example\"\nuser = \"u\"\noauth = { token_url = \"http://h.example/t\", client_id = \"c\", refresh_token = \"r\" }",
        "for this very machine alone",
    ),
    (
        "[mailboxes.imap]",
        "server = \"imaps://h.example\"\nuser = \"u\"\noauth = { token_url = \"https://h.example/t\", client_id = \"c\" }",
        "when a person signed in",
    ),
    (
        "[mailboxes.imap]",
        "server = \"imaps://h.example\"\nuser = \"u\"\noauth = { token_url = \"https://h.example/t\", provider = \"google\", client_id = \"c\", refresh_token = \"r\" }",
        "keep one of the two",
    ),
    ("[webhooks]", "allow_networks = [\"local\"]", "is no network"),
    ("[limits]", "message_size = \"1 GB\"", "KiB, MiB or GiB"),
    ("[limits]", "message_size = \"1 GiB\"", "must be from 1 KiB to 100 MiB"),
    ("[limits]", "recipients = 0", "must be from 1 to 1000000"),
    ("[limits]", "recipients = -5", "must be from 1 to 1000000"),
    ("[limits]", "recipients = 1.5", "must be a whole number, not a decimal number"),
    ("[limits]", "agent_token_life = \"99999999999999999999d\"", "is no duration"),
    ("[http]", "listen = [\"127.0.0.1:0\"]\npublic = \"yes\"", "must be true or false, not text"),
];

#[test]
fn each_wrong_value_is_one_problem_that_says_what_to_do() {
    for (section, lines, part) in WRONG {
        let found = problems(&format!("{SMALL}{section}\n{lines}\n"));
        let part = part.rsplit('|').next().unwrap();
        assert_eq!(found.len(), 1, "{lines}: {found:#?}");
        let line = found.first().unwrap();
        assert!(line.contains(part), "{line} should say {part}");
        assert!(line.starts_with("ombud.toml:"), "{line}");
        assert!(!line.contains("geheim"), "{line}");
    }
}

#[test]
fn a_single_mailbox_section_is_a_list() {
    let lines = problems(&SMALL.replace("[[mailboxes]]", "[mailboxes]"));
    assert_eq!(lines, ["ombud.toml:4: [mailboxes]: must be a list of sections, [[mailboxes]], not a section"]);
}

#[test]
fn an_open_desk_that_believes_everybody_is_warned_of() {
    let none = format!("{SMALL}[outbound]\nrelay = \"maildir:x\"\n[authentication]\nrequire = \"none\"\n[smtp]\nlisten = ");
    let config = load(&format!("{none}[\"127.0.0.1:25\", \"[::1]:25\", \"unix:x\"]\n")).unwrap();
    assert_eq!(config.authentication.require, Require::None);
    assert!(config.warnings.is_empty(), "{:?}", config.warnings);
    let config = load(&format!("{none}[\"127.0.0.1:25\", \"0.0.0.0:25\"]\n")).unwrap();
    assert_eq!(config.warnings.len(), 1, "{:?}", config.warnings);
    assert!(config.warnings.first().unwrap().starts_with("ombud.toml:11: [smtp] listen: 0.0.0.0:25 can be reached"));
}

#[test]
fn bytes_that_are_no_text_name_their_line() {
    let error = read_bytes("x.toml", b"[desk]\n\xff", &Environment::default(), "/".as_ref()).unwrap_err();
    assert_eq!(error.to_string(), "x.toml:2: is not UTF-8");
}

#[test]
fn deep_nesting_is_a_problem_not_a_crash() {
    let key = "a.".repeat(100_000) + "a = 1\n";
    let inline = format!("[desk]\nname = {}1{}\n", "[".repeat(100_000), "]".repeat(100_000));
    let tables = format!("x = {}1{}\n", "{ a.b.c.d.e.f = ".repeat(70), " }".repeat(70));
    for text in [key, inline, tables] {
        assert!(!problems(&text).is_empty());
    }
}

/// Pieces that get further into the reader than arbitrary bytes do.
fn fragment() -> impl Strategy<Value = String> {
    let known = prop::sample::select(vec![
        "[desk]\n",
        "[smtp]\n",
        "[[mailboxes]]\n",
        "[mailboxes.imap]\n",
        "[outbound]\n",
        "[limits]\n",
        "[[authentication.trusted_relays]]\n",
        "name = ",
        "address = ",
        "reply = ",
        "relay = ",
        "listen = ",
        "tls = ",
        "undo = ",
        "message_size = ",
        "net = ",
        "oauth = ",
        "\"smtp://a%zz@[::1]:5\"\n",
        "\"{token}@x\"\n",
        "[\"",
        "\"]\n",
        "{ ",
        " }\n",
        "9223372036854775807\n",
        "0x",
        "\"9 GiB\"\n",
        "\"\"\"",
        "=",
        "\r\n",
    ]);
    prop_oneof![4 => known.prop_map(str::to_owned), 1 => "\\PC{0,8}", 1 => "\"\\PC{0,8}\"\n"]
}

proptest! {
    #[test]
    fn any_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = read_bytes("x", &bytes, &Environment::default(), "/nonexistent".as_ref());
    }

    #[test]
    fn any_fragments_never_panic(parts in prop::collection::vec(fragment(), 0..25)) {
        if let Err(error) = read_bytes("x", parts.concat().as_bytes(), &Environment::default(), "/nonexistent".as_ref()) {
            prop_assert!(!error.lines().is_empty());
            prop_assert!(error.lines().iter().all(|line| !line.chars().any(char::is_control)));
        }
    }

    #[test]
    fn any_variables_never_panic(name in "(DESK|MAILBOXES|SMTP|[A-Z_0-9]{0,6})(__([A-Z_]{0,8}|[0-9]{1,25}|LISTEN|NAME)){0,4}", text in "\\PC{0,20}") {
        let env = Environment::new([(format!("OMBUD_{name}"), text)]);
        let _ = read_bytes("x", super::SMALL.as_bytes(), &env, "/nonexistent".as_ref());
    }
}

#[test]
fn a_folder_that_two_mailboxes_fetch_is_warned_of() {
    let imap = |server: &str, user: &str, folders: &str| {
        format!("[mailboxes.imap]\nserver = \"{server}\"\nuser = \"{user}\"\npassword = \"p\"\nfolders = [{folders}]\n")
    };
    let two = |other: &str| {
        let one = imap("imaps://imap.example", "desk", "\"INBOX\", \"Sales\"");
        let text = format!("{SMALL}{one}[[mailboxes]]\naddress = \"sales@example.com\"\n{other}[outbound]\nrelay = \"maildir:x\"\n");
        load(&text).unwrap().warnings
    };
    for other in [
        imap("imaps://imap.example", "desk", "\"sales\""),
        imap("imaps://imap.example", "other", "\"Sales\""),
        imap("imaps://imap2.example", "desk", "\"INBOX\""),
    ] {
        assert_eq!(two(&other), [""; 0], "{other}");
    }
    let warnings = two(&imap("imaps://IMAP.example:993", "desk", "\"Billing\", \"inbox\""));
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    let start = "ombud.toml:14: [mailboxes.imap] server: \"inbox\" of this account is fetched for another mailbox already (line 7)";
    assert!(warnings.first().unwrap().starts_with(start), "{warnings:?}");
}
