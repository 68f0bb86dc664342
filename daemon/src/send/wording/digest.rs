//! Of all that was new in an agent's quiet hours, or was too much for an hour. The marker stands in all that an agent may answer.

use crate::model::text::escape_html;
use crate::send::actions::mailto;
use crate::understand::{MARKER, OUR_ATTRIBUTE};

/// One ticket.
pub(in crate::send) struct Line {
    pub(in crate::send) number: i64,
    pub(in crate::send) subject: String,
    /// Who wrote last, how much is new, where it stands.
    pub(in crate::send) facts: String,
}

/// All of it.
pub(in crate::send) struct Night<'a> {
    /// Notifications that this mail stands for.
    pub(in crate::send) count: usize,
    /// They were too many for an hour.
    pub(in crate::send) hasty: bool,
    /// Tickets that they were about.
    pub(in crate::send) tickets: usize,
    /// Since when.
    pub(in crate::send) since: &'a str,
    /// Whose clock the times are of.
    pub(in crate::send) zone: &'a str,
    /// The newest first.
    pub(in crate::send) lines: &'a [Line],
    /// The agent's desk address.
    pub(in crate::send) desk: &'a str,
}

impl Night<'_> {
    fn head(&self) -> String {
        let when = if self.hasty { "were more than are sent one by one within an hour" } else { "came in your quiet hours" };
        format!("This mail stands for {} notifications that {when}. Newest first; times are of {}.", self.count, self.zone)
    }

    fn more(&self) -> Option<String> {
        let more = self.tickets.saturating_sub(self.lines.len());
        (more > 0).then(|| format!("and {more} more"))
    }
}

/// Who wrote last, and when. What somebody calls themselves begins no line: it may look like a command.
pub(in crate::send) fn last(name: &str, at: &str) -> String {
    format!("last: {name}, {at}")
}

/// `17 news on 9 tickets since 18:00`.
pub(in crate::send) fn subject(night: &Night<'_>) -> String {
    let tickets = if night.tickets == 1 { "1 ticket".to_owned() } else { format!("{} tickets", night.tickets) };
    format!("{} news on {tickets} since {}", night.count, night.since)
}

/// As text.
pub(in crate::send) fn text(night: &Night<'_>) -> String {
    let lines: String = night.lines.iter().map(|line| format!("#{} {}\n    {}\n\n", line.number, line.subject, line.facts)).collect();
    let more = night.more().map_or_else(String::new, |more| format!("{more}\n\n"));
    let number = night.lines.first().map_or(12, |line| line.number);
    format!(
        "{}\n\n{lines}{more}To read one and to answer it, answer this mail with the line \"@ticket {number}\" and below it \"@history\", or whatever\n\
         else you want to do with it: \"@assign me\", \"@solve\", \"@note …\".\n\n{MARKER}\n",
        night.head()
    )
}

/// The same in HTML, with a link for each ticket that asks for all that was said on it.
pub(in crate::send) fn html(night: &Night<'_>) -> String {
    let line = |line: &Line| {
        let open = mailto(night.desk, &format!("@ticket {}\r\n@history", line.number));
        format!("<p><a href=\"{open}\">#{}</a> {}<br>\n{}</p>\n", line.number, escape_html(&line.subject), escape_html(&line.facts))
    };
    let lines: String = night.lines.iter().map(line).collect();
    let more = night.more().map_or_else(String::new, |more| format!("<p>{more}</p>\n"));
    format!(
        "<div {OUR_ATTRIBUTE}=\"notification\">\n<p>{}</p>\n{lines}{more}<p>A link writes a mail; send it, and all that was said on the ticket comes \
         by mail.</p>\n<p>{MARKER}</p>\n</div>\n",
        escape_html(&night.head())
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_strangers_wrote_is_text_and_what_does_not_fit_is_counted() {
        let lines = [Line { number: 7, subject: "<b>Hi</b>".into(), facts: format!("{}; open", last("@note <i>Ann</i>", "06:41")) }];
        let night = Night {
            count: 17,
            hasty: false,
            tickets: 9,
            since: "18:00",
            zone: "Europe/Berlin",
            lines: &lines,
            desk: "support+abc@desk.test",
        };
        assert_eq!(subject(&night), "17 news on 9 tickets since 18:00");
        assert!(text(&night).starts_with("This mail stands for 17 notifications that came in your quiet hours."));
        let hasty = text(&Night { hasty: true, ..night });
        assert!(hasty.starts_with("This mail stands for 17 notifications that were more than are sent one by one within an hour."));
        assert_eq!(subject(&Night { tickets: 1, ..night }), "17 news on 1 ticket since 18:00");
        let (text, html) = (text(&night), html(&night));
        assert!(text.contains("#7 <b>Hi</b>\n    last: @note <i>Ann</i>, 06:41; open\n") && text.contains("\nand 8 more\n"), "{text}");
        assert!(text.contains(MARKER) && html.contains(MARKER));
        assert!(!html.contains("<b>") && !html.contains("<i>") && html.contains("<p>and 8 more</p>"), "{html}");
        assert!(html.contains("href=\"mailto:support%2Babc@desk.test?body=%40ticket%207%0D%0A%40history\""), "{html}");
        // A client that keeps line ends and marks no quote must not make commands of it.
        assert!(!text.lines().any(|line| line.trim_start().starts_with('@')), "{text}");
    }
}
