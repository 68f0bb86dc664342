//! What the clients of agents send, as they send it.

use proptest::prelude::*;

use super::super::answer;
use super::*;
use crate::model::understood::{Facts, Line};
use crate::understand::{Limits, understand};

/// A mail with these words, this HTML, and pictures given as name and Content-ID.
fn mail(text: Option<&str>, html: &str, pictures: &[(&str, &str)]) -> Understood {
    let text = text.map(|text| format!("--a\nContent-Type: text/plain\n\n{text}\n")).unwrap_or_default();
    let picture = |(name, id): &(&str, &str)| {
        format!(
            "--r\nContent-Type: image/png; name=\"{name}\"\nContent-ID: <{id}>\nContent-Disposition: inline; filename=\"{name}\"\n\n{name}{id}\n"
        )
    };
    let pictures: String = pictures.iter().map(picture).collect();
    let raw = format!(
        "From: j@a.test\nSubject: Re: x\nContent-Type: multipart/related; boundary=r\n\n--r\nContent-Type: multipart/alternative; boundary=a\n\n\
         {text}--a\nContent-Type: text/html\n\n{html}\n--a--\n{pictures}--r--\n"
    );
    understand(raw.as_bytes(), &Limits::default())
}

fn names(u: &Understood) -> Vec<String> {
    attachments(u).into_iter().filter_map(|a| a.name).collect()
}

#[test]
fn outlooks_pictures_stand_where_its_text_has_them_and_its_ids_do_not_leave() {
    let u = mail(
        Some(
            "Press this:\n[cid:image001.png@01DB3C5A.7C2D0F10]\nthen that.\n\nFrom: Desk <d@x.test>\nSent: today\nTo: J\nSubject: x\n\nIt burns. [cid:image002.png@01DB3C5A.7C2D0F10]\n",
        ),
        "<p>Press this:</p><p><img src=\"cid:image001.png@01DB3C5A.7C2D0F10\"></p><p>then that.</p>\
         <div style=\"border:none;border-top:solid #E1E1E1 1.0pt\"><p><b>From:</b> Desk &lt;d@x.test&gt;<br><b>Sent:</b> today<br><b>To:</b> J<br><b>Subject:</b> x</p></div>\
         <p>It burns. <img src=\"cid:image002.png@01DB3C5A.7C2D0F10\"></p>",
        &[("image001.png", "image001.png@01DB3C5A.7C2D0F10"), ("image002.png", "image002.png@01DB3C5A.7C2D0F10")],
    );
    assert_eq!(names(&u), ["image001.png"], "what is quoted stays");
    assert_eq!(answer::text(&u, ""), "Press this:\n[image: image001.png]\nthen that.");
}

#[test]
fn gmails_pictures_of_one_name_are_told_apart() {
    let u = mail(
        Some(
            "@solve\nFirst [image: image.png] and\n\n[image: image.png]\nbye\n\nOn Sat, 21 Nov 2026 at 10:00, Desk <d@x.test> wrote:\n\n> [image: image.png]\n",
        ),
        "<div dir=\"ltr\">@solve<br>First <img src=\"cid:ii_a\" alt=\"image.png\"> and<div><br></div><div><img src=\"cid:ii_b\" alt=\"image.png\"></div>bye</div>\
         <div class=\"gmail_quote\"><div class=\"gmail_attr\">On Sat, 21 Nov 2026 at 10:00, Desk &lt;d@x.test&gt; wrote:<br></div><blockquote class=\"gmail_quote\"><img src=\"cid:ii_c\" alt=\"image.png\"></blockquote></div>",
        &[("image.png", "ii_a"), ("image.png", "ii_b"), ("image.png", "ii_c")],
    );
    assert_eq!(attachments(&u).iter().filter_map(|a| a.content_id.as_deref()).collect::<Vec<_>>(), ["ii_a", "ii_b"]);
    assert_eq!(answer::text(&u, ""), "@solve\nFirst [image: image.png] and\n\n[image: image.png (2)]\nbye");
}

#[test]
fn where_the_text_says_nothing_the_words_before_a_picture_do() {
    let html = "<p>@tag x<br>@solve</p><img src=\"cid:top\"><p>Look here:<br><img src=\"cid:mid\"></p><p>And yes, it\nruns on Linux.</p><img src=\"cid:end\">\
                <div>-- <br>Jane <img src=\"cid:logo\"></div><blockquote type=\"cite\">It burns <img src=\"cid:theirs\"></blockquote>";
    let pictures = [("top.png", "top"), ("mid.png", "mid"), ("end.png", "end"), ("logo.png", "logo"), ("theirs.png", "theirs")];
    let want = "@tag x\n@solve\n[image: top.png]\n\nLook here:\n[image: mid.png]\n\nAnd yes, it runs on Linux.\n[image: end.png]";
    for text in [None, Some("@tag x\n@solve\n\nLook here:\n\nAnd yes, it runs on Linux.\n\n-- \nJane\n\n> It burns\n")] {
        let u = mail(text, html, &pictures);
        assert_eq!(answer::text(&u, ""), want, "{text:?}");
        assert_eq!(names(&u), ["top.png", "mid.png", "end.png"]);
    }
}

#[test]
fn apple_mails_pictures_stand_where_its_html_has_them() {
    let raw = "From: j@a.test\nSubject: Re: x\nContent-Type: multipart/alternative; boundary=a\n\n--a\nContent-Type: text/plain; charset=utf-8\n\n\
        Press this:\n\n\n\nThen that.\n\n> On 22. Nov 2026, at 10:00, Desk <d@x.test> wrote:\n> \n> It burns.\n\n\
        --a\nContent-Type: multipart/related; type=\"text/html\"; boundary=r\n\n--r\nContent-Type: text/html; charset=utf-8\n\n\
        <html><body>Press this:<div><br></div><div><img alt=\"Shot.png\" src=\"cid:E5A1-7F\"></div><div><br></div><div>Then that.<br>\
        <div><br><blockquote type=\"cite\"><div>On 22. Nov 2026, at 10:00, Desk &lt;d@x.test&gt; wrote:</div><br><div>It burns.</div></blockquote></div></div></body></html>\n\
        --r\nContent-Disposition: inline; filename=Shot.png\nContent-Type: image/png; name=\"Shot.png\"\nContent-Id: <E5A1-7F>\n\nx\n--r--\n--a--\n";
    let u = understand(raw.as_bytes(), &Limits::default());
    assert_eq!((answer::text(&u, "").as_str(), names(&u)), ("Press this:\n[image: Shot.png]\n\nThen that.", vec!["Shot.png".to_owned()]));
}

#[test]
fn a_picture_is_not_put_above_commands_or_where_its_place_is_not_certain() {
    let u = mail(Some("@solve\nDone."), "<img src=\"cid:a\"><p>@solve</p><p>Done.</p>", &[("a.png", "a")]);
    assert_eq!(answer::text(&u, ""), "@solve\n[image: a.png]\nDone.");
    let u = mail(
        Some("\n@solve\n\n @tag x\n\nDone. @all"),
        "<img src=\"cid:a\"><p>@solve</p><p>@tag x</p><p>Done. @all</p>",
        &[("a.png", "a")],
    );
    assert_eq!(answer::text(&u, ""), "@solve\n\n @tag x\n[image: a.png]\n\nDone. @all", "commands parted by blank lines");
    let u = mail(Some("Other words."), "<p>Some words.</p><img src=\"cid:a\">", &[("a.png", "a")]);
    assert_eq!((answer::text(&u, "").as_str(), names(&u)), ("Other words.", vec!["a.png".to_owned()]), "it stands below then");
}

#[test]
fn an_interleaved_answer_keeps_the_pictures_between_its_quotes() {
    let u = mail(
        Some("On Sat, 21 Nov 2026 at 10:00, Ann <d@x.test> wrote:\n\n> where?\n\nThere:\n\n> and when?\n\nNow. Here is the plan of it.\n"),
        "<p>On Sat, 21 Nov 2026 at 10:00, Ann &lt;d@x.test&gt; wrote:</p><blockquote>where? <img src=\"cid:q\"></blockquote><p>There:<img src=\"cid:a\"></p>\
         <blockquote>and when?</blockquote><p>Now. Here is the plan of it.</p>",
        &[("q.png", "q"), ("a.png", "a")],
    );
    assert_eq!(names(&u), ["a.png"]);
    assert!(answer::text(&u, "where? and when?").contains("There:\n[image: a.png]\n"), "{}", answer::text(&u, "where? and when?"));
}

#[test]
fn a_picture_among_the_texts_own_words_goes_along_whatever_the_html_says() {
    let html = "<p>Press:</p><div style=\"border:none;border-top:solid #E1E1E1 1.0pt\"><p><img src=\"cid:a@HOST\"></p></div>";
    let u = mail(Some("Press:\n[cid:a@HOST]\nor this: [cid:a@HOST]\n"), html, &[("a.png", "a@HOST")]);
    assert_eq!(names(&u), ["a.png"]);
    assert_eq!(answer::text(&u, ""), "Press:\n[image: a.png]\nor this: [image: a.png]", "a second mention stands again");
}

#[test]
fn no_reference_to_a_known_picture_leaves() {
    let u = mail(Some("Done [cid:b@HOST].\n[cid:other]"), "<p>Done.</p>", &[("b.png", "b@HOST")]);
    assert_eq!(answer::text(&u, ""), "Done [cid:b@HOST].\n[cid:other]".replace("[cid:b@HOST]", ""), "no picture that can be shown");
    let outlook = "Done.\n\nFrom: Desk <d@x.test>\nSent: today\nTo: J\nSubject: x\n\nBy the way [cid:c@HOST] is it.\n";
    let html = "<p>Done.</p><div style=\"border:none;border-top:solid #E1E1E1 1.0pt\"><p><b>From:</b> Desk</p></div><p>By the way <img src=\"cid:c@HOST\"> is it.</p>";
    let u = mail(Some(outlook), html, &[("c.png", "c@HOST")]);
    assert_eq!(names(&u), Vec::<String>::new());
    let unmarked = answer::unmarked(&u, "It burns.");
    assert_eq!(unmarked, ["By the way [cid:c@HOST] is it."]);
    assert_eq!(answer::released(&u, "", &unmarked), "Done.\n\nBy the way [image: c.png] is it.");
    assert_eq!(attachments_with(&u, &unmarked).len(), 1, "what was let through goes along");
    assert_eq!(placed("> see [cid:c@HOST] there", &u, &[]), "> see  there");
}

/// As Outlook writes a picture: for its own renderer in a comment, for all others below it.
fn vml(id: &str) -> String {
    format!(
        "<!--[if gte vml 1]><v:shapetype id=\"_x0000_t75\" coordsize=\"21600,21600\" o:spt=\"75\" o:preferrelative=\"t\" path=\"m@4@5l@4@11@9@11@9@5xe\" filled=\"f\" stroked=\"f\">\n\
         <v:stroke joinstyle=\"miter\" />\n<v:formulas>\n<v:f eqn=\"if lineDrawn pixelLineWidth 0\" />\n</v:formulas>\n\
         <v:path o:extrusionok=\"f\" gradientshapeok=\"t\" o:connecttype=\"rect\" />\n<o:lock v:ext=\"edit\" aspectratio=\"t\" />\n</v:shapetype>\
         <v:shape id=\"Grafik_x0020_1\" o:spid=\"_x0000_i1025\" type=\"#_x0000_t75\" style='width:150pt;height:75pt;visibility:visible'>\n\
         <v:imagedata src=\"cid:{id}\" o:title=\"\" />\n</v:shape><![endif]--><![if !vml]><img width=200 height=100 style='width:2.0833in;height:1.0416in' \
         src=\"cid:{id}\" v:shapes=\"Grafik_x0020_1\"><![endif]>"
    )
}

/// The header block above what Outlook quotes.
const OUTLOOK_QUOTE: &str = "<div style='border:none;border-top:solid #E1E1E1 1.0pt;padding:3.0pt 0cm 0cm 0cm'><p class=MsoNormal><b>From:</b> Desk &lt;d@x.test&gt;<br>\
    <b>Sent:</b> today<br><b>To:</b> J<br><b>Subject:</b> x</p></div>";

#[test]
fn a_picture_that_outlook_names_in_both_of_its_forms_goes_once() {
    let (own, quoted) = (vml("image001.png@01DB3C5A"), vml("image002.png@01DB3C5A"));
    let html = format!(
        "<html xmlns:v=\"urn:schemas-microsoft-com:vml\"><head><!--[if !mso]><style>v\\:* {{behavior:url(#default#VML);}}</style><![endif]-->\
         <style><!-- p.MsoNormal {{margin:0cm}} --></style></head><body lang=DE><div class=WordSection1><p class=MsoNormal>Press this:<o:p></o:p></p>\
         <p class=MsoNormal>{own}<o:p></o:p></p><p class=MsoNormal>then that.<o:p></o:p></p>{OUTLOOK_QUOTE}<p class=MsoNormal>It burns. {quoted}</p></div></body></html>"
    );
    let pictures = [("image001.png", "image001.png@01DB3C5A"), ("image002.png", "image002.png@01DB3C5A")];
    let u = mail(None, &html, &pictures);
    assert_eq!(names(&u), ["image001.png"]);
    assert_eq!(answer::text(&u, "It burns."), "Press this:\n[image: image001.png]\n\nthen that.");
}

#[test]
fn a_picture_has_its_place_where_anything_of_the_own_words_names_it() {
    let quote = "<blockquote type=\"cite\"><p>It burns. <img src=\"cid:a\"></p></blockquote>";
    for named in [
        "<!--[if gte vml 1]><v:shape style='width:1pt'><v:imagedata src=\"cid:a\" o:title=\"\"/></v:shape><![endif]-->",
        "<v:rect fill=\"t\"><v:fill type=\"tile\" src='cid:a' /></v:rect>",
        "<table background=\"cid:a\"><tr><td></td></tr></table>",
        "<table><tr><td background=cid:a></td></tr></table>",
        "<div style=\"color:red; background-image: url('cid:a')\"></div>",
        "<div style='background:#fff URL( &quot;CID:a&quot; ) no-repeat'></div>",
        "<div style=background:url(cid:%61)></div>",
        "<img srcset=\"https://x.test/y 1x, cid:a 2x\">",
        "<object data=\"cid:a\"></object>",
        "<object><img src=\"cid:a\"></object>",
        "<style>p.x { background: url(cid:a) }</style>",
        "<!--[if mso]><style>p { background: url(cid:a) }</style><![endif]-->",
    ] {
        // That it stands in the quote as well takes nothing away.
        for quote in ["", quote] {
            let u = mail(None, &format!("<p>Look here:</p>{named}<p>Then go on.</p>{quote}"), &[("a.png", "a")]);
            assert_eq!(names(&u), ["a.png"], "{named}");
            let text = answer::text(&u, "").replace("\n\n", "\n");
            assert_eq!(text, "Look here:\n[image: a.png]\nThen go on.", "{named}");
        }
    }
}

#[test]
fn a_picture_that_the_page_names_as_a_whole_goes_below_the_words() {
    let quote = "<blockquote type=\"cite\"><p>It burns. <img src=\"cid:a\"></p></blockquote>";
    for (head, body) in [
        ("<style>body { background: url(cid:a) }</style>", "<body>"),
        ("<style><!-- @page { } div.x { background: url(\"cid:a\") } --></style>", "<body>"),
        ("", "<body background=\"cid:a\">"),
        ("", "<body style=\"background-image:url(cid:a)\">"),
        (
            "<!--[if gte mso 9]><xml><v:background id=\"_x0000_s1025\" o:bwmode=\"white\"><v:fill src=\"cid:a\" o:title=\"\" type=\"frame\"/></v:background></xml><![endif]-->",
            "<body>",
        ),
    ] {
        for quote in ["", quote] {
            let html = format!("<html><head>{head}</head>{body}<p>Look here.</p><p>Go on.</p>{quote}</body></html>");
            let u = mail(None, &html, &[("a.png", "a")]);
            assert_eq!(names(&u), ["a.png"], "{html}");
            assert_eq!(answer::text(&u, ""), "Look here.\n\nGo on.\n[image: a.png]", "{html}");
        }
    }
}

#[test]
fn a_picture_that_only_quote_or_signature_name_does_not_go_again() {
    let forms = [
        vml("a"),
        "<!--[if gte vml 1]><v:shape><v:imagedata src=\"cid:a\"/></v:shape><![endif]-->".to_owned(),
        "<table background=\"cid:a\"><tr><td>x</td></tr></table>".to_owned(),
        "<table><tr><td background=\"cid:a\">x</td></tr></table>".to_owned(),
        "<div style=\"background:url(cid:a)\">x</div>".to_owned(),
        "<style>p { background: url(cid:a) }</style>".to_owned(),
    ];
    for named in &forms {
        for cut in [
            format!("<blockquote type=\"cite\">It burns. {named}</blockquote>"),
            format!("<blockquote type=\"cite\">{named} It burns.</blockquote>"),
            format!("{OUTLOOK_QUOTE}<p>It burns.</p>{named}"),
            format!("<div class=\"gmail_signature\">Jane {named}</div>"),
            format!("<div id=\"Signature\">{named}<p>Jane</p></div>"),
            format!("<p>-- <br>Jane</p>{named}"),
        ] {
            let u = mail(None, &format!("<p>Done, and it will not happen again.</p>{cut}"), &[("a.png", "a")]);
            assert_eq!(names(&u), Vec::<String>::new(), "{cut}");
            assert_eq!(answer::text(&u, "It burns."), "Done, and it will not happen again.", "{cut}");
        }
    }
    for cut in [
        "<blockquote type=\"cite\" style=\"background:url(cid:a)\">It burns.</blockquote>",
        "<div class=\"gmail_signature\" style=\"background:url(cid:a)\">Jane</div>",
    ] {
        let u = mail(None, &format!("<p>Done.</p>{cut}"), &[("a.png", "a")]);
        assert_eq!((names(&u).len(), answer::text(&u, "It burns.").as_str()), (0, "Done."), "{cut}");
    }
}

#[test]
fn what_is_named_where_nobody_sees_it_goes_when_in_doubt() {
    for html in [
        "<p>Done.</p><!-- <img src=\"cid:a\"> -->",
        "<p>Done.</p><img alt=\"cid:a\" title=\"cid:a\">",
        "<p>Done.</p><blockquote><img alt=\"cid:a\">It burns.</blockquote>",
        "<p>Done.</p><blockquote>See cid:a</blockquote>",
    ] {
        let u = mail(None, html, &[("a.png", "a")]);
        assert_eq!((names(&u).len(), answer::text(&u, "It burns.").as_str()), (1, "Done."), "{html}");
    }
}

#[test]
fn a_name_of_a_picture_that_did_not_come_along_hides_no_place() {
    let u = mail(
        Some("See this, [cid:gone@HOST] and this:\n\nBye."),
        "<div style=\"background:url(cid:none)\"><p>See this, <img src=\"cid:gone@HOST\"> and this:</p><img src=\"cid:a\"><p>Bye.</p></div>",
        &[("a.png", "a")],
    );
    assert_eq!(answer::text(&u, ""), "See this, [cid:gone@HOST] and this:\n[image: a.png]\n\nBye.");
}

#[test]
fn many_pictures_cost_no_more_than_their_number() {
    let html = (0..20_000).map(|n| format!("word <img src=\"cid:{}\"> ", n % 50)).collect::<String>();
    let pictures: Vec<_> = (0..50).map(|n| (format!("{n}.png"), n.to_string())).collect();
    let pictures: Vec<_> = pictures.iter().map(|(name, id)| (name.as_str(), id.as_str())).collect();
    let begun = std::time::Instant::now();
    let u = mail(Some(&"[cid:1] [image: x] word ".repeat(20_000)), &html, &pictures);
    assert!(!answer::text(&u, "").is_empty());
    assert!(begun.elapsed() < std::time::Duration::from_secs(10));
}

const PIECES: [&str; 14] = [
    "word",
    "words ",
    "@solve\n",
    "\n",
    "\n\n",
    "> quote\n",
    "[cid:a]",
    "[cid:b]",
    "[cid:other]",
    "[image: a.png]",
    "[",
    "]",
    "ü",
    "[image: a.png (2)]",
];

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn no_word_is_lost_and_each_picture_stands_at_most_once(
        text in prop::collection::vec(prop::sample::select(&PIECES), 0..20),
        html in prop::collection::vec((prop::sample::select(&PIECES), any::<bool>()), 0..20),
    ) {
        let image = |id: &str| Attachment {
            name: Some("a.png".into()), content_type: "image/png".into(), inline: true, content_id: Some(id.into()), ..Attachment::default()
        };
        let kind = |own| if own { LineKind::Own } else { LineKind::Quote };
        let pictured = html.iter().map(|(text, own)| Line { kind: kind(*own), text: text.replace('\n', "") }).collect();
        let facts = Facts { pictured, ..Facts::default() };
        let u = Understood { attachments: vec![image("a"), image("b")], facts, ..Understood::default() };
        let text = text.concat();
        let out = placed(&text, &u, &[]);
        let bare = |text: &str| -> String {
            let own = text.lines().filter(|line| !line.starts_with('>')).collect::<Vec<_>>().join("\n");
            let names = ["[image] ", "[cid:a]", "[cid:b]", "[image: a.png]", "[image: a.png (2)]"];
            squeeze(&names.iter().fold(own, |own, name| own.replace(name, "")))
        };
        prop_assert_eq!(bare(&out), bare(&text), "{}", out);
        let commands = |text: &str| text.lines().take_while(|line| line.starts_with('@')).count();
        if !text.contains("[cid:") {
            prop_assert_eq!(commands(&out), commands(&text), "{}", out);
        }
        prop_assert!(out.lines().filter(|l| l.starts_with('>')).count() == text.lines().filter(|l| l.starts_with('>')).count());
    }
}
