#![expect(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::model::understood::LineKind;
use proptest::prelude::*;

fn read(raw: &str) -> Understood {
    understand(raw.as_bytes(), &Limits::default())
}

/// The stack that a daemon's worker may have.
fn on_small_stack(raw: Vec<u8>) -> Understood {
    std::thread::Builder::new().stack_size(2 << 20).spawn(move || understand(&raw, &Limits::default())).unwrap().join().unwrap()
}

#[test]
fn an_ordinary_mail() {
    let mail = read(
        "From: =?utf-8?q?J=C3=B6rg?= <joerg@x.test>\r\nTo: Desk <support@d.test>\r\nSubject: =?utf-8?q?Re=3A_caf=C3?=\r\n =?utf-8?q?=A9?=\r\nMessage-ID: <a@x.test>\r\nIn-Reply-To: <b@d.test>\r\nReferences: <r@d.test> <b@d.test>\r\nDate: Sat, 21 Nov 2026 11:00:00 +0100\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nSch=F6n!\r\n\r\n-- \r\nJ=F6rg\r\n--b\r\nContent-Type: application/pdf; name=x\r\nContent-Disposition: attachment; filename=\"../r.pdf\"\r\nContent-Transfer-Encoding: base64\r\n\r\naGVsbG8=\r\n--b--\r\n",
    );
    assert_eq!(mail.from.as_ref().and_then(|f| f.name.as_deref()), Some("Jörg"));
    assert_eq!((mail.subject.as_str(), mail.date.as_deref()), ("Re: café", Some("2026-11-21T10:00:00Z")));
    assert_eq!((mail.message_id.as_deref(), mail.references.len(), mail.in_reply_to.len()), (Some("a@x.test"), 2, 1));
    assert_eq!((mail.reply_text.as_str(), mail.signature.as_str()), ("Schön!", "--\nJörg"));
    let file = mail.attachments.first().unwrap();
    assert_eq!((file.name.as_deref(), file.size), (Some("r.pdf"), 5));
    assert_eq!(file.sha256, "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824");
    assert_eq!((mail.automatic, mail.warnings.len()), (None, 0), "{:?}", mail.warnings);
}

#[test]
fn attachments_come_with_their_bytes_in_the_same_order() {
    let raw = b"Content-Type: multipart/mixed; boundary=b\n\n--b\n\nx\n--b\nContent-Type: a/b\n\none\n--b\nContent-Type: message/rfc822\n\nSubject: s\n\ntwo\n--b--\n";
    let parts = parts(raw, &Limits::default());
    assert_eq!(parts.iter().map(|p| p.meta.clone()).collect::<Vec<_>>(), understand(raw, &Limits::default()).attachments);
    assert_eq!(parts.first().unwrap().bytes, b"one");
}

#[test]
fn images_are_inline_where_the_html_refers_to_them() {
    let image = |id: &str, disposition: &str| {
        format!("--b\nContent-Type: image/png\nContent-ID: <{id}>\nContent-Disposition: {disposition}\n\nx\n")
    };
    let mail = read(&format!(
        "Content-Type: multipart/related; boundary=b\n\n--b\nContent-Type: text/html\n\n<img src=\"CID:a%40x\"><img src=cid:b@x>\n{}{}{}--b--\n",
        image("a@x", "attachment"),
        image("b@x", "inline"),
        image("c@x", "inline")
    ));
    assert_eq!(mail.attachments.iter().map(|a| a.inline).collect::<Vec<_>>(), [true, true, false]);
}

#[test]
fn the_name_that_a_sender_wrote_is_kept_as_data() {
    let mail = read(
        "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Disposition: attachment; filename=\"../../con.txt\"\n\nx\n--b\nContent-Disposition: attachment; filename=a.txt\n\nx\n--b--\n",
    );
    let names: Vec<_> = mail.attachments.iter().map(|a| (a.name.as_deref(), a.original_name.as_deref())).collect();
    assert_eq!(names, [(Some("_con.txt"), Some("../../con.txt")), (Some("a.txt"), None)]);
}

#[test]
fn uuencoded_files_are_attachments() {
    let raw = "From: a@x.test\nSubject: s\n\nHi\n\nbegin 644 cat.txt\n#0V%T\n`\nend\n";
    let mail = read(raw);
    assert_eq!((mail.text.trim_end(), mail.attachments.first().and_then(|a| a.name.as_deref())), ("Hi", Some("cat.txt")));
    assert_eq!(parts(raw.as_bytes(), &Limits::default()).first().unwrap().bytes, b"Cat");
}

#[test]
fn an_attached_mail_is_forwarded() {
    let mail = read(
        "From: a@x.test\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nsee\n--b\nContent-Type: message/rfc822\n\nFrom: Cleo <c@y.test>\nSubject: s\n\ntwo\n--b--\n",
    );
    let forwarded = mail.forwarded.unwrap();
    assert_eq!(
        (forwarded.from.unwrap().address.as_str(), forwarded.subject.as_deref(), forwarded.text.as_str()),
        ("c@y.test", Some("s"), "two")
    );
}

#[test]
fn hostile_mail_is_only_looked_at() {
    let nested = on_small_stack(b"Content-Type: message/rfc822\r\n\r\n".repeat(22_000));
    assert!(nested.warnings.first().unwrap().contains("nested deeper"));
    let parts = on_small_stack(
        [b"Subject: s\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n".to_vec(), b"--b\r\n\r\n".repeat(2_000_000)].concat(),
    );
    assert_eq!((parts.subject.as_str(), parts.attachments.len()), ("s", 0));
    assert!(parts.text.len() <= 1 << 20 && parts.facts.from_problem.is_some());
    let fields = on_small_stack(b"A: b\r\n".repeat(500_000));
    assert!(fields.warnings.first().unwrap().contains("header fields"));
    let words = on_small_stack([b"Subject: ".to_vec(), b"=?utf-8?q?=C3=A4?= ".repeat(100_000), b"\r\n\r\nx".to_vec()].concat());
    assert!(words.subject.chars().count() <= 998);
    let html = on_small_stack([b"Content-Type: text/html\r\n\r\nhello".to_vec(), b"<div>".repeat(100_000)].concat());
    assert_eq!((html.html, html.text.as_str()), (None, "hello"));
}

#[test]
fn an_unclear_author_is_shown_and_marked() {
    let two = read("From: a@x.test\nFrom: b@x.test\n\nx");
    assert_eq!(
        (two.facts.from_fields, two.from.map(|f| f.address).as_deref(), two.facts.from_problem.is_some()),
        (2, Some("a@x.test"), true)
    );
    let group = read("From: g: a@x.test;\n\nx");
    assert!(group.facts.from_problem.is_some());
    let posing = read("From: \"Anna anna@corp.test\" <eve@x.test>\n\nx");
    assert_eq!((posing.from.unwrap().name, posing.facts.from_problem), (None, None));
}

#[test]
fn two_copies_have_one_fingerprint() {
    let one = read("From: a@x.test\nSubject: caf=\nMessage-ID: <a@b>\nContent-Transfer-Encoding: quoted-printable\n\ncaf=C3=A9 \n");
    let two = read(
        "Received: x\nFrom: <A@x.test>\nSubject: caf=\nMessage-ID: <a@b>\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: base64\n\nY2Fmw6kK\n",
    );
    assert_eq!(one.facts.fingerprint, two.facts.fingerprint);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_have_an_answer(raw in proptest::collection::vec(any::<u8>(), 0..2_000)) {
        let mail = understand(&raw, &Limits::default());
        prop_assert!(!mail.text.contains('\0'));
    }

    #[test]
    fn any_mail_like_bytes_have_an_answer(parts in proptest::collection::vec(prop_oneof![
        Just("From: "), Just("a@x.test"), Just("\r\n"), Just("\n"), Just("\n\n"), Just("Content-Type: multipart/mixed; boundary=b"), Just("--b"), Just("--b--"),
        Just("Content-Type: message/rfc822\n\n"), Just("Content-Type: text/html\n\n"), Just("<blockquote>"), Just("> "), Just("On 2026 a@x.test wrote:"), Just("=?utf-8?q?"), Just("?="),
        Just("Content-Transfer-Encoding: base64\n"), Just("filename*0*="), Just(";"), Just("\""), Just("("), Just("<"), Just("&#x"), Just("-- \n"), Just("Subject: "), Just("\u{e9}"),
        Just("Content-Type: message/delivery-status\n\n"), Just("Status: 5.1.1\n"), Just("=C3"), Just("\0")], 0..60)) {
        let raw = parts.concat();
        let mail = understand(raw.as_bytes(), &Limits::default());
        let lines: usize = mail.facts.lines.len();
        prop_assert!(lines <= raw.len() + 1);
        prop_assert_eq!(super::parts(raw.as_bytes(), &Limits::default()).len(), mail.attachments.len());
    }
}

#[test]
fn an_attached_mail_says_more_than_words_above_it() {
    let mail = |parts: &str| {
        let raw = format!("From: a@x.test\nSubject: Fwd: x\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\n{parts}--b--\n");
        understand(raw.as_bytes(), &Limits::default()).forwarded
    };
    let words = "See. On it. \n---------- Forwarded message ---------\nFrom: Cleo <cleo@y.test>\nDate: Sat, 21 Nov 2026\nSubject: Told\n\nIt broke.\n";
    let told = mail(words);
    assert_eq!(told.as_ref().map(|f| f.text.as_str()), Some("It broke."));
    let whole = mail(&format!("{words}--b\nContent-Type: message/rfc822\n\nFrom: Dora <dora@y.test>\nSubject: Whole\n\nIt is whole.\n"));
    assert_eq!(whole.and_then(|f| f.subject).as_deref(), Some("Whole"));
}

#[test]
fn tricks_in_a_body_are_told() {
    let raw = "From: \"P\u{430}ypal\" <a@x.test>\nContent-Type: text/html\n\n<a href=\"https://evil.test\">https://bank.example</a>";
    let warnings = understand(raw.as_bytes(), &Limits::default()).warnings.join("; ");
    assert!(warnings.contains("shows bank.example and leads to evil.test") && warnings.contains("several scripts"), "{warnings}");
}

#[test]
fn an_invitation_stands_below_the_writers_own_words() {
    let event = "Content-Type: text/calendar; method=REQUEST\n\nMETHOD:REQUEST\nBEGIN:VEVENT\nSUMMARY:Tea\nEND:VEVENT";
    let with = |text: &str| {
        read(&format!("From: a@x.test\nContent-Type: multipart/alternative; boundary=b\n\n--b\n\n{text}\n--b\n{event}\n--b--\n"))
    };
    let mail = with("@close\n\nSee you there.\n\n> When?\n> Where?\n\n-- \nAnn");
    assert!(mail.text.starts_with("[Invitation: Tea]\n\n@close"), "{}", mail.text);
    assert_eq!(mail.reply_text, "@close\n\nSee you there.\n\n[Invitation: Tea]");
    let own: Vec<_> = mail.facts.lines.iter().filter(|l| l.kind == LineKind::Own && !l.text.is_empty()).map(|l| l.text.as_str()).collect();
    assert_eq!(own, ["@close", "See you there.", "[Invitation: Tea]"]);
    let forwarded = with("Look:\n\n-----Original Message-----\nFrom: Bob <bob@x.test>\nSubject: Hi\n\nold");
    assert_eq!(forwarded.reply_text, "Look:\n\n[Invitation: Tea]");
    assert_eq!((with("").reply_text.as_str(), with("").text.as_str()), ("[Invitation: Tea]", "[Invitation: Tea]"));
}

#[test]
fn a_domain_that_mixes_scripts_is_told_of() {
    for from in ["ann@xn--pypal-4ve.com", "ann@p\u{430}ypal.com"] {
        let mail = read(&format!("From: {from}\n\nx"));
        assert!(mail.warnings.iter().any(|w| w.contains("domain of the author's address")), "{:?}", mail.warnings);
    }
    let mail = read("From: ann@xn--bcher-kva.test\nContent-Type: text/html\n\n<a href=\"https://xn--pypal-4ve.com/\">x</a>");
    assert!(mail.warnings.iter().all(|w| !w.contains("domain")) && mail.warnings.iter().any(|w| w.contains("leads to xn--pypal-4ve.com")));
}
