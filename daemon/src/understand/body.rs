//! Which parts are the body, and its text.

use super::calendar;
use super::doubts::FalseLink;
use super::html;
use super::html::text::TextLine;
use super::limits::Limits;
use super::mime::charset;
use super::mime::uuencode;
use super::mime::{Part, Tree};
use crate::model::text::split_lines;

/// Most lines of text that are kept.
const LINES: usize = 50_000;

/// The body of a mail.
#[derive(Debug, Default)]
pub struct Body {
    /// The text that is shown.
    pub text: String,
    /// Its lines, with the hints of the HTML they were made from.
    pub lines: Vec<TextLine>,
    /// HTML as it came, if any part of the body is HTML.
    pub html: Option<String>,
    /// Text of the HTML where the mail has both.
    pub html_text: Option<String>,
    /// The first link of the HTML that shows another host than the one it leads to.
    pub false_link: Option<FalseLink>,
    /// The first host of a link that mixes letters of several scripts.
    pub odd_host: Option<String>,
    /// What a calendar says, in a line: it stands above the text, and below the writer's own words.
    pub invitation: Option<String>,
    /// Parts that are not the body, in order; a named text that is the only one is both.
    pub attachments: Vec<usize>,
    /// Files that stood in the plain text, each with its name as written.
    pub files: Vec<(String, Vec<u8>)>,
    /// Whether something was cut.
    pub cut: bool,
}

/// One stretch of the body: the same words as text, as HTML, or as both.
#[derive(Clone, Copy, Debug, Default)]
struct Piece {
    text: Option<usize>,
    html: Option<usize>,
}

/// Reads the body of a mail.
pub fn read(tree: &Tree, limits: &Limits) -> Body {
    let mut found = Found::default();
    walk(tree, 0, false, &mut found);
    if found.pieces.is_empty() {
        found.pieces.extend(found.shown.map(|text| Piece { text: Some(text), html: None }));
    }
    let mut body = Body { attachments: found.attachments, ..Body::default() };
    body.attachments.sort_unstable();
    let texts = found.pieces.iter().any(|p| p.text.is_some());
    let htmls = found.pieces.iter().any(|p| p.html.is_some());
    let (mut html, mut shadow) = (String::new(), Vec::new());
    for piece in &found.pieces {
        let text = piece.text.and_then(|i| tree.parts.get(i));
        let files = if piece.text.is_none_or(|i| body.attachments.contains(&i)) { &mut Vec::new() } else { &mut body.files };
        let plain = text.map(|part| plain_lines(part, files));
        let markup = piece.html.and_then(|i| tree.parts.get(i)).map(Part::text);
        let rich = markup.as_deref().map(html::text::read).map(|reading| {
            body.false_link = body.false_link.take().or(reading.false_link);
            body.odd_host = body.odd_host.take().or(reading.odd_host);
            reading.lines
        });
        if htmls {
            html.push_str(&markup.unwrap_or_else(|| escaped(plain.as_deref().unwrap_or_default())));
        }
        let filled = |lines: &[TextLine]| lines.iter().any(|l| !l.text.trim().is_empty());
        let keep = texts && htmls && shadow.len() <= LINES;
        let lines = match (plain, rich) {
            (Some(plain), rich) if filled(&plain) || rich.is_none() => {
                shadow.extend(rich.filter(|_| keep).into_iter().flatten());
                plain
            }
            (_, rich) => {
                let rich = rich.unwrap_or_default();
                shadow.extend(rich.iter().filter(|_| keep).cloned());
                rich
            }
        };
        if !body.lines.is_empty() && filled(&lines) {
            body.lines.push(TextLine::default());
        }
        if body.lines.len() <= LINES {
            body.lines.extend(lines);
        }
    }
    body.cut = shorten(&mut body.lines, limits.text_size);
    body.text = html::text::join(&body.lines);
    invite(&mut body, found.calendar.and_then(|i| tree.parts.get(i)).and_then(|part| calendar::line(&part.text())));
    body.html = htmls.then_some(html);
    shorten(&mut shadow, limits.text_size);
    body.html_text = (texts && htmls).then(|| html::text::join(&shadow));
    body
}

/// The lines of the HTML with its pictures in them, and those that the page has as a whole.
pub fn pictured(body: &Body, limits: &Limits) -> (Vec<TextLine>, Vec<String>) {
    let mut reading = body.html.as_deref().map(html::text::pictured).unwrap_or_default();
    shorten(&mut reading.lines, limits.text_size);
    (reading.lines, reading.page)
}

/// Adds what a calendar says, if nothing of the kind is there.
pub fn invite(body: &mut Body, line: Option<String>) {
    let Some(line) = line.filter(|_| body.invitation.is_none()) else { return };
    body.text = if body.text.is_empty() { line.clone() } else { format!("{line}\n\n{}", body.text) };
    body.invitation = Some(line);
}

/// The lines of text that stand in `raw` behind its header, without any tree: for a mail that is too much to take apart.
pub fn unread(raw: &[u8], limits: &Limits) -> Body {
    let most = raw.get(..limits.text_size).unwrap_or(raw);
    let mut lines = to_lines(&charset::decode(most, None));
    let cut = shorten(&mut lines, limits.text_size) || raw.len() > most.len();
    Body { text: html::text::join(&lines), lines, cut, ..Body::default() }
}

/// Gives a body without words the ones that were found elsewhere.
pub fn replace(body: &mut Body, text: Option<String>, html: Option<String>, limits: &Limits) {
    let plain = text.filter(|t| !t.trim().is_empty());
    let rich = html.as_deref().map(html::text::read).map(|reading| {
        (body.false_link, body.odd_host) = (reading.false_link, reading.odd_host);
        reading.lines
    });
    body.html_text = rich.as_deref().filter(|_| plain.is_some()).map(html::text::join);
    body.lines = plain.as_deref().map(to_lines).or(rich).unwrap_or_default();
    body.cut |= shorten(&mut body.lines, limits.text_size);
    body.text = html::text::join(&body.lines);
    body.html = html;
}

fn to_lines(text: &str) -> Vec<TextLine> {
    split_lines(text).take(LINES + 1).map(|l| TextLine { text: l.trim_end().to_owned(), ..TextLine::default() }).collect()
}

fn escaped(lines: &[TextLine]) -> String {
    let text = html::text::join(lines).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    format!("<div>{}</div>", text.replace('\n', "<br>"))
}

/// Cuts the lines to a size; whether anything was cut.
fn shorten(lines: &mut Vec<TextLine>, most: usize) -> bool {
    let mut size = 0;
    let keep = lines
        .iter()
        .take(LINES)
        .take_while(|l| {
            size += l.text.len() + 1;
            size <= most
        })
        .count();
    let cut = keep < lines.len();
    if let Some(line) = lines.get(keep).filter(|_| keep == 0) {
        // One endless line is better shown in part than not at all.
        let mut end = line.text.len().min(most);
        while !line.text.is_char_boundary(end) {
            end -= 1;
        }
        let text = line.text.get(..end).unwrap_or_default().to_owned();
        *lines = vec![TextLine { text, ..TextLine::default() }];
    } else {
        lines.truncate(keep);
    }
    cut
}

#[derive(Default)]
struct Found {
    pieces: Vec<Piece>,
    attachments: Vec<usize>,
    /// The first named text that its sender wants to be shown.
    shown: Option<usize>,
    /// The first calendar.
    calendar: Option<usize>,
}

/// Recursion is bounded: the tree is never deeper than `Limits::depth`.
fn walk(tree: &Tree, index: usize, alternative: bool, found: &mut Found) {
    let Some(part) = tree.parts.get(index) else { return };
    if !part.is_multipart() {
        return leaf(part, index, alternative, found);
    }
    match part.kind.value.as_str() {
        "multipart/alternative" => alternatives(tree, part, found),
        "multipart/encrypted" => attach_all(tree, part, found),
        "multipart/related" => {
            for (n, child) in part.children.iter().enumerate() {
                // The first part is the root (RFC 2387 §3.2), what it refers to follows.
                match n {
                    0 => walk(tree, *child, alternative, found),
                    _ => related(tree, *child, found),
                }
            }
        }
        _ => part.children.iter().for_each(|child| walk(tree, *child, alternative, found)),
    }
}

/// A part of multipart/related beside the root: an attachment, unless the root was none.
fn related(tree: &Tree, index: usize, found: &mut Found) {
    let Some(part) = tree.parts.get(index) else { return };
    let text = part.is_multipart() || matches!(part.kind.value.as_str(), "text/plain" | "text/html") && !part.headers.has("content-id");
    if text { walk(tree, index, false, found) } else { found.attachments.push(index) }
}

/// The plainest and the richest of some alternatives are one piece (RFC 2046 §5.1.4).
fn alternatives(tree: &Tree, part: &Part, found: &mut Found) {
    let mut inner = Found::default();
    for child in &part.children {
        walk(tree, *child, true, &mut inner);
    }
    let mut piece = Piece::default();
    for p in inner.pieces {
        piece.text = piece.text.or(p.text);
        // The last one is the best that the sender had.
        piece.html = p.html.or(piece.html);
    }
    if piece.text.is_some() || piece.html.is_some() {
        found.pieces.push(piece);
    }
    found.attachments.extend(inner.attachments);
    found.shown = found.shown.or(inner.shown);
    found.calendar = found.calendar.or(inner.calendar);
}

fn attach_all(tree: &Tree, part: &Part, found: &mut Found) {
    for child in &part.children {
        match tree.parts.get(*child) {
            Some(inner) if inner.is_multipart() => attach_all(tree, inner, found),
            _ => found.attachments.push(*child),
        }
    }
}

fn leaf(part: &Part, index: usize, alternative: bool, found: &mut Found) {
    let kind = part.kind.value.as_str();
    let attached = part.disposition.value == "attachment" && part.parent.is_some();
    let named = part.disposition.get("filename").is_some() && part.parent.is_some();
    let unnamed_or_first = part.name().is_none() || found.pieces.is_empty() && !named;
    let html = kind == "text/html";
    let text = kind == "text/plain"
        || kind.starts_with("multipart/")
        || matches!(kind, "text/enriched" | "text/richtext" | "text/markdown") && !alternative;
    if kind == "text/plain" && named && part.disposition.value == "inline" {
        found.shown.get_or_insert(index);
    }
    if matches!(kind, "text/calendar" | "application/ics") {
        found.calendar.get_or_insert(index);
    }
    match () {
        () if attached || !(html || text) => found.attachments.push(index),
        () if !alternative && (named || !unnamed_or_first) => found.attachments.push(index),
        () if html => found.pieces.push(Piece { html: Some(index), text: None }),
        () => found.pieces.push(Piece { text: Some(index), html: None }),
    }
}

/// The lines of a text part; flowed ones are joined (RFC 3676). Files that stand in it are taken out.
fn plain_lines(part: &Part, files: &mut Vec<(String, Vec<u8>)>) -> Vec<TextLine> {
    let text = match uuencode::of(part) {
        Some((rest, found)) => {
            files.extend(found.into_iter().map(|file| (charset::decode(&file.name, part.kind.get("charset")), file.bytes)));
            charset::decode(&rest, part.kind.get("charset"))
        }
        None => part.text(),
    };
    if part.kind.value == "text/enriched" || part.kind.value == "text/richtext" {
        return html::text::lines(&text.replace("<<", "&lt;"));
    }
    match part.kind.get("format") {
        Some(f) if f.eq_ignore_ascii_case("flowed") => unflow(&text, part.kind.get("delsp").is_some_and(|d| d.eq_ignore_ascii_case("yes"))),
        _ => to_lines(&text),
    }
}

fn unflow(text: &str, delete_space: bool) -> Vec<TextLine> {
    let mut out: Vec<TextLine> = Vec::new();
    let mut open: Option<usize> = None;
    for line in split_lines(text).take(LINES + 1) {
        let depth = line.bytes().take_while(|b| *b == b'>').count();
        let content = line.get(depth..).unwrap_or_default();
        let content = content.strip_prefix(' ').unwrap_or(content);
        let signature = content == "-- ";
        let flows = content.ends_with(' ') && !signature;
        let kept = if flows && delete_space { content.get(..content.len() - 1).unwrap_or_default() } else { content };
        match out.last_mut() {
            Some(last) if open == Some(depth) && !signature => last.text.push_str(kept),
            _ => {
                let marks = if depth > 0 { format!("{} ", ">".repeat(depth)) } else { String::new() };
                out.push(TextLine { text: format!("{marks}{kept}"), ..TextLine::default() });
            }
        }
        open = flows.then_some(depth);
    }
    for line in &mut out {
        line.text.truncate(line.text.trim_end().len());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::understand::mime::tree;

    fn body(raw: &str) -> Body {
        read(&tree(raw.as_bytes(), &Limits::default()), &Limits::default())
    }

    fn multipart(kind: &str, parts: &[&str]) -> String {
        let parts: String = parts.iter().map(|p| format!("--{kind}\n{p}\n")).collect();
        format!("Content-Type: multipart/{kind}; boundary={kind}\n\n{parts}--{kind}--\n")
    }

    #[test]
    fn alternatives_are_one_piece() {
        let b =
            body(&multipart("alternative", &["\nplain", "Content-Type: text/html\n\n<p>rich</p>", "Content-Type: text/calendar\n\nBEGIN"]));
        assert_eq!((b.text.as_str(), b.html.as_deref(), b.html_text.as_deref()), ("plain", Some("<p>rich</p>"), Some("rich")));
        assert_eq!(b.attachments, [3]);
    }

    #[test]
    fn texts_of_a_mixed_mail_are_joined_and_named_ones_are_attached() {
        let b = body(&multipart(
            "mixed",
            &["\none", "Content-Disposition: attachment; filename=a.txt\n\nfile", "Content-Type: text/html\n\n<b>two</b>"],
        ));
        assert_eq!((b.text.as_str(), b.html.as_deref()), ("one\n\ntwo", Some("<div>one</div><b>two</b>")));
        assert_eq!(b.attachments, [2]);
    }

    #[test]
    fn encrypted_mail_is_only_attached() {
        let b = body(&multipart("encrypted", &["Content-Type: application/pgp-encrypted\n\nVersion: 1", "Content-Type: text/plain\n\nx"]));
        assert_eq!((b.text.as_str(), b.attachments.len()), ("", 2));
    }

    #[test]
    fn an_empty_text_gives_way_to_html() {
        assert_eq!(body(&multipart("alternative", &["\n \n", "Content-Type: text/html\n\n<p>rich</p>"])).text, "rich");
    }

    #[test]
    fn a_named_text_is_the_body_where_nothing_else_is() {
        let named = "Content-Type: text/plain; name=a.txt\nContent-Disposition: inline; filename=a.txt\n\nnamed";
        let b = body(&multipart("mixed", &[named, "Content-Type: image/png\n\nx"]));
        assert_eq!((b.text.as_str(), b.attachments.as_slice(), b.files.len()), ("named", [1, 2].as_slice(), 0));
        let b = body(&multipart("mixed", &["\nwords", named]));
        assert_eq!((b.text.as_str(), b.attachments.as_slice()), ("words", [2].as_slice()));
    }

    #[test]
    fn an_invitation_stands_above_the_text() {
        let event = "Content-Type: text/calendar; method=REQUEST\n\nMETHOD:REQUEST\nBEGIN:VEVENT\nSUMMARY:Tea\nEND:VEVENT";
        assert_eq!(body(&multipart("alternative", &["\nplain", event])).text, "[Invitation: Tea]\n\nplain");
        assert_eq!(body(event).text, "[Invitation: Tea]");
    }

    #[test]
    fn uuencoded_files_are_not_text() {
        assert_eq!(body("\nHi\nbegin 644 a.txt\n#0V%T\n`\nend\nbye\n").files, [("a.txt".to_owned(), b"Cat".to_vec())]);
        assert_eq!(body("\nHi\nbegin 644 a.txt\n#0V%T\n`\nend\nbye\n").text.trim_end(), "Hi\nbye");
        assert_eq!(body("\n=ybegin line=128 size=3 name=a\nxyz\n=yend size=3\n").text.lines().count(), 3);
    }

    #[test]
    fn flowed_lines_are_joined() {
        let b = body("Content-Type: text/plain; format=flowed\n\nHello \nyou\n> a \n> b\n -- x\n-- \nAnn\n");
        assert_eq!(b.text, "Hello you\n> a b\n-- x\n--\nAnn");
    }

    #[test]
    fn delsp_joins_words_and_other_depths_do_not() {
        let b = body("Content-Type: text/plain; format=flowed; delsp=yes\n\nHel \nlo  \nyou\n>> a \n> b\n> -- \n> c\n");
        assert_eq!(b.text, "Hello you\n>> a\n> b\n> --\n> c");
    }

    #[test]
    fn an_endless_line_is_cut() {
        let b = body(&format!("\n{}", "x".repeat(3 << 20)));
        assert!(b.cut && b.text.len() == 1 << 20);
    }
}
