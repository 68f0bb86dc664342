use super::*;

fn plain(text: &str) -> Split {
    let lines: Vec<TextLine> = text.lines().map(|l| TextLine { text: l.to_owned(), hint: Hint::None }).collect();
    split(&lines, Context::default())
}

fn html(text: &str) -> Split {
    split(&super::super::html_text::lines(text), Context::default())
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
        let s = plain(text);
        assert_eq!(s.reply.is_empty(), text.starts_with('>'), "{text}");
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
