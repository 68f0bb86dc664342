//! Fetching with a token in place of a password: a token endpoint on loopback and an IMAP server that wants the right string.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ombud_tests::receiver::Hit;
use ombud_tests::{Act, Answer, Desk, Liar, Receiver, wait_until};

use crate::from_ann;
use crate::imap::fetching;

const REFUSAL: &str = "eyJzdGF0dXMiOiI0MDAiLCJzY2hlbWVzIjoiQmVhcmVyIn0=";

/// What a client must say in AUTHENTICATE XOAUTH2 for this token.
fn sasl(token: &str) -> String {
    base64(format!("user=support\u{1}auth=Bearer {token}\u{1}\u{1}").as_bytes())
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let letter = |bits: u32| char::from(LETTERS[(bits & 63) as usize]);
    let group = |three: &[u8]| {
        let bits = three.iter().fold(0, |bits, b| bits << 8 | u32::from(*b)) << (8 * (3 - three.len()));
        let four = [letter(bits >> 18), letter(bits >> 12), letter(bits >> 6), letter(bits)];
        four.into_iter().enumerate().map(|(i, c)| if i > three.len() { '=' } else { c }).collect::<String>()
    };
    bytes.chunks(3).map(group).collect()
}

/// A server that lets in whoever has the token that is good now; tokens are `at-1`, `at-2`, …
fn server(capabilities: &str, good: &Arc<AtomicUsize>) -> Liar {
    let good = Arc::clone(good);
    Liar::start(capabilities, move |_, command| {
        let wanted = sasl(&format!("at-{}", good.load(Ordering::SeqCst))).to_uppercase();
        match command.strip_prefix("AUTHENTICATE XOAUTH2 ") {
            Some(said) if said != wanted => Act::Ask(REFUSAL.into(), "TAG NO [AUTHENTICATIONFAILED] Invalid credentials".into()),
            None if command.starts_with("LOGIN") => Act::Say("TAG NO no passwords here\r\n".into()),
            _ => Act::Honest,
        }
    })
}

/// A desk that fetches from there with tokens from here; not running yet.
fn desk(liar: &Liar, tokens: &Receiver) -> Desk {
    let section = liar.section().replace("password = \"geheim-1234\"\n", "");
    let oauth = format!(
        "oauth = {{ token_url = \"{}\", client_id = \"ombud\", client_secret = \"cs-77\", refresh_token_file = \"refresh\" }}\n",
        tokens.url()
    );
    let desk = fetching("");
    fs::write(desk.path("refresh"), "rt-0\n").expect("a refresh token");
    fs::set_permissions(desk.path("refresh"), fs::Permissions::from_mode(0o600)).expect("its mode");
    desk.configure(&format!("{}{section}start = \"all\"\npoll = \"1s\"\n{oauth}", desk.configuration()));
    desk
}

fn granted(number: usize) -> Answer {
    Answer::Json(
        200,
        format!("{{\"access_token\":\"at-{number}\",\"expires_in\":3600,\"refresh_token\":\"rt-{number}\",\"token_type\":\"Bearer\"}}"),
    )
}

/// The fields of a form.
fn form(hit: &Hit) -> HashMap<String, String> {
    let text = String::from_utf8_lossy(&hit.body).into_owned();
    text.split('&').filter_map(|field| field.split_once('=')).map(|(k, v)| (k.to_owned(), v.to_owned())).collect()
}

fn logged(desk: &Desk, what: &str) {
    wait_until(&format!("{what:?} in the log"), || desk.log().contains(what));
}

#[test]
fn a_token_is_had_used_and_the_changed_refresh_token_kept() {
    let tokens = Receiver::start(|count, _| granted(count));
    let good = Arc::new(AtomicUsize::new(1));
    let liar = server("AUTH=PLAIN AUTH=XOAUTH2 SASL-IR", &good);
    let mail = from_ann("By token", "Hello?");
    liar.deliver(&mail.bytes());
    let mut desk = desk(&liar, &tokens).running();
    assert_eq!(desk.fate(&mail.id)["kind"], "ticket");
    let asked = form(&tokens.expect(1)[0]);
    let asked = |key: &str| asked.get(key).map(String::as_str).unwrap_or_default();
    assert_eq!(
        (asked("grant_type"), asked("refresh_token"), asked("client_id"), asked("client_secret")),
        ("refresh_token", "rt-0", "ombud", "cs-77")
    );
    assert!(liar.lines().contains(&format!("AUTHENTICATE XOAUTH2 {}", sasl("at-1"))), "{:?}", liar.lines());
    let kept: Vec<_> = fs::read_dir(desk.path("data/oauth")).expect("a folder").flatten().map(|e| e.path()).collect();
    let kept = kept.iter().find(|path| path.extension().is_some_and(|end| end == "json")).expect("a kept token");
    assert!(fs::read_to_string(kept).expect("it").contains("\"rt-1\""));
    assert_eq!(fs::metadata(kept).expect("its mode").permissions().mode() & 0o777, 0o600);
    // Another process goes on with the new one.
    desk.kill();
    good.store(2, Ordering::SeqCst);
    desk.serve(&[]);
    let next = from_ann("By the next token", "Hello?");
    liar.deliver(&next.bytes());
    assert_eq!(desk.fate(&next.id)["kind"], "ticket");
    assert_eq!(form(&tokens.expect(2)[1])["refresh_token"], "rt-1");
    // A new consent of a person counts for more than what is kept.
    desk.kill();
    good.store(3, Ordering::SeqCst);
    fs::write(desk.path("refresh"), "rt-new\n").expect("a refresh token");
    desk.serve(&[]);
    assert_eq!(form(&tokens.expect(3)[2])["refresh_token"], "rt-new");
    for secret in ["rt-0", "rt-1", "rt-new", "at-1", "at-2", "cs-77", &sasl("at-1")] {
        assert!(!desk.log().contains(secret), "{secret}");
    }
}

#[test]
fn a_token_that_is_withdrawn_early_is_replaced_and_the_log_in_tried_again() {
    let tokens = Receiver::start(|count, _| granted(count));
    let good = Arc::new(AtomicUsize::new(1));
    // Without SASL-IR the string is a line of its own.
    let liar = server("AUTH=XOAUTH2", &good);
    let desk = desk(&liar, &tokens).running();
    logged(&desk, "fetching begins");
    good.store(2, Ordering::SeqCst);
    liar.hang_up();
    let mail = from_ann("After all", "Hello?");
    liar.deliver(&mail.bytes());
    assert_eq!(desk.fate(&mail.id)["kind"], "ticket");
    let lines = liar.lines();
    let tried = |token| lines.iter().filter(|line| **line == sasl(token)).count();
    assert_eq!((tried("at-1"), tried("at-2")), (2, 1), "{lines:?}");
    assert_eq!(tokens.hits().len(), 2);
    assert!(!desk.log().contains("mail can't be fetched: log-in refused"), "{}", desk.log());
}

#[test]
fn a_withdrawn_consent_says_what_to_do_and_is_no_hot_loop() {
    let said = r#"{"error":"invalid_grant","error_description":"Token rt-0 has been expired or revoked."}"#;
    let tokens = Receiver::start(move |_, hit| match form(hit)["refresh_token"].as_str() {
        "rt-0" => Answer::Json(400, said.into()),
        _ => granted(9),
    });
    let liar = server("AUTH=XOAUTH2 SASL-IR", &Arc::new(AtomicUsize::new(9)));
    let desk = desk(&liar, &tokens);
    let checked = desk.cli(&["check"]);
    assert_eq!(checked.code, 78, "{}", checked.out);
    let line = checked.out.lines().find(|line| line.contains("imap")).unwrap_or_default();
    assert!(
        line.starts_with("bad") && line.contains("invalid_grant") && line.contains("put the new refresh token into refresh_token_file"),
        "{line}"
    );
    let desk = desk.running();
    logged(&desk, "mail can't be fetched: the provider gives no token (invalid_grant: ");
    // A desk that came again at once would have done so while this one is refused and heals.
    let other = Receiver::start(|count, _| if count < 3 { Answer::Status(503) } else { granted(9) });
    let second = self::desk(&liar, &other).running();
    logged(&second, "mail can't be fetched: no token could be had: ");
    logged(&second, "fetching begins");
    assert_eq!((other.hits().len(), tokens.hits().len()), (3, 2), "one of `check`, one of the desk");
    fs::write(desk.path("refresh"), "rt-new\n").expect("a refresh token");
    desk.signal("HUP");
    logged(&desk, "fetching begins");
    let checked = desk.cli(&["check"]);
    assert!(checked.out.lines().any(|line| line.starts_with("ok") && line.contains("support log-in by token, INBOX")), "{}", checked.out);
}

#[test]
fn a_server_without_xoauth2_gets_no_token() {
    let tokens = Receiver::start(|count, _| granted(count));
    let liar = server("AUTH=PLAIN SASL-IR", &Arc::new(AtomicUsize::new(1)));
    let desk = desk(&liar, &tokens).running();
    logged(&desk, "the server offers no log-in by token (AUTH=XOAUTH2)");
    assert!(!liar.commands().iter().any(|c| c.starts_with("AUTH") || c.starts_with("LOGIN")), "{:?}", liar.commands());
}
