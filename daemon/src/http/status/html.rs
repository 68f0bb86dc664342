//! The status page as HTML. Everything that is no fixed text goes through `escape_html`.

use super::tables;
use super::view::{Issue, Level, Line, View};
use super::wording::{When, grouped, span, utc};
use crate::model::text::escape_html;
use crate::model::ticket::Status;

/// What stands between the tags of `style`, octet for octet.
pub(super) const STYLE: &str = include_str!("style.css");

/// The whole document.
pub(super) fn page(view: &View) -> String {
    let m = &view.machine;
    let body = [verdict(view), flows(view), tickets(view), tables::all(view), rest(view)].concat();
    format!(
        r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="refresh" content="30">
<title>{headline} · {desk}</title>
<style>{STYLE}</style>
</head>
<body>
<header><p class="desk">{desk}</p><p class="host">{host}</p><p class="clock">{clock} UTC</p></header>
<main>
{body}</main>
<footer><p>Ombud {version}</p><p>up {up}</p><p>renewed every 30 s</p></footer>
</body>
</html>
"#,
        headline = escape_html(&view.headline()),
        desk = escape_html(&m.desk),
        host = escape_html(&m.hostname),
        clock = utc(m.now, "%-d %b %Y, %H:%M:%S"),
        version = env!("CARGO_PKG_VERSION"),
        up = span(m.now - m.started_at),
    )
}

/// The answer to "is it all right?", before anything else.
fn verdict(view: &View) -> String {
    let now = view.machine.now;
    let below = match view.issues.as_slice() {
        [] => "<p>No mail is stuck, and nothing waits for a person.</p>\n".to_owned(),
        [one] => format!("<p>{}</p>\n{}", told(one.when, now), detail(one)),
        many => format!("<ul>\n{}</ul>\n", many.iter().map(|one| issue(one, now)).collect::<String>()),
    };
    let stale = view.stale.map(|at| format!("<p class=\"stale\">The numbers below are {} old.</p>\n", old(at, now)));
    format!(
        "<section class=\"verdict {}\">\n<h1>{}</h1>\n{below}{}</section>\n",
        view.level().class(),
        escape_html(&view.headline()),
        stale.unwrap_or_default()
    )
}

fn issue(issue: &Issue, now: i64) -> String {
    let pill = pill(issue.level, if issue.level == Level::Bad { "broken" } else { "look" });
    let (text, when, detail) = (escape_html(&issue.text), told(issue.when, now), detail(issue));
    format!("<li>{pill}<div><p><strong>{text}</strong> {when}</p>\n{detail}</div></li>\n")
}

fn detail(issue: &Issue) -> String {
    if issue.detail.is_empty() { String::new() } else { format!("<p class=\"detail\">{}</p>\n", escape_html(&issue.detail)) }
}

fn flows(view: &View) -> String {
    if view.incoming.is_empty() {
        return String::new();
    }
    let (comes, goes) = (panel("Comes in", &view.incoming, view), panel("Goes out", &view.outgoing, view));
    format!("<div class=\"pair\">\n{comes}{goes}</div>\n")
}

fn rest(view: &View) -> String {
    let behind = if view.behind.is_empty() { String::new() } else { panel("The log and its readers", &view.behind, view) };
    format!("<div class=\"pair\">\n{behind}{}</div>\n", panel("This process", &view.process, view))
}

fn panel(title: &str, lines: &[Line], view: &View) -> String {
    let lines: String = lines.iter().map(|l| line(l, view.machine.now)).collect();
    section(title, &format!("<dl>\n{lines}</dl>\n"))
}

/// A part of the page with its heading.
pub(super) fn section(title: &str, body: &str) -> String {
    format!("<section class=\"panel\">\n<h2>{title}</h2>\n{body}</section>\n")
}

fn line(line: &Line, now: i64) -> String {
    let pill = if line.word.is_empty() { String::new() } else { pill(line.level, line.word) };
    let (value, when, class) = (escape_html(&line.value), time(line.when, now), if line.part { " class=\"part\"" } else { "" });
    let state = format!("<dd class=\"state\">{when}{pill}</dd>");
    format!("<div{class}><dt>{}</dt>{state}<dd class=\"number\">{value}</dd></div>\n", escape_html(&line.label))
}

/// How something stands, in a word with its colour.
pub(super) fn pill(level: Level, word: &str) -> String {
    format!("<span class=\"pill {}\">{word}</span>", level.class())
}

/// A time at a glance, with the exact one for whoever points at it.
pub(super) fn time(when: Option<When>, now: i64) -> String {
    when.map_or(String::new(), |when| match when.at() {
        Some(at) => stamped(at, &when.brief(now)),
        None => format!("<span class=\"when\">{}</span>", when.brief(now)),
    })
}

/// The same, so that it can be told on.
fn told(when: Option<When>, now: i64) -> String {
    when.and_then(|when| Some(stamped(when.at()?, &when.words(now)))).unwrap_or_default()
}

fn old(at: i64, now: i64) -> String {
    stamped(at, &span(now - at))
}

fn stamped(at: i64, words: &str) -> String {
    let (exact, title) = (utc(at, "%Y-%m-%dT%H:%M:%SZ"), utc(at, "%-d %b %Y, %H:%M:%S UTC"));
    format!("<time class=\"when\" datetime=\"{exact}\" title=\"{title}\">{words}</time>")
}

fn tickets(view: &View) -> String {
    if view.tickets.is_empty() {
        return String::new();
    }
    let tile = |(status, n): &(Status, i64)| {
        let word = status.word().replace('_', " ");
        format!("<div><dt><i class=\"{status}\"></i>{word}</dt><dd class=\"number\">{}</dd></div>\n", grouped(*n))
    };
    let tiles: String = view.tickets.iter().map(tile).collect();
    section("Tickets", &format!("{}<dl class=\"tiles\">\n{tiles}</dl>\n", bar(&view.tickets)))
}

/// The shares of a whole, side by side.
fn bar(parts: &[(Status, i64)]) -> String {
    let whole: i64 = parts.iter().map(|(_, n)| n).sum();
    let mut left = 0;
    let mut bar = String::new();
    for (status, n) in parts.iter().filter(|(_, n)| *n > 0) {
        // Ends are computed, not widths, so that rounding leaves no gap.
        let (from, to) = (left * 1_000 / whole, (left + n) * 1_000 / whole);
        bar += &format!("<rect class=\"{status}\" x=\"{from}\" width=\"{}\" height=\"8\"/>", (to - from).max(1));
        left += n;
    }
    format!("<svg class=\"bar\" viewBox=\"0 0 1000 8\" preserveAspectRatio=\"none\" aria-hidden=\"true\">{bar}</svg>\n")
}

#[cfg(test)]
mod tests {
    use super::super::view::tests::{machine, numbers};
    use super::*;
    use crate::store::read::{Counts, ImapFolder, MailboxItem, NodeItem, Oldest, Totals};

    #[test]
    fn nothing_escapes_its_place() {
        let evil = "</title><script>alert(1)</script>\"'&";
        let folder = ImapFolder {
            mailbox: evil.into(),
            folder: evil.into(),
            state: "failing".into(),
            since: 0,
            error: "NO ann@x.test has no ticket; /etc/ombud/ca.pem".into(),
            ..ImapFolder::default()
        };
        let node = NodeItem { name: evil.into(), started_at: 0, beat_at: -1_000_000, dead: false };
        let held = vec![(evil.into(), Oldest { count: 1, since: None })];
        let counts = Counts { folders: vec![folder], nodes: vec![node], held, ..Counts::default() };
        let totals = Totals { mailboxes: vec![MailboxItem { address: evil.into(), ..MailboxItem::default() }], ..Totals::default() };
        let mut machine = machine(0);
        (machine.desk, machine.hostname, machine.health.reasons) = (evil.into(), evil.into(), vec![evil.into()]);
        let page = page(&View::new(Some(&numbers(counts, totals)), machine));
        assert!(!page.contains("<script") && !page.contains("\"'&"), "{page}");
        assert!(page.matches("&lt;script&gt;").count() >= 10, "{page}");
        assert!(!page.contains("ann@") && !page.contains("/etc"), "a server's words and our files are nobody's business: {page}");
        assert!(!page.contains(" style="), "the policy lets no style in but the one");
    }

    #[test]
    fn times_are_exact_for_whoever_points_at_them() {
        let said = time(Some(When::Ago(1_795_303_000_000)), 1_795_303_060_000);
        let exact = "<time class=\"when\" datetime=\"2026-11-21T23:16:40Z\" title=\"21 Nov 2026, 23:16:40 UTC\">1 min ago</time>";
        assert_eq!(said, exact);
    }
}
