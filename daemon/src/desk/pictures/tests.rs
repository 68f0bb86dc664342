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
