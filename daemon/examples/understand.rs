//! How fast mail is understood on one core, beside a bare MIME parser: `understand FOLDER`, a file a mail. Prints one line
//! of JSON; `tests/bench/understand.py` shows it beside what Python takes.

use std::hint::black_box;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};
use std::{env, fs, io};

use mail_parser::MessageParser;
use ombud::understand::{Limits, understand};

/// Rounds over all mails; the quickest counts.
const ROUNDS: usize = 5;

fn main() -> io::Result<()> {
    let folder = env::args().nth(1).ok_or_else(|| io::Error::other("which folder?"))?;
    let mut mails = Vec::new();
    for entry in fs::read_dir(Path::new(&folder))? {
        mails.push(fs::read(entry?.path())?);
    }
    let limits = Limits::default();
    let whole = quickest(&mails, |mail| {
        black_box(understand(mail, &limits));
    });
    let bare = quickest(&mails, |mail| {
        black_box(MessageParser::default().parse(mail));
    });
    let octets: usize = mails.iter().map(Vec::len).sum();
    let line =
        format!(r#"{{"mails":{},"octets":{octets},"seconds":{},"bare_seconds":{}}}"#, mails.len(), whole.as_secs_f64(), bare.as_secs_f64());
    writeln!(io::stdout(), "{line}")
}

fn quickest(mails: &[Vec<u8>], work: impl Fn(&[u8])) -> Duration {
    let round = |_| {
        let start = Instant::now();
        mails.iter().for_each(|mail| work(mail));
        start.elapsed()
    };
    (0..ROUNDS).map(round).min().unwrap_or_default()
}
