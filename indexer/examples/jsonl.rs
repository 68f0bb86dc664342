//! The index without the daemon: documents are lines of JSON in a file, appended lines are changes.
//!
//! `jsonl follow FILE FOLDER` keeps the index in FOLDER up to date until Ctrl-C, `jsonl search FILE FOLDER QUERY` asks it
//! from another process. A line is `{"ticket":12,"title":"…","body":["…"],"from":["…"],"status":"open","updated_at":0}`, or
//! has `"article":"slug"` instead; `{"ticket":12,"gone":true}` takes it away. The last line of a key counts.
#![expect(clippy::print_stdout, reason = "a program for a terminal")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

use ombud_indexer::{Batch, Doc, Feed, Head, Index, Key, Page, Query, Searcher, snippet};
use serde_json::Value;
use tokio::sync::Notify;

/// A feed over a file. The number of lines is the place in the log.
struct Lines(PathBuf);

impl Lines {
    /// All lines with their keys. A real feed would ask a database for the few it needs.
    fn read(&self) -> io::Result<Vec<(Key, Value)>> {
        let text = fs::read_to_string(&self.0)?;
        // The last line may be half-written; it has no end yet.
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        whole.lines().map(|line| key(line).ok_or_else(|| io::Error::other(format!("not a document: {line}")))).collect()
    }

    /// The last line of each key.
    fn latest(&self) -> io::Result<BTreeMap<Key, Value>> {
        Ok(self.read()?.into_iter().collect::<BTreeMap<_, _>>().into_iter().filter(|(_, line)| line["gone"] != true).collect())
    }
}

impl Feed for Lines {
    type Error = io::Error;

    async fn head(&self) -> io::Result<Head> {
        Ok(Head { log_id: self.0.display().to_string(), epoch: 0, seq: self.read()?.len() as u64 })
    }

    async fn changes(&self, after: u64, limit: usize) -> io::Result<Batch> {
        let keys: Vec<Key> =
            self.read()?.into_iter().skip(usize::try_from(after).unwrap_or(usize::MAX)).take(limit).map(|(key, _)| key).collect();
        Ok(Batch { upto: after + keys.len() as u64, keys })
    }

    async fn docs(&self, keys: &[Key]) -> io::Result<Vec<Doc>> {
        let latest = self.latest()?;
        Ok(keys.iter().filter_map(|key| Some(doc(key.clone(), latest.get(key)?))).collect())
    }

    async fn keys(&self, after: Option<&Key>, limit: usize) -> io::Result<Vec<Key>> {
        Ok(self.latest()?.into_keys().filter(|key| after.is_none_or(|after| key > after)).take(limit).collect())
    }
}

fn key(line: &str) -> Option<(Key, Value)> {
    let line: Value = serde_json::from_str(line).ok()?;
    let key = match (line["ticket"].as_u64(), line["article"].as_str()) {
        (Some(number), None) => Key::Ticket(number),
        (None, Some(slug)) => Key::Article(slug.to_owned()),
        _ => return None,
    };
    Some((key, line))
}

fn doc(key: Key, line: &Value) -> Doc {
    let text = |name: &str| line[name].as_str().map(str::to_owned);
    let list = |name: &str| line[name].as_array().into_iter().flatten().filter_map(|value| value.as_str().map(str::to_owned)).collect();
    let time = |name: &str| line[name].as_i64().unwrap_or(0);
    Doc {
        title: text("title").unwrap_or_default(),
        body: list("body"),
        from: list("from"),
        to: list("to"),
        status: text("status"),
        priority: text("priority"),
        assignee: text("assignee"),
        team: text("team"),
        tags: list("tags"),
        created_at: time("created_at"),
        updated_at: time("updated_at"),
        ..Doc::new(key)
    }
}

async fn follow(feed: Lines, folder: &Path) {
    let index = Index::new(folder);
    let mut state = index.state();
    let told = async {
        while state.changed().await.is_ok() {
            println!("{:?}", *state.borrow_and_update());
        }
    };
    index.follow(&feed, &Notify::new(), told).await;
}

fn search(feed: &Lines, folder: &Path, query: &str) -> Result<(), Box<dyn std::error::Error>> {
    let (searcher, _) = Searcher::open_read_only(folder)?;
    let (query, latest) = (Query::parse(query)?, feed.latest()?);
    let hits = searcher.search(&query, &Page::default())?;
    println!("{} found for {query}", hits.total);
    // A hit is a hint: what is gone since is left out.
    for (hit, line) in hits.items.iter().filter_map(|hit| Some((hit, latest.get(&hit.key)?))) {
        let doc = doc(hit.key.clone(), line);
        let texts: Vec<&str> = doc.body.iter().map(String::as_str).collect();
        println!("{:6.2} {:?} {}\n       {}", hit.score, hit.key, doc.title, snippet(&query, &texts, 120).text);
    }
    Ok(())
}

#[tokio::main]
async fn main() {
    let args: Vec<String> = env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["follow", file, folder] => follow(Lines(file.into()), Path::new(folder)).await,
        ["search", file, folder, ref query @ ..] if !query.is_empty() => {
            search(&Lines(file.into()), Path::new(folder), &query.join(" ")).unwrap_or_else(|error| println!("{error}"))
        }
        _ => println!("jsonl follow FILE FOLDER\njsonl search FILE FOLDER QUERY"),
    }
}
