//! A client that follows the event log.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

use serde_json::Value;

use crate::desk::Desk;
use crate::wait::PATIENCE;

/// A stream of events.
pub struct Follow {
    lines: BufReader<TcpStream>,
    /// Header of the answer.
    pub header: String,
}

impl Desk {
    /// Follows the log; `fields` are header lines of the request.
    pub fn follow(&self, query: &str, fields: &str) -> Follow {
        let mut stream = TcpStream::connect(self.ports().http).expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let head = format!(
            "GET /api/v1/events?{query} HTTP/1.1\r\nHost: desk\r\nAccept: text/event-stream\r\nAuthorization: Bearer {}\r\n{fields}\r\n",
            self.token
        );
        stream.write_all(head.as_bytes()).expect("a request");
        let mut follow = Follow { lines: BufReader::new(stream), header: String::new() };
        while let Some(line) = follow.line().filter(|line| !line.is_empty()) {
            follow.header += &format!("{line}\n");
        }
        follow
    }
}

impl Follow {
    fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let read = self.lines.read_line(&mut line).expect("a line in time");
        (read > 0).then(|| line.trim_end().to_owned())
    }

    /// The next event, whose id and type stand above it; none when the stream has ended.
    #[track_caller]
    pub fn event(&mut self) -> Option<Value> {
        let (mut id, mut kind) = (String::new(), String::new());
        loop {
            // Sizes of chunks and blank lines stand between; nothing else begins like these.
            let line = self.line()?;
            if let Some(text) = line.strip_prefix("id: ") {
                text.clone_into(&mut id);
            } else if let Some(text) = line.strip_prefix("event: ") {
                text.clone_into(&mut kind);
            } else if let Some(data) = line.strip_prefix("data: ") {
                let event: Value = serde_json::from_str(data).expect("JSON");
                assert_eq!((event["seq"].to_string(), event["type"].as_str()), (id, Some(kind.as_str())), "{event}");
                return Some(event);
            }
        }
    }

    /// Events until one of this type, which is the last.
    #[track_caller]
    pub fn until(&mut self, kind: &str) -> Vec<Value> {
        let mut events = Vec::new();
        loop {
            events.push(self.event().unwrap_or_else(|| panic!("the stream ended before {kind}: {events:?}")));
            if events.last().is_some_and(|event| event["type"] == kind) {
                return events;
            }
        }
    }
}
