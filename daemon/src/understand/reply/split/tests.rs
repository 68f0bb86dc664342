use super::*;

fn plain(text: &str) -> Split {
    let lines: Vec<TextLine> = text.lines().map(|l| TextLine { text: l.to_owned(), hint: Hint::None }).collect();
    split(lines, Context::default())
}

fn html(text: &str) -> Split {
    split(crate::understand::html::text::lines(text), Context::default())
}

#[test]
fn an_answer_above_a_gmail_quote() {
    let s = plain("Yes, please.\n\n-- \nAnn\n\nOn Sat, Nov 21, 2026 at 10:00 AM Desk <\nd@x.test> wrote:\n\n> Shall we?\n>\n> Bob\n");
    assert_eq!((s.reply.as_str(), s.signature.as_str()), ("Yes, please.", "--\nAnn"));
    assert!(s.quoted.starts_with("On Sat"));
}

#[test]
fn an_answer_above_an_outlook_block() {
    for rule in ["", "________________________________\n", "-----Original Message-----\n"] {
        let s = plain(&format!("Yes.\n\n{rule}From: Desk <d@x.test>\nSent: Saturday\nTo: Ann\nSubject: Re: x\n\nShall we?\n"));
        assert_eq!(s.reply, "Yes.", "{rule}");
        assert!(s.quoted.contains("Shall we?") && s.signature.is_empty());
    }
}

#[test]
fn an_answer_below_the_quote() {
    let s = plain("On Sat, 21 Nov 2026 10:00, Desk wrote:\n> Shall we?\n\nYes.\n\n-- \nAnn\n");
    assert_eq!((s.reply.as_str(), s.quoted.contains("Shall"), s.signature.as_str()), ("Yes.", true, "--\nAnn"));
}

#[test]
fn interleaved_answers_keep_the_quotes_between_them() {
    let s = plain("Hi,\n\nOn Sat, 21 Nov 2026 10:00, Desk wrote:\n> One?\nYes.\n> Two?\nNo.\n> Three\n");
    assert_eq!(s.reply, "Hi,\n\n> One?\nYes.\n> Two?\nNo.");
    assert_eq!(s.lines.iter().filter(|l| l.kind == LineKind::Inline).count(), 2);
    assert!(s.quoted.ends_with("> Three"));
}

#[test]
fn our_marker_begins_a_quote_wherever_it_stands() {
    for text in [
        format!("Yes.\n\nDesk wrote at 10:00 d@x.test:\n\n{MARKER}\nhello\nNote: n+abc@x.test\n"),
        format!("Yes.\n\n> {MARKER}\n> hello\n> Note: n+abc@x.test\n"),
        format!("Yes.\n\n> > {MARKER}\n> hello\n> Note: n+abc@x.test\n"),
        "Yes.\n\n=== Ombud: please answer above\nthis line ===\nhello\nNote: n+abc@x.test\n".to_owned(),
    ] {
        let s = plain(&text);
        assert!(s.reply.starts_with("Yes.") && !s.reply.contains("n+abc"), "{text}");
        assert!(s.quoted.contains("n+abc"), "{text}");
    }
    let s = html(&format!("<p>Yes.</p><div>{MARKER}</div><div>Note: n+abc@x.test</div>"));
    assert_eq!(s.reply, "Yes.");
    let s = plain(&format!("Hi\n> {MARKER}\n> Note: n+abc@x.test\nYes.\n"));
    assert_eq!(s.reply, "Hi\nYes.", "a quoted notification never counts as interleaved");
}

#[test]
fn a_quote_alone_is_no_answer() {
    let s = plain("On Sat, 21 Nov 2026 10:00, Desk wrote:\n> Shall we?\n");
    assert_eq!((s.reply.as_str(), s.quoted.contains("Shall we?")), ("", true));
}

#[test]
fn html_of_gmail_and_thunderbird() {
    let s = html(
        "<div dir=ltr>Yes.<br></div><br><div class=\"gmail_quote\"><div class=\"gmail_attr\">Kto wie:<br></div><blockquote class=\"gmail_quote\"><p>Shall we?</p></blockquote></div>",
    );
    assert_eq!((s.reply.as_str(), s.quoted.contains("Shall we?")), ("Yes.", true));
    let s = html(
        "<p>Yes.</p><pre class=moz-signature>-- \nAnn</pre><div class=moz-cite-prefix>Am 21.11. schrieb D:</div><blockquote type=cite>q</blockquote>",
    );
    assert_eq!((s.reply.as_str(), s.signature.as_str()), ("Yes.", "--\nAnn"));
    let s = html("<p>Yes.</p><div id=\"divRplyFwdMsg\"><b>From:</b> D<br><b>Sent:</b> now</div><p>Shall we?</p>");
    assert_eq!((s.reply.as_str(), s.quoted.contains("Shall we?")), ("Yes.", true));
}

#[test]
fn forwarded_mails_are_found() {
    let s = plain(
        "See below.\n\n---------- Forwarded message ---------\nFrom: Cleo <cleo@y.test>\nDate: Sat, 21 Nov 2026\nSubject: Broken\nTo: ann\n\nIt broke.\n",
    );
    assert_eq!(s.reply, "See below.");
    assert_eq!(s.forward.as_ref().and_then(|(b, _)| b.subject.as_deref()), Some("Broken"));
    assert!(s.lines.iter().any(|l| l.kind == LineKind::Forward && l.text == "It broke."));
}

#[test]
fn ordinary_words_stay() {
    for text in [
        "Please note:\n\n1. From: here\n2. To: there",
        "It was 10:00 when he wrote: hello\nand left",
        "> only I quote a motto",
        "| a | b |\n|---|---|\n| 1 | 2 |",
    ] {
        assert!(!plain(text).reply.is_empty(), "{text}");
    }
}

#[test]
fn a_mebibyte_of_lines_is_cheap() {
    for line in ["On 2026-11-21 10:00 a@b.c wrote\n", "> x\ny\n", "From: x\n", "-- \n", "a:\n"] {
        let _ = plain(&line.repeat(50_000));
    }
}

#[test]
fn own_words_before_an_attribution_are_kept() {
    for (text, reply) in [
        ("Thanks, works now! On Mon, 21 Nov 2026 at 10:00, Ann <ann@x.test> wrote:\n> hello\n", "Thanks, works now!"),
        ("Thanks.\nOn it. On Mon, Nov 21, 2026 at 10:00 AM Ann <ann@x.test> wrote:\n> hello\n", "Thanks.\nOn it."),
        ("Danke! Am 21.11.2026 um 10:00 schrieb Ann <ann@x.test>:\n> hallo\n", "Danke!"),
    ] {
        assert_eq!(plain(text).reply, reply);
    }
}

#[test]
fn a_cut_that_leaves_nothing_keeps_what_is_not_marked() {
    for (text, reply) in [
        (
            "On 21 Nov 2026 10:00, \"Ann\" <ann@x.test> wrote:\n\nthat the lamp is red.\n\nIt is green.\n",
            "that the lamp is red.\n\nIt is green.",
        ),
        (
            "---------- Forwarded message ---------\nFrom: Cleo <c@y.test>\nDate: Sat, 21 Nov 2026\nSubject: x\nTo: ann\n\nIt broke.\n",
            "It broke.",
        ),
        ("From: Cleo <c@y.test>\nSent: Saturday, 21 Nov 2026\nTo: Ann\nSubject: x\n\nIt broke.\n", "It broke."),
    ] {
        let s = plain(text);
        assert_eq!(s.reply, reply, "{text}");
        assert!(s.lines.iter().all(|l| l.kind != LineKind::Own || l.text.is_empty()), "who needs to be sure still knows: {text}");
    }
    let ours = plain(&format!("On Sat, 21 Nov 2026 10:00, Desk wrote:\n\nhello\n{MARKER}\nNote: n+abc@x.test\n"));
    assert_eq!(ours.reply, "", "a notification of ours is nobody's words");
    assert_eq!(html("<div id=appendonsend></div><div>From: Ann</div><p>It broke.</p>").reply, "");
}

#[test]
fn an_attribute_marks_our_notification_where_its_words_are_gone() {
    let s = html("<p>Yes.</p><div data-ombud=\"notification\" class=x_a><p>Frage</p><p>Notiz: n+abc@x.test</p></div>");
    assert_eq!((s.reply.as_str(), s.quoted.contains("n+abc")), ("Yes.", true));
    let s = html("<p>Yes.</p><p>On Sat, 21 Nov 2026 at 10:00, Desk wrote:</p><div data-ombud=notification>Frage</div>");
    assert_eq!(s.reply, "Yes.");
}

#[test]
fn a_mail_of_dashes_and_many_words_is_an_answer() {
    let s = plain(&format!("--\n{}", "one more line of words\n".repeat(9)));
    assert!(s.reply.contains("one more line") && s.signature.is_empty());
    assert_eq!(plain("-- \nAnn\nAcme\n").reply, "");
}

#[test]
fn a_quote_that_is_cited_above_the_answered_one_stays() {
    let s = plain("As the manual says:\n\n> turn it off\n\nOn Sat, 21 Nov 2026 10:00, Desk wrote:\n> Did you?\n");
    assert_eq!(s.reply, "As the manual says:\n\n> turn it off");
    assert!(s.quoted.contains("Did you?"));
}

#[test]
fn bars_and_wrapped_links_are_quotes() {
    let s = plain("Yes.\n\n2026/11/21 Desk <d@x.test>\n\n| Shall we?\n|\n| Bob\n");
    assert_eq!((s.reply.as_str(), s.quoted.contains("Shall we?")), ("Yes.", true));
    let s = plain("Yes.\n\nOn Saturday, 21 November 2026 at 3:46 PM, Desk wrote:\n\n> see (https://x.test/a\n_b=1)\n>\n");
    assert_eq!(s.reply, "Yes.");
}

#[test]
fn a_forward_that_is_marked_as_a_quote_is_one() {
    let s = plain(
        "See below.\n\n> Begin forwarded message:\n>\n> From: Cleo <c@y.test>\n> Subject: Broken\n> Date: 21 November 2026\n> To: ann\n>\n> It broke.\n",
    );
    assert_eq!(s.reply, "See below.");
    assert_eq!(s.forward.as_ref().and_then(|(b, _)| b.subject.as_deref()), Some("Broken"));
    let answered = "On Sat, 21 Nov 2026 10:00, Bob wrote:\n> Begin forwarded message:\n>\n> From: Cleo <c@y.test>\n> Subject: Broken\n";
    assert_eq!(plain(&format!("Yes.\n\n{answered}")).forward, None);
}

#[test]
fn a_mail_that_is_one_quote_of_nobody_is_no_empty_reply() {
    let s = plain("> Shall we meet?\n>\n> Ann\n");
    assert_eq!((s.reply.as_str(), s.quoted.as_str()), ("Shall we meet?\n\nAnn", "> Shall we meet?\n>\n> Ann"));
    assert_eq!(html("<blockquote>Shall we?</blockquote>").reply, "Shall we?");
    assert_eq!(plain("On Sat, 21 Nov 2026 10:00, Desk wrote:\n> Shall we?\n").reply, "");
    assert_eq!(plain(&format!("> {MARKER}\n> Shall we?\n")).reply, "");
}

#[test]
fn the_programs_that_people_use() {
    for (program, text) in [
        (
            "Outlook",
            "Yes.\n\n________________________________\nFrom: Desk <d@x.test>\nSent: Saturday, November 21, 2026 10:00 AM\nTo: Ann\nSubject: Re: x\n\nShall we?",
        ),
        (
            "Outlook, stars",
            "Yes.\n\n*Von:* Desk <d@x.test>\n*Gesendet:* Samstag, 21. November 2026 10:00\n*An:* Ann\n*Betreff:* AW: x\n\nShall we?",
        ),
        (
            "Proton",
            "Yes.\n\nSent with Proton Mail secure email.\n\n‐‐‐‐‐‐‐ Original Message ‐‐‐‐‐‐‐\nOn Saturday, November 21st, 2026 at 10:00 AM, Desk <d@x.test> wrote:\n\n> Shall we?",
        ),
        ("Zimbra", "Yes.\n\n----- On Nov 21, 2026, at 10:00 AM, Desk d@x.test wrote:\n\n> Shall we?"),
        (
            "Zimbra, old",
            "Yes.\n\n----- Original Message -----\nFrom: \"Desk\" <d@x.test>\nTo: \"Ann\" <a@x.test>\nSent: Saturday, November 21, 2026\nSubject: x\n\nShall we?",
        ),
        ("Yahoo", "Yes.\n\n    On Saturday, November 21, 2026, 10:00:00 AM UTC, Desk <d@x.test> wrote:\n \n Shall we?"),
        (
            "Samsung",
            "Yes.\n\n-------- Original message --------\nFrom: Desk <d@x.test>\nDate: 21/11/2026 10:00 (GMT+01:00)\nTo: Ann\nSubject: x\n\nShall we?",
        ),
        ("K-9", "Yes.\n\nAm 21. November 2026 10:00:00 MEZ schrieb Desk <d@x.test>:\n>Shall we?"),
        ("Apple", "Yes.\n\nSent from my iPhone\n\n> On 21 Nov 2026, at 10:00, Desk <d@x.test> wrote:\n> \n> Shall we?"),
        ("Thunderbird", "Yes.\n\nLe 21/11/2026 à 10:00, Desk a écrit :\n> Shall we?"),
        (
            "Lotus Notes",
            "Yes.\n\nVon:    \"Desk\" <d@x.test>\nAn:     \"Ann\" <a@x.test>\nDatum:  21.11.2026 10:00\nBetreff:        x\n\nShall we?",
        ),
    ] {
        let s = plain(text);
        assert_eq!((s.reply.as_str(), s.quoted.contains("Shall we?")), ("Yes.", true), "{program}");
    }
}

#[test]
fn words_that_begin_like_the_line_of_a_telephone_are_no_signature() {
    for text in ["Sent with DHL yesterday, number 12345", "послато са", "Sent from the office in Berlin"] {
        for below in ["", "\n\n> Where is it?\n", "\n\nOn Sat, 21 Nov 2026 10:00, Desk wrote:\n> Where is it?\n"] {
            let s = plain(&format!("{text}{below}"));
            assert_eq!((s.reply.as_str(), s.signature.as_str()), (text, ""), "{below}");
        }
    }
    let s = plain("It left.\n\nSent via DHL Express\n");
    assert_eq!(s.reply, "It left.\n\nSent via DHL Express");
    let s = plain("Sent with AquaMail\n\n> Where is it?\n");
    assert_eq!((s.reply.as_str(), s.signature.as_str()), ("", "Sent with AquaMail"));
}
