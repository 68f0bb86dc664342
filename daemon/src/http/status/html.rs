//! The status page as HTML. Everything that is no fixed text goes through `escape_html`.

use super::view::{Issue, Level, Line, View, grouped, span};
use crate::model::text::escape_html;
use crate::model::ticket::Status;

const STYLE: &str = include_str!("style.css");

/// The whole document.
pub(super) fn page(view: &View) -> String {
    let m = &view.machine;
    let headline = view.headline();
    let body = [verdict(view), flows(view), tickets(view), mailboxes(view)].concat();
    let time = jiff::Timestamp::from_millisecond(m.now).unwrap_or_default();
    format!(
        r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="refresh" content="10">
<title>{headline} · {desk}</title>
<style>
{STYLE}</style>
</head>
<body>
<header><p class="desk">{desk}</p><p class="host">{host}</p><p class="time">{clock} UTC</p></header>
<main>
{body}</main>
<footer><p>Ombud {version}</p><p>up {up}</p><p>{free}</p><p>renewed every 10 s</p></footer>
</body>
</html>
"#,
        headline = escape_html(&headline),
        desk = escape_html(&m.desk),
        host = escape_html(&m.hostname),
        clock = time.strftime("%-d %b %Y, %H:%M:%S"),
        version = env!("CARGO_PKG_VERSION"),
        up = span(m.now - m.started_at),
        free = m.free.map_or("disk unknown".to_owned(), |octets| format!("{} free", size(octets))),
    )
}

/// The answer to "is it all right?", before anything else.
fn verdict(view: &View) -> String {
    let issues: String = view.issues.iter().map(issue).collect();
    let below = match view.issues.is_empty() {
        true => "<p>No mail is stuck, and nothing waits for a person.</p>\n".to_owned(),
        false => format!("<ul>\n{issues}</ul>\n"),
    };
    format!("<section class=\"verdict {}\">\n<h1>{}</h1>\n{below}</section>\n", view.level().class(), escape_html(&view.headline()))
}

fn issue(issue: &Issue) -> String {
    format!(
        "<li>{} <span>{}</span> {}</li>\n",
        pill(issue.level, if issue.level == Level::Bad { "broken" } else { "look" }),
        escape_html(&issue.text),
        since(&issue.since)
    )
}

fn flows(view: &View) -> String {
    if view.incoming.is_empty() {
        return String::new();
    }
    let panel = |title: &str, lines: &[Line]| {
        let lines: String = lines.iter().map(line).collect();
        format!("<section class=\"panel\">\n<h2>{title}</h2>\n<dl>\n{lines}</dl>\n</section>\n")
    };
    format!("<div class=\"pair\">\n{}{}</div>\n", panel("Comes in", &view.incoming), panel("Goes out", &view.outgoing))
}

fn line(line: &Line) -> String {
    let pill = if line.word.is_empty() { String::new() } else { pill(line.level, line.word) };
    let (value, since) = (escape_html(&line.value), since(&line.since));
    format!("<div><dt>{}</dt><dd class=\"state\">{since}{pill}</dd><dd class=\"number\">{value}</dd></div>\n", line.label)
}

fn pill(level: Level, word: &str) -> String {
    format!("<span class=\"pill {}\">{word}</span>", level.class())
}

fn since(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("<span class=\"since\">{}</span>", escape_html(text)) }
}

fn tickets(view: &View) -> String {
    if view.tickets.is_empty() {
        return String::new();
    }
    let bar: String =
        view.tickets.iter().filter(|(_, n)| *n > 0).map(|(s, n)| format!("<i class=\"{s}\" style=\"flex-grow:{n}\"></i>")).collect();
    let tile = |(status, n): &(Status, i64)| {
        let word = status.word().replace('_', " ");
        format!("<div><dt><i class=\"{status}\"></i>{word}</dt><dd class=\"number\">{}</dd></div>\n", grouped(*n))
    };
    let tiles: String = view.tickets.iter().map(tile).collect();
    format!("<section class=\"panel\">\n<h2>Tickets</h2>\n<div class=\"bar\">{bar}</div>\n<dl class=\"tiles\">\n{tiles}</dl>\n</section>\n")
}

fn mailboxes(view: &View) -> String {
    if view.mailboxes.is_empty() {
        return String::new();
    }
    let row = |(address, n, ago): &(String, i64, String)| {
        format!(
            "<tr><td>{}</td><td class=\"since\">{}</td><td class=\"number\">{}</td></tr>\n",
            escape_html(address),
            escape_html(ago),
            grouped(*n)
        )
    };
    let rows: String = view.mailboxes.iter().map(row).collect();
    let head = "<tr><th scope=\"col\">Address</th><th scope=\"col\">Last mail</th><th scope=\"col\">Mails</th></tr>";
    format!(
        "<section class=\"panel\">\n<h2>Mailboxes</h2>\n<table>\n<thead>{head}</thead>\n<tbody>\n{rows}</tbody>\n</table>\n</section>\n"
    )
}

fn size(octets: u64) -> String {
    match octets >> 20 {
        mib if mib < 10 * 1024 => format!("{mib} MiB"),
        mib => format!("{} GiB", mib / 1024),
    }
}

#[cfg(test)]
mod tests {
    use super::super::view::Machine;
    use super::*;
    use crate::store::read::Counts;

    #[test]
    fn nothing_escapes_its_place() {
        let evil = "</title><script>alert(1)</script>\"'&";
        let counts = Counts { mailboxes: vec![(evil.into(), 1, None)], ..Counts::default() };
        let machine =
            Machine { desk: evil.into(), hostname: evil.into(), now: 0, started_at: 0, free: Some(5 << 30), reasons: vec![evil.into()] };
        let page = page(&View::new(Some(&counts), machine));
        assert!(!page.contains("<script") && !page.contains("\"'&"), "{page}");
        assert_eq!(page.matches("&lt;script&gt;").count(), 5);
        assert!(page.contains("5120 MiB free"));
    }
}
