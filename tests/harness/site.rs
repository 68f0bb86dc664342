//! A web site of one page, which notes whatever else it is asked for, and what the page tells it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};

use crate::listening::Listening;

#[derive(Default)]
struct Heard {
    asked: Vec<String>,
    told: Option<String>,
}

/// A server of one page on loopback, until it is dropped.
pub struct Site {
    /// Where it listens.
    pub address: SocketAddr,
    heard: Arc<Mutex<Heard>>,
    _listening: Listening,
}

impl Site {
    /// Serves this at `/`, with these header fields (each with its CRLF).
    pub fn of(page: String, fields: String) -> Self {
        let heard = Arc::<Mutex<Heard>>::default();
        let inside = Arc::clone(&heard);
        let listening = Listening::on(0, move |stream| request(&inside, stream, &page, &fields));
        Self { address: listening.address, heard, _listening: listening }
    }

    /// What it was asked for besides its page and its icon: host and path, or the beginning of what is no request.
    pub fn asked(&self) -> Vec<String> {
        self.heard.lock().unwrap().asked.clone()
    }

    /// What the page has posted to `/told`.
    pub fn told(&self) -> Option<String> {
        self.heard.lock().unwrap().told.clone()
    }
}

fn request(heard: &Mutex<Heard>, stream: TcpStream, page: &str, fields: &str) -> Option<()> {
    let own = stream.local_addr().ok()?.to_string();
    let mut out = stream.try_clone().ok()?;
    let mut lines = BufReader::new(stream);
    let mut first = Vec::new();
    lines.read_until(b'\n', &mut first).ok().filter(|read| *read > 0)?;
    let first = String::from_utf8_lossy(&first).into_owned();
    let Some(path) = first.trim_end().strip_suffix(" HTTP/1.1").and_then(|rest| rest.split(' ').nth(1)) else {
        heard.lock().unwrap().asked.push(first.chars().take(40).collect());
        return None;
    };
    let (mut host, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        lines.read_line(&mut line).ok()?;
        match line.trim_end().split_once(": ") {
            Some((name, value)) if name.eq_ignore_ascii_case("host") => value.clone_into(&mut host),
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => length = value.parse().ok()?,
            Some(_) => {}
            None => break,
        }
    }
    let mut posted = vec![0; length];
    lines.read_exact(&mut posted).ok()?;
    let (status, body) = match path {
        "/told" if host == own => {
            heard.lock().unwrap().told = Some(String::from_utf8_lossy(&posted).into_owned());
            ("200 OK", "")
        }
        "/" if host == own => ("200 OK", page),
        "/favicon.ico" if host == own => ("404 Not Found", ""),
        _ => {
            heard.lock().unwrap().asked.push(format!("{host}{path}"));
            ("404 Not Found", "")
        }
    };
    let head = format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-type: text/html; charset=utf-8\r\n{fields}");
    out.write_all(format!("{head}content-length: {}\r\n\r\n{body}", body.len()).as_bytes()).ok()
}
