//! The twin says what its text says, and nothing in it acts.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;
use crate::understand::{Limits, SafeHtml, shown_text, understand};

fn plain(text: &str) -> String {
    html_of(text, &[]).unwrap()
}

/// The lines of a text that say something, each with its depth of quoting and without white space.
fn said(text: &str) -> Vec<(usize, String)> {
    let bare = |line: &str| line.chars().filter(|c| !c.is_whitespace()).collect::<String>();
    let lines = text.lines().map(bare).map(|line| {
        let words = line.trim_start_matches('>');
        (line.len() - words.len(), words.to_owned())
    });
    lines.filter(|(_, words)| !words.is_empty()).collect()
}

/// All tags of some HTML.
fn tags(html: &str) -> Vec<&str> {
    html.split('<').skip(1).filter_map(|rest| rest.split(['>', ' ', '\n']).next()).collect()
}

#[test]
fn a_text_keeps_its_shape() {
    let html = plain(
        "Hello Ann,\nsee https://x.test/?a=1&b=2.\n\n  two\n\n-- \nJane\nAcme\n\nOn Monday, Ann wrote:\n\n> it <b>burns</b>\n> > really?\n",
    );
    let body = html.strip_prefix(HEAD).unwrap().strip_suffix(TAIL).unwrap();
    let inner = "<blockquote type=\"cite\" style=\"margin:0 0 0 0.8ex;border-left:1px solid #cccccc;padding-left:1ex\">\n";
    let want = format!(
        "<p dir=\"auto\">Hello Ann,<br>\nsee <a href=\"https://x.test/?a=1&amp;b=2\" rel=\"noopener noreferrer nofollow\">https://x.test/?a=1&amp;b=2</a>.</p>\n\
         <p dir=\"auto\">&nbsp;&nbsp;two</p>\n\
         <p dir=\"auto\">-- <br>\nJane<br>\nAcme</p>\n\
         <p dir=\"auto\">On Monday, Ann wrote:</p>\n\
         {inner}<p dir=\"auto\">it &lt;b&gt;burns&lt;/b&gt;</p>\n\
         {inner}<p dir=\"auto\">really?</p>\n</blockquote>\n</blockquote>\n"
    );
    assert_eq!(body, want);
}

#[test]
fn a_picture_stands_once_where_its_placeholder_is_and_never_in_a_quote() {
    let pictures = [("[image: a.png]".to_owned(), "1.x@desk.test".to_owned()), ("[image: b.png]".to_owned(), "2.x@desk.test".to_owned())];
    let html = html_of("> [image: b.png]\nSee [image: a.png] here: [image: a.png] [image: c.png]", &pictures).unwrap();
    assert_eq!(html.matches("<img").count(), 1);
    assert!(
        html.contains(
            "See <img src=\"cid:1.x@desk.test\" alt=\"[image: a.png]\" style=\"max-width:100%\"> here: [image: a.png] [image: c.png]"
        ),
        "{html}"
    );
}

#[test]
fn hostile_text_costs_no_more_than_its_length() {
    for piece in [
        "http://",
        "mailto:",
        "http://-",
        "http://x",
        "mailto:a@",
        "mailto:a@b:",
        "[image: ",
        "> ",
        "mailto:a@b ",
        "(((http://x.test)",
        ">",
        "https://x.test/)",
        "[",
        ":",
        "  ",
    ] {
        let text = piece.repeat(MOST / piece.len());
        let begun = Instant::now();
        let html = html_of(&text, &[]);
        assert!(begun.elapsed() < Duration::from_secs(5), "{piece}");
        assert!(html.is_none_or(|html| html.len() <= LONGEST), "{piece}");
    }
}

#[test]
fn what_opens_and_closes_quotes_in_turn_stops_at_the_bound() {
    let deep = format!("{}x\n\n", ">".repeat(DEPTH));
    for piece in [deep.as_str(), ">>>>>>>>>>>>>>>>>>>>\n\n", "> > > > > > > > > > > >\n.\n"] {
        let text = piece.repeat(MOST / piece.len());
        let begun = Instant::now();
        assert_eq!(html_of(&text, &[]), None, "{piece}");
        assert!(begun.elapsed() < Duration::from_secs(5), "{piece}");
    }
}

/// What our HTML becomes in the answers of common clients: the body, without its document, below what they introduce it with.
fn quoted_by(client: &str, body: &str) -> String {
    let when = "Sun, Nov 22, 2026 at 10:00 AM";
    match client {
        "Gmail" => format!(
            "<div dir=\"ltr\">Thanks, it works.</div><br><div class=\"gmail_quote gmail_quote_container\"><div dir=\"ltr\" class=\"gmail_attr\">\
             On {when} Jane (Desk) &lt;<a href=\"mailto:support@desk.test\">support@desk.test</a>&gt; wrote:<br></div>\
             <blockquote class=\"gmail_quote\" style=\"margin:0px 0px 0px 0.8ex;border-left:1px solid rgb(204,204,204);padding-left:1ex\"><u></u>{body}</blockquote></div>"
        ),
        "Outlook" => format!(
            "<html><body><div class=WordSection1><p class=MsoNormal>Thanks, it works.<o:p></o:p></p><div>\
             <div style='border:none;border-top:solid #E1E1E1 1.0pt;padding:3.0pt 0cm 0cm 0cm'><p class=MsoNormal><b>From:</b> Jane (Desk) &lt;support@desk.test&gt; <br>\
             <b>Sent:</b> Sunday, November 22, 2026 10:00 AM<br><b>To:</b> Ann<br><b>Subject:</b> Re: Printer<o:p></o:p></p></div></div>{}</div></body></html>",
            // Word makes margins of quotes.
            body.replace("<blockquote type=\"cite\" style=\"", "<div style=\"border:none;border-left:solid #CCCCCC 1.0pt;")
                .replace("</blockquote>", "</div>")
        ),
        "Outlook on the web" => format!(
            "<div class=\"elementToProof\">Thanks, it works.</div><div id=\"appendonsend\"></div><hr style=\"display:inline-block;width:98%\" tabindex=\"-1\">\
             <div id=\"divRplyFwdMsg\" dir=\"ltr\"><font><b>From:</b> Jane (Desk) &lt;support@desk.test&gt;<br><b>Sent:</b> Sunday<br><b>To:</b> Ann<br>\
             <b>Subject:</b> Re: Printer</font><div>&nbsp;</div></div>{body}"
        ),
        "Apple Mail" => format!(
            "<html><body style=\"overflow-wrap: break-word;\">Thanks, it works.<br id=\"lineBreakAtBeginningOfMessage\"><div><br><blockquote type=\"cite\">\
             <div>On 22. Nov 2026, at 10:00, Jane (Desk) &lt;support@desk.test&gt; wrote:</div><br class=\"Apple-interchange-newline\"><div>{body}</div></blockquote></div><br></body></html>"
        ),
        _ => format!(
            "<p>Thanks, it works.</p><div class=\"moz-cite-prefix\">On 22.11.26 10:00, Jane (Desk) wrote:<br></div><blockquote type=\"cite\" cite=\"mid:x@desk.test\">{body}</blockquote>"
        ),
    }
}

#[test]
fn of_a_customers_answer_to_our_html_only_their_words_are_new() {
    let html = html_of(
        "Hello Ann,\nturn it off: https://help.test/off\n\n[image: a.png]\n\n-- \nJane\n\nAcme\n\nOn 2026-11-21 10:00 UTC, Ann wrote:\n\n> It burns.\n>\n> > What?\n",
        &[("[image: a.png]".into(), "1.x@desk.test".into())],
    )
    .unwrap();
    let body = html.strip_prefix(HEAD).unwrap().strip_suffix(TAIL).unwrap();
    for client in ["Gmail", "Outlook", "Outlook on the web", "Apple Mail", "Thunderbird"] {
        let mail = format!("From: ann@x.test\nSubject: Re: Printer\nContent-Type: text/html\n\n{}\n", quoted_by(client, body));
        let u = understand(mail.as_bytes(), &Limits::default());
        assert_eq!(u.reply_text, "Thanks, it works.", "{client}: {:?}", u.facts.lines);
        for words in ["turn it off: https://help.test/off", "Acme", "It burns."] {
            assert!(u.quoted_text.contains(words), "{client}: {words} in {}", u.quoted_text);
        }
    }
    let between = body.replacen("</a></p>", "</a></p></blockquote><p>I did.</p><blockquote type=\"cite\">", 1);
    let mail = format!("From: ann@x.test\nSubject: Re: Printer\nContent-Type: text/html\n\n{}\n", quoted_by("Thunderbird", &between));
    let u = understand(mail.as_bytes(), &Limits::default());
    assert!(u.reply_text.contains("I did.") && !u.reply_text.contains("Acme"), "{}", u.reply_text);
}

/// What texts are made of, so that all of it is met.
const PIECES: [&str; 30] = [
    "word ",
    "two words\n",
    "\n",
    "\n\n",
    "> ",
    ">",
    "> > quoted\n",
    "<b>",
    "</p>",
    "&amp;",
    "&",
    "\"",
    "'",
    "<script>alert(1)</script>",
    "http://x.test/a ",
    "https://x.test/?q=<b>&c ",
    "mailto:ann@x.test",
    "javascript:x",
    "-- \n",
    "[image: a.png]",
    "[image: ",
    "]",
    "  ",
    "\t",
    "ünï\u{202e}\u{200b}",
    "\u{0}",
    "\r\n",
    "<!--",
    "-->",
    "\u{a0}",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 1024, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn the_twin_says_what_the_text_says(parts in prop::collection::vec(prop::sample::select(&PIECES), 0..40), any in "\\PC{0,20}") {
        let text = clean(&format!("{}{any}", parts.concat()), true);
        let html = plain(&text);
        prop_assert_eq!(said(&shown_text(&html)), said(&text), "{}", html);
        for tag in tags(&html) {
            prop_assert!(
                ["!DOCTYPE", "html", "head", "meta", "/head", "body", "p", "/p", "br", "a", "/a", "blockquote", "/blockquote", "/body", "/html"].contains(&tag),
                "{tag} in {html}"
            );
        }
        // Nothing is taken out of it that could lead anywhere else.
        let safe = SafeHtml::sanitize(&html, &Limits::default()).unwrap().into_string();
        let links = |html: &str| html.matches("<a href=").count();
        prop_assert_eq!(links(&safe), links(&html));
    }
}
