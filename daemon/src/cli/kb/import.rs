//! `ombud kb import`: a folder of Markdown files becomes articles.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;
use tokio::time::{Instant, sleep};

use super::super::failure::{DATA, Failure};
use super::super::out::{Answer, Done};
use super::super::table::Table;
use super::matter;
use crate::app::Opened;
use crate::model::article::{Article, BODY, Slug};
use crate::model::text::one_line;
use crate::store::{Cmd, Expected, Outcome, WriteArticles, Written};

/// Articles of one commit, which has at most 100 rows: each article, its event, and the count of events.
const AT_ONCE: usize = 49;
/// Octets of one commit.
const OCTETS: usize = 4 << 20;
/// The daemon writes, too: after a commit we rest as long as it took, and at least so long.
const REST: Duration = Duration::from_millis(30);
/// Largest file: a body and its front matter, in octets.
const FILE: usize = BODY + (64 << 10);
/// Folders within folders.
const DEPTH: usize = 32;

/// What became of one file.
#[derive(Debug, Serialize)]
struct Row {
    file: String,
    slug: Option<String>,
    result: &'static str,
    error: Option<String>,
}

/// What became of all.
#[derive(Debug, Default, Serialize)]
struct Report {
    items: Vec<Row>,
    created: usize,
    updated: usize,
    unchanged: usize,
    failed: usize,
}

impl Report {
    fn failed(&mut self, file: String, slug: Option<&Slug>, error: impl ToString) {
        self.failed += 1;
        self.items.push(Row { file, slug: slug.map(Slug::to_string), result: "failed", error: Some(error.to_string()) });
    }

    fn written(&mut self, file: String, slug: String, written: Written) {
        let (count, result) = match written {
            Written::Created => (&mut self.created, "created"),
            Written::Updated => (&mut self.updated, "updated"),
            Written::Unchanged => (&mut self.unchanged, "unchanged"),
        };
        *count += 1;
        self.items.push(Row { file, slug: Some(slug), result, error: None });
    }
}

/// Imports a folder; a bad file does not stop the others.
pub(super) async fn run(opened: &Opened, folder: &Path, json: bool) -> Done {
    let mut report = Report::default();
    let files = files(folder, &mut report)?;
    if files.is_empty() && report.failed == 0 {
        return Err(Failure::missing(format!("{} holds no file that ends with .md", folder.display())));
    }
    let mut dropped: BTreeMap<String, (usize, String)> = BTreeMap::new();
    let mut seen: HashMap<Slug, String> = HashMap::new();
    let mut batch = Batch::default();
    for path in files {
        let name = path.strip_prefix(folder).unwrap_or(&path).display().to_string();
        let article = match article(&path) {
            Ok((article, keys)) => {
                for key in keys {
                    dropped.entry(key).or_insert_with(|| (0, name.clone())).0 += 1;
                }
                article
            }
            Err(error) => {
                report.failed(name, None, error);
                continue;
            }
        };
        if let Some(other) = seen.get(article.slug()) {
            report.failed(name, Some(article.slug()), format!("{other} has the same slug {}", article.slug()));
            continue;
        }
        seen.insert(article.slug().clone(), name.clone());
        if batch.is_full(&article) {
            let worked = batch.write(opened, &mut report).await?;
            sleep(worked.max(REST)).await;
        }
        batch.add(name, article);
    }
    batch.write(opened, &mut report).await?;
    report.items.sort_by(|a, b| a.file.cmp(&b.file));
    let notes = dropped.iter().map(|(key, (count, first))| {
        let others = if *count > 1 { format!(" and {} more", count - 1) } else { String::new() };
        format!("`{key}` is not kept ({}{others})", one_line(first, 200))
    });
    Ok(notes.fold(told(&report, json)?, Answer::noting))
}

fn told(report: &Report, json: bool) -> Done {
    let answer = Answer::of(json, report, || {
        let mut table = Table::headed(["RESULT", "SLUG", "FILE"]);
        for row in &report.items {
            table.row([row.result, row.slug.as_deref().unwrap_or_default(), &row.file]);
        }
        let Report { created, updated, unchanged, failed, .. } = report;
        format!("{}{created} created, {updated} updated, {unchanged} unchanged, {failed} failed\n", table.text())
    })?;
    if report.failed == 0 {
        return Ok(answer);
    }
    let why = |row: &Row| row.error.as_ref().map(|error| one_line(&format!("{}: {error}", row.file), 600));
    let mut lines: Vec<String> = report.items.iter().filter_map(why).collect();
    lines.push(format!("{} of {} files could not be imported; mend them and import again", report.failed, report.items.len()));
    Ok(Answer { failure: Some(Failure { code: DATA, lines }), ..answer })
}

/// Articles that wait for a commit.
#[derive(Default)]
struct Batch {
    files: Vec<String>,
    articles: Vec<Article>,
    octets: usize,
}

impl Batch {
    fn is_full(&self, next: &Article) -> bool {
        self.articles.len() >= AT_ONCE || (self.octets + next.body().len() > OCTETS && !self.articles.is_empty())
    }

    fn add(&mut self, file: String, article: Article) {
        self.octets += article.body().len();
        self.files.push(file);
        self.articles.push(article);
    }

    /// Commits what waits; says how long it took.
    async fn write(&mut self, opened: &Opened, report: &mut Report) -> Result<Duration, Failure> {
        let start = Instant::now();
        let Self { files, articles, .. } = std::mem::take(self);
        let slugs: Vec<String> = articles.iter().map(|a| a.slug().to_string()).collect();
        let cmd = WriteArticles { articles, expected: Expected::Anything, actor: "cli".into(), now: opened.clock.now() };
        let Outcome::Articles(written) = opened.store.run(Cmd::WriteArticles(Box::new(cmd))).await? else {
            return Err(Failure::bug("nothing is known of what became of the articles"));
        };
        for ((file, slug), written) in files.into_iter().zip(slugs).zip(written) {
            report.written(file, slug, written);
        }
        Ok(start.elapsed())
    }
}

/// Reads one file; with the keys of its front matter that no article keeps.
fn article(path: &Path) -> Result<(Article, Vec<String>), String> {
    let unreadable = |error: std::io::Error| format!("it cannot be read: {error}");
    if !fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err("it is no file".into());
    }
    let mut bytes = Vec::new();
    let limit = u64::try_from(FILE).unwrap_or(u64::MAX).saturating_add(1);
    File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes)).map_err(unreadable)?;
    if bytes.len() > FILE {
        return Err("it is larger than 576 KiB".into());
    }
    let text =
        String::from_utf8(bytes).map_err(|error| format!("it is not UTF-8 from octet {} on", error.utf8_error().valid_up_to() + 1))?;
    let stem = path.file_stem().and_then(OsStr::to_str).unwrap_or_default();
    let read = matter::read(&text).and_then(|matter| Ok((matter.article(stem)?, matter.dropped)));
    read.map_err(|wrong| wrong.to_string())
}

/// Every Markdown file of a folder and those below it, in order; hidden ones and links to folders are passed by.
fn files(folder: &Path, report: &mut Report) -> Result<Vec<PathBuf>, Failure> {
    let unreadable = |error| Failure::missing(format!("{} cannot be read: {error}", folder.display()));
    let mut files = Vec::new();
    let mut folders = Vec::from([(fs::read_dir(folder).map_err(unreadable)?, 1)]);
    while let Some((entries, depth)) = folders.pop() {
        for entry in entries {
            let entry = entry.map_err(unreadable)?;
            let (path, hidden) = (entry.path(), entry.file_name().as_encoded_bytes().starts_with(b"."));
            let name = || path.strip_prefix(folder).unwrap_or(&path).display().to_string();
            if hidden {
                continue;
            }
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                match fs::read_dir(&path) {
                    Ok(entries) if depth < DEPTH => folders.push((entries, depth + 1)),
                    Ok(_) => report.failed(name(), None, "this folder lies too deep"),
                    Err(error) => report.failed(name(), None, format!("this folder cannot be read: {error}")),
                }
            } else if path.extension().is_some_and(|end| end.eq_ignore_ascii_case("md")) {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}
