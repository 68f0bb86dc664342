use super::*;
use crate::understand::limits::Limits;
use crate::understand::understand;

fn class(raw: &str) -> Option<Automatic> {
    understand(raw.as_bytes(), &Limits::default()).automatic
}

#[test]
fn headers_say_it() {
    let from = "From: Ann <ann@x.test>\n";
    for (header, want) in [
        ("Auto-Submitted: auto-replied (vacation)", Automatic::OutOfOffice),
        ("Auto-Submitted: auto-replied", Automatic::AutoReply),
        ("Auto-Submitted: auto-generated", Automatic::Bulk),
        ("X-Autoreply: yes", Automatic::AutoReply),
        ("Precedence: auto_reply", Automatic::AutoReply),
        ("Precedence: bulk", Automatic::Bulk),
        ("List-Id: <l.x.test>", Automatic::Bulk),
        ("X-MS-Exchange-Inbox-Rules-Loop: ann@x.test", Automatic::AutoReply),
        ("Content-Type: multipart/report; report-type=disposition-notification; boundary=b", Automatic::ReadReceipt),
        ("Content-Type: multipart/report; report-type=feedback-report; boundary=b", Automatic::FeedbackReport),
        ("Subject: Automatic reply: x\nAuto-Submitted: auto-generated", Automatic::AutoReply),
        ("Subject: AW: [x] Abwesenheitsnotiz: y\nIn-Reply-To: <a@b>", Automatic::OutOfOffice),
    ] {
        assert_eq!(class(&format!("{from}{header}\n\nHello\n")), Some(want), "{header}");
    }
}

#[test]
fn people_are_people() {
    for header in [
        "Subject: Out of office policy question",
        "X-Auto-Response-Suppress: All",
        "Auto-Submitted: no",
        "Subject: vacation\nX-Loop: y",
        "Precedence: first-class",
    ] {
        assert_eq!(class(&format!("From: ann@x.test\n{header}\n\nHello\n")), None, "{header}");
    }
}

#[test]
fn modifiers_only_silence() {
    for header in [
        "From: no-reply@x.test",
        "From: ann@x.test\nX-Auto-Response-Suppress: OOF, DR",
        "From: ann@x.test\nX-AutoReply-Loop: y",
        "From: ann@x.test\nX-Loop: z",
    ] {
        let mail = understand(format!("{header}\n\nHello\n").as_bytes(), &Limits::default());
        assert!(mail.facts.no_ack && mail.automatic.is_none(), "{header}");
    }
    assert!(!is_robot("annroot") && is_robot("noreply+12") && is_robot("do_not_reply"));
}

#[test]
fn calendar_answers_are_no_class() {
    let mail = understand(b"From: ann@x.test\nContent-Type: text/calendar; method=REPLY\n\nBEGIN:VCALENDAR\n", &Limits::default());
    assert_eq!((mail.automatic, mail.warnings.len()), (None, 1));
}
