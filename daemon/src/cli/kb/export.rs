//! `ombud kb export`: a file for each article.
//!
//! A folder that an export has filled holds a list of what it wrote there. So the next one may write into it, takes away
//! the files of articles that are gone, and touches nothing else.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;

use serde::Serialize;

use super::super::failure::{Failure, TEMPORARY};
use super::super::out::{Answer, Done};
use super::matter;
use crate::app::Opened;
use crate::model::article::Slug;
use crate::store::read::ArticleFilter;

/// The list of what an export has written: a slug on each line.
const LIST: &str = ".ombud-kb";
/// Articles that are read at once.
const PAGE: usize = 200;

/// What was done.
#[derive(Debug, Default, Serialize)]
struct Report {
    folder: String,
    written: usize,
    unchanged: usize,
    removed: usize,
}

/// Exports all articles.
pub(super) async fn run(opened: &Opened, folder: &Path, force: bool, json: bool) -> Done {
    let failed = |error: io::Error| Failure::new(TEMPORARY, format!("{} cannot be written: {error}", folder.display()));
    fs::create_dir_all(folder).map_err(failed)?;
    let before = listed(folder).map_err(failed)?;
    if before.is_none() && !force && fs::read_dir(folder).map_err(failed)?.next().is_some() {
        return Err(Failure::data(format!(
            "{} holds files that no export has written: name an empty folder, or write over files of the same names with --force",
            folder.display()
        )));
    }
    // From here on the folder counts as ours, also when we do not come to the end.
    let (mut before, mut now) = (before.unwrap_or_default(), BTreeSet::new());
    list(folder, &before).map_err(failed)?;
    let mut report = Report { folder: folder.display().to_string(), ..Report::default() };
    let mut filter = ArticleFilter { limit: PAGE, ..ArticleFilter::default() };
    loop {
        let page = opened.store.articles(&filter).await?;
        for stored in &page.items {
            let slug = stored.article.slug();
            match put(folder, &file(slug), &matter::write(&stored.article)).map_err(failed)? {
                true => report.written += 1,
                false => report.unchanged += 1,
            }
            before.remove(slug);
            now.insert(slug.clone());
        }
        filter.cursor = page.next.as_deref().and_then(Slug::of);
        if filter.cursor.is_none() {
            break;
        }
    }
    for slug in &before {
        match fs::remove_file(folder.join(file(slug))) {
            Ok(()) => report.removed += 1,
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
        }
    }
    list(folder, &now).map_err(failed)?;
    Answer::of(json, &report, || {
        let Report { folder, written, unchanged, removed } = &report;
        format!("{folder}: {written} written, {unchanged} unchanged, {removed} removed")
    })
}

fn file(slug: &Slug) -> String {
    format!("{slug}.md")
}

/// What an earlier export has written here; none when there was no export. Only what is a slug counts.
fn listed(folder: &Path) -> io::Result<Option<BTreeSet<Slug>>> {
    match fs::read_to_string(folder.join(LIST)) {
        Ok(text) => Ok(Some(text.lines().filter_map(Slug::of).collect())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn list(folder: &Path, slugs: &BTreeSet<Slug>) -> io::Result<()> {
    let text: String = slugs.iter().map(|slug| format!("{slug}\n")).collect();
    put(folder, LIST, &text).map(drop)
}

/// Writes a file whole or not at all; says whether it said something else before.
fn put(folder: &Path, name: &str, text: &str) -> io::Result<bool> {
    let path = folder.join(name);
    if fs::read(&path).is_ok_and(|old| old == text.as_bytes()) {
        return Ok(false);
    }
    let new = folder.join(format!(".{name}.new"));
    fs::write(&new, text)?;
    fs::rename(&new, &path)?;
    Ok(true)
}
