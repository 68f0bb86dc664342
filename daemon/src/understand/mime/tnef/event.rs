//! Meetings as Outlook packs them (MS-OXOCAL): what an invitation says in a calendar part elsewhere.

use jiff::Timestamp;

use crate::model::text::one_line;
use crate::understand::calendar::{Event, VALUE};

/// PSETID_Appointment, as it stands before a named property.
const APPOINTMENT: [u8; 16] = [0x02, 0x20, 0x06, 0, 0, 0, 0, 0, 0xc0, 0, 0, 0, 0, 0, 0, 0x46];
/// Set in the number of a named property, so that it is no other one's.
const NAMED: u32 = 0x1_0000;
/// Seconds from 1601, where Windows begins to count, to 1970.
const BEFORE_1970: i64 = 11_644_473_600;

/// What was found so far.
#[derive(Debug, Default)]
pub(super) struct Meeting {
    class: String,
    event: Event,
    /// The sender's name and address.
    from: (String, String),
}

/// The number under which a named property is known here; an unnamed one is known by its own.
pub(super) fn named(set: &[u8], number: u32) -> Option<u32> {
    (set == APPOINTMENT && number < NAMED).then_some(NAMED | number)
}

impl Meeting {
    /// The kind of message, `IPM.Schedule.Meeting.Request`.
    pub(super) fn class(&mut self, class: &str) {
        class.trim().to_ascii_lowercase().clone_into(&mut self.class);
    }

    /// Its title.
    pub(super) fn subject(&mut self, subject: &str) {
        self.event.summary = one_line(subject, VALUE);
    }

    /// Whether a property of this number is looked at as text.
    pub(super) fn wants_text(number: u32) -> bool {
        matches!(number, 0x1a | 0x37 | 0x42 | 0x0c1a | 0x0c1f | 0x5d01 | 0x5d02 | 0x1_8208)
    }

    /// One property that is text.
    pub(super) fn text(&mut self, number: u32, text: &str) {
        let shown = || one_line(text, VALUE);
        match number {
            0x1a => self.class(text),
            0x37 => self.subject(text),
            // Whoever the sender acts for comes before the sender.
            0x42 => self.from.0 = shown(),
            0x0c1a if self.from.0.is_empty() => self.from.0 = shown(),
            0x5d02 => self.from.1 = shown(),
            0x5d01 | 0x0c1f if self.from.1.is_empty() && text.contains('@') => self.from.1 = shown(),
            0x1_8208 => self.event.place = shown(),
            _ => {}
        }
    }

    /// One property of a fixed size.
    pub(super) fn number(&mut self, number: u32, value: &[u8]) {
        match number {
            0x60 if self.event.start.is_empty() => self.event.start = moment(value),
            0x61 if self.event.end.is_empty() => self.event.end = moment(value),
            0x1_820d => self.event.start = moment(value),
            0x1_820e => self.event.end = moment(value),
            0x1_8223 => self.event.rule = value.first().is_some_and(|octet| *octet != 0),
            _ => {}
        }
    }

    /// The event, if the message is one.
    pub(super) fn event(self) -> Option<Event> {
        let is = |words: &[&str]| words.iter().any(|word| self.class.starts_with(word));
        let method = match () {
            () if is(&["ipm.schedule.meeting.request", "ipm.microsoft schedule.mtgreq"]) => "REQUEST",
            () if is(&["ipm.schedule.meeting.canceled", "ipm.microsoft schedule.mtgcncl"]) => "CANCEL",
            () if is(&["ipm.schedule.meeting.resp", "ipm.microsoft schedule.mtgresp"]) => "REPLY",
            () if is(&["ipm.appointment"]) => "PUBLISH",
            () => return None,
        };
        let organizer = match self.from {
            (name, address) if name.is_empty() || name == address => address,
            (name, address) if address.is_empty() => name,
            (name, address) => format!("{name} <{address}>"),
        };
        Some(Event { method: method.to_owned(), organizer, ..self.event })
    }
}

/// A FILETIME, 100 ns each, as people write it; empty for what is none.
fn moment(value: &[u8]) -> String {
    let ticks = value.try_into().map_or(0, i64::from_le_bytes);
    let at = Timestamp::from_second(ticks / 10_000_000 - BEFORE_1970).ok().filter(|_| ticks > 0);
    at.map_or_else(String::new, |at| at.strftime("%Y-%m-%d %H:%M UTC").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticks(at: &str) -> [u8; 8] {
        ((at.parse::<Timestamp>().map_or(0, Timestamp::as_second) + BEFORE_1970) * 10_000_000).to_le_bytes()
    }

    #[test]
    fn a_meeting_is_one_line() {
        let mut meeting = Meeting::default();
        for (number, text) in [
            (0x1a, "IPM.Schedule.Meeting.Request"),
            (0x37, "Talk\r\nand tea"),
            (0x42, "Ann"),
            (0x0c1a, "Secretary"),
            (0x0c1f, "/O=X/CN=ANN"),
            (0x5d01, "ann@x.test"),
            (0x1_8208, "Room 1"),
        ] {
            meeting.text(number, text);
        }
        meeting.number(0x1_820d, &ticks("2026-11-21T09:00:00Z"));
        meeting.number(0x60, &ticks("2020-01-01T00:00:00Z"));
        meeting.number(0x61, &ticks("2026-11-21T10:30:00Z"));
        meeting.number(0x1_8223, &[1, 0]);
        assert_eq!(
            meeting.event().map(|event| event.line()).as_deref(),
            Some(
                "[Invitation: Talk and tea; when: 2026-11-21 09:00 UTC to 2026-11-21 10:30 UTC; where: Room 1; from: Ann <ann@x.test>; repeats]"
            )
        );
    }

    #[test]
    fn only_a_meeting_is_one() {
        for (class, begins) in [
            ("IPM.Note", None),
            ("", None),
            ("IPM.Schedule.Meeting.Canceled", Some("[Cancelled: ")),
            ("IPM.Schedule.Meeting.Resp.Pos", Some("[Answer to an invitation: ")),
            ("IPM.Appointment", Some("[Event: ")),
        ] {
            let mut meeting = Meeting::default();
            meeting.class(class);
            assert_eq!(meeting.event().map(|event| event.line().starts_with(begins.unwrap_or("x"))), begins.map(|_| true), "{class}");
        }
        assert_eq!((moment(&[]), moment(&[0xff; 8]), moment(&i64::MAX.to_le_bytes())), (String::new(), String::new(), String::new()));
    }
}
