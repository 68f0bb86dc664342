//! Calendar parts as one line for people (RFC 5545, RFC 5546): who invites to what, when and where.

use jiff::civil::{Date, DateTime};

use crate::model::text::one_line;

/// Most lines that are looked at.
const LINES: usize = 2_000;
/// Longest value in characters.
pub const VALUE: usize = 300;

/// What the first event of a calendar says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// What is done with it (RFC 5546 §1.4), upper case.
    pub method: String,
    /// Its title.
    pub summary: String,
    /// Who invites.
    pub organizer: String,
    /// When it begins, as people write it; empty when it does not say.
    pub start: String,
    /// When it ends.
    pub end: String,
    /// Where it is.
    pub place: String,
    /// Whether it repeats.
    pub rule: bool,
}

/// The line; `None` when there is no event.
pub fn line(text: &str) -> Option<String> {
    read(text).map(|event| event.line())
}

impl Event {
    /// All of it in one line.
    pub fn line(&self) -> String {
        let what = match self.method.as_str() {
            "CANCEL" => "Cancelled",
            "REPLY" => "Answer to an invitation",
            "COUNTER" => "Another time proposed",
            "PUBLISH" => "Event",
            _ => "Invitation",
        };
        let mut out = format!("[{what}: {}", if self.summary.is_empty() { "no title" } else { &self.summary });
        let when = [self.start.as_str(), self.end.as_str()].into_iter().filter(|t| !t.is_empty()).collect::<Vec<_>>().join(" to ");
        for (before, value) in [("; when: ", when.as_str()), ("; where: ", self.place.as_str()), ("; from: ", self.organizer.as_str())] {
            if !value.is_empty() {
                out.push_str(before);
                out.push_str(value);
            }
        }
        if self.rule {
            out.push_str("; repeats");
        }
        out.push(']');
        out
    }
}

fn read(text: &str) -> Option<Event> {
    let mut event = Event::default();
    let (mut inside, mut found) = (0usize, false);
    for line in unfolded(text) {
        let Some((head, value)) = cut(&line) else { continue };
        let name = head.split(';').next().unwrap_or_default().to_ascii_uppercase();
        match (name.as_str(), value.trim().to_ascii_uppercase().as_str()) {
            ("METHOD", method) => event.method = method.to_owned(),
            ("BEGIN", "VEVENT") if !found => (inside, found) = (1, true),
            // An alarm inside has a text of its own.
            ("BEGIN", _) if inside > 0 => inside += 1,
            ("END", "VEVENT") if inside > 0 => break,
            ("END", _) if inside > 1 => inside -= 1,
            _ if inside == 1 => event.take(&name, head, value),
            _ => {}
        }
    }
    found.then_some(event)
}

impl Event {
    fn take(&mut self, name: &str, head: &str, value: &str) {
        let plain = || one_line(&value.replace("\\n", " ").replace("\\N", " ").replace('\\', ""), VALUE);
        match name {
            "SUMMARY" => self.summary = plain(),
            "LOCATION" => self.place = plain(),
            "DTSTART" => self.start = moment(head, value),
            "DTEND" => self.end = moment(head, value),
            "ORGANIZER" => {
                let address = value.trim();
                let address =
                    if address.get(..7).is_some_and(|s| s.eq_ignore_ascii_case("mailto:")) { address.get(7..) } else { Some(address) };
                let address = one_line(address.unwrap_or_default(), VALUE);
                self.organizer = match parameter(head, "CN").map(|n| one_line(&n, VALUE)).filter(|n| !n.is_empty() && *n != address) {
                    Some(name) => format!("{name} <{address}>"),
                    None => address,
                };
            }
            "RRULE" => self.rule = true,
            _ => {}
        }
    }
}

/// The lines with what was folded joined (RFC 5545 §3.1).
fn unfolded(text: &str) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for line in text.lines().take(LINES) {
        match (line.strip_prefix([' ', '\t']), out.last_mut()) {
            (Some(more), Some(last)) => last.push_str(more),
            _ => out.push(line.to_owned()),
        }
    }
    out
}

/// Name with parameters, and value: the first colon outside quotes is between them.
fn cut(line: &str) -> Option<(&str, &str)> {
    let mut quoted = false;
    let at = line.find(|c: char| {
        quoted ^= c == '"';
        c == ':' && !quoted
    })?;
    Some((line.get(..at)?, line.get(at + 1..)?))
}

fn parameter(head: &str, name: &str) -> Option<String> {
    let mut quoted = false;
    let parts = head.split(|c: char| {
        quoted ^= c == '"';
        c == ';' && !quoted
    });
    let found = parts.skip(1).filter_map(|p| p.split_once('=')).find(|(n, _)| n.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value.trim_matches('"').to_owned())
}

/// A date, or a time with its zone, as people write it.
fn moment(head: &str, value: &str) -> String {
    let value = value.trim();
    let digits = value.trim_end_matches(['Z', 'z']);
    if digits.len() == 8 {
        return Date::strptime("%Y%m%d", digits).map(|d| d.to_string()).unwrap_or_default();
    }
    let Ok(at) = DateTime::strptime("%Y%m%dT%H%M%S", digits) else { return String::new() };
    let zone = if digits.len() < value.len() { Some("UTC".to_owned()) } else { parameter(head, "TZID").map(|z| one_line(&z, 64)) };
    let shown = at.strftime("%Y-%m-%d %H:%M").to_string();
    zone.map_or(shown.clone(), |zone| format!("{shown} {zone}"))
}

#[cfg(test)]
mod tests {
    use super::line;

    #[test]
    fn an_invitation_is_one_line() {
        let text = "BEGIN:VCALENDAR\nMETHOD:REQUEST\nBEGIN:VTIMEZONE\nTZID:Europe/Berlin\nDTSTART:19700101T000000\nEND:VTIMEZONE\nBEGIN:VEVENT\nSUMMARY:Talk\\, and\n  tea\nORGANIZER;CN=\"Ann: A.\":mailto:ann@x.test\nDTSTART;TZID=Europe/Berlin:20261121T100000\nDTEND:20261121T110000Z\nLOCATION:Room 1\nBEGIN:VALARM\nSUMMARY:alarm\nEND:VALARM\nEND:VEVENT\nEND:VCALENDAR\n";
        assert_eq!(
            line(text).as_deref(),
            Some(
                "[Invitation: Talk, and tea; when: 2026-11-21 10:00 Europe/Berlin to 2026-11-21 11:00 UTC; where: Room 1; from: Ann: A. <ann@x.test>]"
            )
        );
    }

    #[test]
    fn other_calendars_are_told_apart() {
        let with = |method: &str| format!("METHOD:{method}\nBEGIN:VEVENT\nDTSTART;VALUE=DATE:20261121\nRRULE:FREQ=DAILY\nEND:VEVENT");
        assert_eq!(line(&with("CANCEL")).as_deref(), Some("[Cancelled: no title; when: 2026-11-21; repeats]"));
        assert_eq!(line(&with("REPLY")).as_deref(), Some("[Answer to an invitation: no title; when: 2026-11-21; repeats]"));
        assert_eq!((line("BEGIN:VTODO\nEND:VTODO"), line("")), (None, None));
        assert_eq!(line("BEGIN:VEVENT\nDTSTART:99\nORGANIZER:\u{202e}x\u{7}").as_deref(), Some("[Invitation: no title; from: x]"));
    }
}
