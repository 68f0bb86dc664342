//! Figures of the index over generated mail: `cargo run --release -p ombud-indexer --example bench [MAILS]`.
//! Words follow Zipf's law over 50,000 words. Memory and processor time are read from /proc (Linux).
#![expect(clippy::print_stdout, reason = "figures are what it is for")]

use std::convert::Infallible;
use std::error::Error;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use std::{env, fs};

use ombud_indexer::{Batch, Doc, Feed, Head, Index, Key, Page, Query, Searcher};
use tokio::sync::Notify;

const WORDS: u64 = 50_000;
const WORDS_OF_A_MAIL: u64 = 120;
const MAILS_OF_A_TICKET: u64 = 5;
const ROUNDS: usize = 2000;

/// A small generator of numbers, so that each run is the same.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    /// The rank of a word, of which rank r comes up with a chance of about 1/r.
    fn rank(&mut self) -> u64 {
        let unit = (self.next() >> 11) as f64 / (1_u64 << 53) as f64;
        ((WORDS as f64).powf(unit) as u64).saturating_sub(1)
    }
}

fn word(rank: u64) -> String {
    const SYLLABLES: [&str; 16] = ["ba", "co", "di", "fe", "gu", "ha", "jo", "ki", "le", "mu", "na", "po", "ri", "se", "tu", "va"];
    let (mut rest, mut word) = (rank + 1, String::new());
    while rest > 0 {
        word.push_str(SYLLABLES[(rest % 16) as usize]);
        rest /= 16;
    }
    word
}

/// Generates its documents when they are asked for; nothing is kept.
struct Generated {
    tickets: u64,
    seq: AtomicU64,
}

impl Generated {
    fn ticket(&self, number: u64) -> Doc {
        let mut random = Random(number);
        let mut text = |words: u64| (0..words).map(|_| word(random.rank())).collect::<Vec<_>>().join(" ");
        let title = text(6);
        let mails = 1 + number % MAILS_OF_A_TICKET.min(4);
        let body = (0..mails).map(|_| text(WORDS_OF_A_MAIL)).collect();
        let at = 1_700_000_000_000 + i64::try_from(number).unwrap_or(0) * 600_000;
        Doc {
            title,
            body,
            from: vec![format!("Customer {0} <customer{0}@example{1}.com>", random.below(5000), random.below(300))],
            to: vec!["support@desk.example".into()],
            status: Some(["open", "pending", "solved", "closed"][(number % 4) as usize].into()),
            tags: vec![format!("tag{}", random.below(50))],
            created_at: at,
            updated_at: at + 3_600_000,
            ..Doc::new(Key::Ticket(number))
        }
    }
}

impl Feed for Generated {
    type Error = Infallible;

    async fn head(&self) -> Result<Head, Infallible> {
        Ok(Head { log_id: "bench".into(), epoch: 0, seq: self.seq.load(Ordering::Relaxed) })
    }

    async fn changes(&self, after: u64, limit: usize) -> Result<Batch, Infallible> {
        let upto = self.seq.load(Ordering::Relaxed).min(after + limit as u64);
        Ok(Batch { upto, keys: (after..upto).map(|seq| Key::Ticket(seq * 7919 % self.tickets)).collect() })
    }

    async fn docs(&self, keys: &[Key]) -> Result<Vec<Doc>, Infallible> {
        Ok(keys.iter().filter_map(|key| if let Key::Ticket(number) = key { Some(self.ticket(*number)) } else { None }).collect())
    }

    async fn keys(&self, after: Option<&Key>, limit: usize) -> Result<Vec<Key>, Infallible> {
        let from = if let Some(Key::Ticket(last)) = after { last + 1 } else { 0 };
        Ok((from..self.tickets.min(from + limit as u64)).map(Key::Ticket).collect())
    }
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), Box<dyn Error>> {
    let mails: u64 = env::args().nth(1).map_or(Ok(50_000), |arg| arg.parse())?;
    // Tickets have one to four mails, two and a half on average.
    let feed = Generated { tickets: mails * 2 / 5, seq: AtomicU64::new(0) };
    let dir = tempfile::tempdir()?;
    let (index, nudge) = (Index::new(dir.path()), Notify::new());
    println!("{mails} mails of {WORDS_OF_A_MAIL} words in {} tickets; at the start {} MiB of own memory", feed.tickets, memory("RssAnon"));
    index.follow(&feed, &nudge, measure(&index, &feed, &nudge, dir.path(), mails)).await;
    Ok(())
}

async fn measure(index: &Index, feed: &Generated, nudge: &Notify, dir: &Path, mails: u64) {
    let mut state = index.state();
    let (begun, cpu) = (Instant::now(), processor());
    let generating = generation(feed);
    let cpu = cpu + generating;
    state.wait_for(|state| state.docs == feed.tickets).await.ok();
    let used = (processor().saturating_sub(cpu)).as_secs_f64();
    println!(
        "rebuild: {:.1} s, {used:.1} CPU-s without generating, {:.3} CPU-s per 1,000 mails",
        begun.elapsed().as_secs_f64(),
        used * 1000.0 / mails as f64
    );
    println!(
        "size: {:.1} MiB; own memory: {} MiB now, {} MiB with mapped files at most",
        size(dir) as f64 / 1048576.0,
        memory("RssAnon"),
        memory("VmHWM")
    );
    queries(&index.searcher());

    let (mut lags, cpu) = (Vec::new(), processor());
    for _ in 0..200 {
        let (begun, seq) = (Instant::now(), feed.seq.fetch_add(1, Ordering::Relaxed) + 1);
        nudge.notify_one();
        state.wait_for(|state| state.seq >= seq).await.ok();
        lags.push(begun.elapsed());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    report("from event to found, one at a time", &mut lags, "");
    println!("  {:.1} CPU-ms each; own memory {} MiB", (processor().saturating_sub(cpu)).as_secs_f64() * 5.0, memory("RssAnon"));

    let (begun, cpu, seq) = (Instant::now(), processor(), feed.seq.fetch_add(5000, Ordering::Relaxed) + 5000);
    nudge.notify_one();
    state.wait_for(|state| state.seq >= seq).await.ok();
    println!(
        "5,000 tickets replaced: {:.1} s, {:.1} CPU-s with generating; own memory {} MiB",
        begun.elapsed().as_secs_f64(),
        (processor().saturating_sub(cpu)).as_secs_f64(),
        memory("RssAnon")
    );
    queries(&index.searcher());
}

/// What it takes to generate everything once.
fn generation(feed: &Generated) -> Duration {
    let cpu = processor();
    let octets: usize = (0..feed.tickets).map(|number| feed.ticket(number).body.iter().map(String::len).sum::<usize>()).sum();
    println!("text: {:.1} MiB", octets as f64 / 1048576.0);
    processor().saturating_sub(cpu)
}

fn queries(searcher: &Searcher) {
    let (common, second, rare) = (word(0), word(1), word(40_000));
    let prefix = &word(3000)[..3];
    let any = (0..32).map(word).collect::<Vec<_>>().join(" OR ");
    for (name, query) in [
        ("rare word", rare.clone()),
        ("common word", common.clone()),
        ("AND of common words", format!("{common} {second}")),
        ("common AND rare", format!("{common} {rare}")),
        ("phrase of common words", format!("\"{common} {second}\"")),
        ("prefix", format!("{prefix}*")),
        ("phrase with prefix", format!("{common}-{prefix}*")),
        ("32 common words, OR", any),
        ("negation alone", format!("-{common}")),
        ("fields", "is:open is:unassigned after:2023-12-01".to_owned()),
        ("address", "from:customer42@example42.com".to_owned()),
        ("tag and word", format!("tag:tag7 {second}")),
    ] {
        let Ok(query) = Query::parse(&query) else { continue };
        let mut spans = Vec::with_capacity(ROUNDS);
        let mut total = 0;
        for _ in 0..ROUNDS {
            let begun = Instant::now();
            total = searcher.search(&query, &Page::default()).map_or(0, |hits| hits.total);
            spans.push(begun.elapsed());
        }
        report(name, &mut spans, &format!("{total} found"));
    }
}

fn report(name: &str, spans: &mut [Duration], more: &str) {
    spans.sort_unstable();
    let at = |part: usize| spans[(spans.len() - 1) * part / 100].as_secs_f64() * 1000.0;
    println!("{name:36} p50 {:7.3} ms  p99 {:7.3} ms  {more}", at(50), at(99));
}

/// Processor time of this process; ticks are 10 ms.
fn processor() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks: u64 = after_name.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}

/// A line of `/proc/self/status`, in MiB.
fn memory(line: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let value = status.lines().find_map(|l| l.strip_prefix(line)?.strip_prefix(':'));
    value.and_then(|value| value.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) / 1024
}

fn size(dir: &Path) -> u64 {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries.map(|entry| if entry.path().is_dir() { size(&entry.path()) } else { entry.metadata().map_or(0, |meta| meta.len()) }).sum()
}
