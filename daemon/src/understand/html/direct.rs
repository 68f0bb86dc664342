//! The way most HTML takes: markup that every reader takes for the tree its tags draw is made safe tag by tag, without
//! building that tree. Anything unusual is a no, and the sanitizer with its whole parser decides. What is written here
//! holds only what is allowed, whatever a reader makes of the HTML it came from, and every parser reads it back as the
//! tree that it was written from: `is_stable` is true of it without being asked.

use std::borrow::Cow;

use memchr::{memchr, memchr2};

use super::entities;
use super::safe::{GENERIC, OF_TAG, REL, TAGS, filter, leads_out};
use super::stable::{TABLE_PARTS, VOID, fits};
use super::tokens::{Token, tokens};

/// Elements of which only the tags go, and which nest like any inline element.
const INLINE: [&str; 4] = ["big", "font", "o:p", "tt"];
/// Tags that a fragment does not have: parsers drop them.
const FRAME: [&str; 3] = ["html", "head", "body"];

/// What the sanitizer would make of `html`; `None` where that takes a parser to tell, or more than `depth` elements nest.
pub fn clean(html: &str, depth: usize) -> Option<String> {
    if memchr2(b'\r', 0, html.as_bytes()).is_some() || html.starts_with('\u{feff}') {
        return None;
    }
    let mut out = String::with_capacity(html.len());
    // What is open, and what of it was written.
    let (mut open, mut written): (Vec<&'static str>, Vec<&'static str>) = (Vec::new(), Vec::new());
    let (mut hidden, mut behind_pre) = (false, None);
    let mut tokens = tokens(html);
    for token in tokens.by_ref() {
        match token {
            Token::Open(name, raw) => match known(&TAGS, &name) {
                Some(name) => {
                    if name == "tr" && open.last() == Some(&"table") {
                        open.push("tbody");
                        written.push("tbody");
                        out.push_str("<tbody>");
                    }
                    // Without what is not written a heading might stand in a heading.
                    if !fits(name, &open) || open.len() > written.len() && !fits(name, &written) {
                        return None;
                    }
                    start(name, raw, &mut out)?;
                    if name == "pre" {
                        behind_pre = Some(out.len());
                    }
                    if !VOID.contains(&name) {
                        open.push(name);
                        written.push(name);
                    }
                }
                None => {
                    for attribute in attributes(raw) {
                        attribute?;
                    }
                    match name.as_ref() {
                        "style" | "title" if !in_table(&open) => hidden = true,
                        "meta" | "link" if !in_table(&open) => {}
                        name if open.is_empty() && FRAME.contains(&name) => {}
                        name => open.push(known(&INLINE, name).filter(|_| !in_table(&open))?),
                    }
                }
            },
            Token::Close(name) if hidden && matches!(name.as_ref(), "style" | "title") => hidden = false,
            Token::Close(name) if open.is_empty() && FRAME.contains(&name.as_ref()) => {}
            Token::Close(name) => {
                let mut last = open.pop()?;
                if name == "table" && last == "tbody" {
                    out.push_str("</tbody>");
                    written.pop();
                    last = open.pop()?;
                }
                if last != name {
                    return None;
                }
                if !INLINE.contains(&last) {
                    written.pop();
                    out.extend(["</", last, ">"]);
                }
            }
            Token::Text(_) if hidden => {}
            Token::Text(text) => {
                let words = decoded(text, false)?;
                // The parser drops a line feed at the beginning of `<pre>`, and moves words out of tables.
                if behind_pre == Some(out.len()) && words.starts_with('\n')
                    || memchr(b'<', text.as_bytes()).is_some()
                    || in_table(&open) && !text.trim_ascii().is_empty()
                {
                    return None;
                }
                escape(&words, false, &mut out);
            }
            Token::Comment(text) if text.starts_with("<!") => {}
            Token::Comment(_) => return None,
        }
        if open.len() > depth {
            return None;
        }
    }
    // A reference may have been a carriage return, which readers take for a line feed.
    let same = memchr2(b'\r', 0, out.as_bytes()).is_none();
    (open.is_empty() && !hidden && !tokens.is_cut() && same).then_some(out)
}

fn known(names: &[&'static str], name: &str) -> Option<&'static str> {
    names.get(names.binary_search(&name).ok()?).copied()
}

fn in_table(open: &[&str]) -> bool {
    open.last().is_some_and(|parent| TABLE_PARTS.contains(parent))
}

/// Writes a start tag with those of its attributes that may stay.
fn start(name: &'static str, raw: &str, out: &mut String) -> Option<()> {
    out.extend(["<", name]);
    let mut kept: Vec<(&'static str, Cow<'_, str>)> = Vec::new();
    let own = OF_TAG.iter().find(|(tag, _)| *tag == name).map_or([].as_slice(), |(_, names)| *names);
    for attribute in attributes(raw) {
        let (key, value) = attribute?;
        let Some(key) = GENERIC.iter().chain(own).find(|known| known.eq_ignore_ascii_case(key)) else { continue };
        if kept.iter().any(|(before, _)| before == key) {
            return None;
        }
        let value = decoded(value, true)?;
        let url = matches!(*key, "href" | "src");
        if !url || leads_out(&value) {
            kept.push((*key, value));
        }
    }
    if name == "a" {
        kept.push(("rel", Cow::Borrowed(REL)));
    }
    // From the last, and what goes leaves its place to the last, as the sanitizer does it.
    for at in (0..kept.len()).rev() {
        if kept.get(at).is_some_and(|(key, value)| filter(name, key, value).is_none()) {
            kept.swap_remove(at);
        }
    }
    for (key, value) in kept {
        out.extend([" ", key, "=\""]);
        escape(&value, true, out);
        out.push('"');
    }
    out.push('>');
    Some(())
}

/// The attributes of a start tag as written; an error where readers might part them otherwise.
fn attributes(raw: &str) -> impl Iterator<Item = Option<(&str, &str)>> {
    let mut rest = Some(raw);
    std::iter::from_fn(move || {
        let ahead = rest?;
        let bare = ahead.trim_ascii_start();
        if bare.is_empty() || bare == "/" {
            return None;
        }
        let one = if bare.len() < ahead.len() { attribute(bare) } else { None };
        rest = one.map(|(_, _, behind)| behind);
        Some(one.map(|(key, value, _)| (key, value)))
    })
}

/// The first attribute, its value, and what stands behind it.
fn attribute(bare: &str) -> Option<(&str, &str, &str)> {
    let name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b':' | b'-' | b'_');
    let (key, behind) = bare.split_at_checked(bare.bytes().take_while(|b| name(*b)).count()).filter(|(key, _)| !key.is_empty())?;
    let Some(value) = behind.trim_ascii_start().strip_prefix('=') else {
        return (behind.is_empty() || behind.starts_with(|c: char| c.is_ascii_whitespace())).then_some((key, "", behind));
    };
    let value = value.trim_ascii_start();
    for quote in ['"', '\''] {
        if let Some(inner) = value.strip_prefix(quote) {
            return inner.split_once(quote).map(|(value, behind)| (key, value, behind));
        }
    }
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b':' | b'-' | b'_' | b'.' | b'#' | b'%' | b'@' | b'?' | b'/');
    let (value, behind) = value.split_at_checked(value.bytes().take_while(|b| plain(*b)).count())?;
    let ends = behind.is_empty() || behind.starts_with(|c: char| c.is_ascii_whitespace());
    // A slash at the end may belong to the value or to the tag.
    (ends && !value.is_empty() && !value.ends_with('/')).then_some((key, value, behind))
}

/// Text with its character references replaced; `None` where one is written as only some readers take it.
fn decoded(text: &str, in_attribute: bool) -> Option<Cow<'_, str>> {
    if memchr(b'&', text.as_bytes()).is_none() {
        return Some(Cow::Borrowed(text));
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        out.push_str(before);
        let word = after.bytes().take_while(u8::is_ascii_alphanumeric).count();
        let behind = after.as_bytes().get(word);
        // Behind the mark of a query a name and `=` are none.
        let none = word == 0 && behind != Some(&b'#') || word > 0 && in_attribute && behind == Some(&b'=');
        if none {
            out.push('&');
            rest = after;
        } else {
            let (c, used) = entities::closed(after)?;
            out.push(c);
            rest = after.get(used..)?;
        }
    }
    out.push_str(rest);
    Some(Cow::Owned(out))
}

/// Text, or a value between double quotes, as a serializer writes it (WHATWG HTML §13.3).
fn escape(text: &str, in_attribute: bool, out: &mut String) {
    let special = |b: u8| matches!(b, b'&' | b'<' | b'>' | 0xc2) || in_attribute && b == b'"';
    // Most hold none. All octets are looked at, which is quicker than to stop at one.
    if !text.bytes().fold(false, |any, b| any | special(b)) {
        out.push_str(text);
        return;
    }
    let mut rest = text;
    while let Some(at) = rest.bytes().position(special) {
        let (plain, behind) = rest.split_at_checked(at).unwrap_or((rest, ""));
        let mut chars = behind.chars();
        out.push_str(plain);
        match chars.next() {
            Some('&') => out.push_str("&amp;"),
            Some('<') => out.push_str("&lt;"),
            Some('>') => out.push_str("&gt;"),
            Some('"') => out.push_str("&quot;"),
            Some('\u{a0}') => out.push_str("&nbsp;"),
            Some(c) => out.push(c),
            None => {}
        }
        rest = chars.as_str();
    }
    out.push_str(rest);
}

#[cfg(test)]
mod tests {
    use super::super::entities::CHARACTERS;
    use super::super::safe::BUILDER;
    use super::super::stable::is_stable;
    use super::*;
    use proptest::prelude::*;

    fn agrees(html: &str) -> bool {
        let ours = clean(html, 100);
        assert!(ours.as_ref().is_none_or(|ours| *ours == BUILDER.clean(html).to_string()), "{html}\n{ours:?}");
        assert!(ours.as_ref().is_none_or(|ours| is_stable(ours, 100)), "{html}\n{ours:?}");
        ours.is_some()
    }

    #[test]
    fn ordinary_mail_is_cleaned_as_the_sanitizer_does() {
        for html in [
            "<!DOCTYPE html PUBLIC \"-//W3C//DTD\"><HTML xmlns:o=\"urn:x\"><head><meta charset=utf-8><title>a<b></title>\n\
             <style>p { x: '</p>' }</style></head><BODY bgcolor=white><p class=MsoNormal>a<o:p></o:p></p></BODY></html>\n",
            "<table border=0><tr><td valign=\"TOP\" width='5'>a&nbsp;b</td></tr>\n</table><table>\n<thead><tr><th>x</th></tr></thead>\n<tr></tr></table>",
            "<a href=\"HTTPS://x.test/?a=1&b=2&amp;c='&quot;\" title=x TARGET=_top>&lt;a&gt; & \u{a0}\u{c2}ä > &#228;&#x80;</a><a name=x></a>",
            "<img src=cid:x alt='\"a\"' lang=de><img src=\"https://x.test/\" alt=a width=1 height=2 dir=ltr><img src='http:///' alt=a title=b>",
            "<a title=x lang=y href='cid:x'>x</a><a href=\"data:x\">x</a><a href=\"//x.test\">x</a><br/><hr /><font color=red><b>x</b></font>",
            "<ul><li>a<ol start=3><li>b</li></ol></li></ul><!-- x --><![if !x]>\n<![endif]><div><style></style></div>",
        ] {
            assert!(agrees(html), "{html}");
        }
        assert!(CHARACTERS.keys().filter(|name| !agrees(&format!("<b title='&{name};'>&{name};</b>"))).count() <= 2);
    }

    #[test]
    fn what_takes_a_parser_is_left_to_one() {
        for html in [
            "a\0",
            "a\rb",
            "\u{feff}",
            "<p>a<p>b",
            "<td>x</td>",
            "<table>x</table>",
            "<b>x",
            "x</b>",
            "<script>x</script>",
            "<b/>x",
            "&copy",
            "<b title=a title=b>x</b>",
            "<b title=\"&lt\">x</b>",
            "<b title=\"a\"lang=b>x</b>",
            "<b x=y\"z>\">x</b>",
            "<pre>\nx</pre>",
            "1 < 2",
            "<?xml x>",
            "<svg></svg>",
            "x<img title'='>",
            "x<br",
            "<table><font></font></table>",
            "<title>x",
            "<b><html></b>",
            "<h1><big><h2>x</h2></big></h1>",
            "<pre><big>\nx</big></pre>",
            "<pre>&#10;x</pre>",
            "a&#13;b",
            "<b title='&#13;'>x</b>",
        ] {
            assert_eq!(clean(html, 100), None, "{html}");
        }
        assert_eq!(clean(&format!("{}{}", "<big>".repeat(9), "</big>".repeat(9)), 8), None);
    }

    const LEAVES: [&str; 27] = [
        "x",
        " ",
        "\n",
        "&amp;",
        "&",
        "&nbsp;",
        "&#13;",
        "&#10;",
        "&#9;",
        "a&b=c",
        "\u{a0}ä",
        ">",
        "<br>",
        "<hr/>",
        "<img src=cid:x alt='a b'>",
        "<IMG SRC=\"http://x/\" title=a dir=b>",
        "<!-- <p> -->",
        "<![x]>",
        "<style>p</p></style>",
        "<meta x=y>",
        "<title>&amp;</title>",
        "</body>",
        "<html>",
        "<p>",
        "</div>",
        "<",
        "<a href='x",
    ];
    const AROUND: [&str; 46] = [
        "a href=\"https://x.test/?a&b=c\"",
        "a href=x title='&copy;'",
        "a href=mailto:x",
        "b",
        "i",
        "u",
        "p",
        "p class=x",
        "DIV",
        "div align='a'",
        "span lang=de",
        "font",
        "o:p",
        "big",
        "tt",
        "table",
        "table",
        "tbody",
        "thead",
        "tr",
        "tr",
        "td",
        "td colspan=2",
        "th",
        "caption",
        "colgroup",
        "ul",
        "ol start=2",
        "li",
        "dl",
        "dd",
        "dt",
        "h1",
        "h2",
        "h2",
        "pre",
        "big",
        "blockquote",
        "center",
        "code",
        "q",
        "html",
        "body",
        "sub",
        "s",
        "em",
    ];

    proptest! {
        #![proptest_config(ProptestConfig { cases: 1024, failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn nothing_is_cleaned_otherwise(html in proptest::sample::select(&LEAVES).prop_map(str::to_owned).prop_recursive(6, 40, 4, |inner| {
            (proptest::sample::select(&AROUND), proptest::collection::vec(inner, 0..4))
                .prop_map(|(tag, inner)| format!("<{tag}>{}</{}>", inner.concat(), tag.split(' ').next().unwrap_or_default()))
        })) {
            agrees(&html);
        }

        #[test]
        fn attributes_are_read_as_the_sanitizer_reads_them(raw in "( (title|href|src|alt|x:y)|[ a=&;\"'/<>:#]|&amp;|http://x|cid:){0,8}") {
            agrees(&format!("<img{raw}><a{raw}>x</a>"));
        }
    }
}
