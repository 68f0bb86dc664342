//! Articles: written, removed, and each change told to the log in the same commit, so that whoever follows it hears of
//! every one.

use std::collections::HashSet;

use crate::model::article::{Article, Publication, Slug, Visibility};
use crate::model::changes::{Changes, NewEvent};

use super::cmd::Outcome;
use super::conn::{Conn, Sql};
use super::insert::{self, Made};
use super::value::{Row, Value};
use super::{Store, StoreError};

/// Articles to write in one commit.
#[derive(Clone, Debug)]
pub struct WriteArticles {
    /// The articles as they shall be, each slug once.
    pub articles: Vec<Article>,
    /// What must be so.
    pub expected: Expected,
    /// `person:7`, `api`, `cli`.
    pub actor: String,
    /// In ms.
    pub now: i64,
}

/// What must be so before an article is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Nothing.
    Anything,
    /// There is none of this slug.
    Absent,
    /// It stands as it was read.
    At(Revision),
}

/// One state of one article.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Revision {
    /// Row id.
    pub id: i64,
    /// Counts every write.
    pub version: i64,
}

/// What writing an article has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// It is new.
    Created,
    /// It was another one before.
    Updated,
    /// It stood there word for word: nothing was written and the log says nothing.
    Unchanged,
}

/// An article to remove.
#[derive(Clone, Debug)]
pub struct RemoveArticle {
    /// Which.
    pub slug: Slug,
    /// Only if it stands as it was read.
    pub expected: Option<Revision>,
    /// `person:7`, `api`, `cli`.
    pub actor: String,
    /// In ms.
    pub now: i64,
}

/// An article as it stands.
#[derive(Clone, Debug)]
pub struct StoredArticle {
    /// Which state of it this is.
    pub revision: Revision,
    /// The article.
    pub article: Article,
    /// In ms.
    pub created_at: i64,
    /// In ms.
    pub updated_at: i64,
}

/// The columns that [`article`] reads.
pub(super) const COLUMNS: &str = "id, version, slug, title, body, language, visibility, status, created_at, updated_at";

pub(super) fn article(row: &Row) -> Result<StoredArticle, StoreError> {
    let (slug, title, body, language) = (row.text(2)?, row.text(3)?, row.text(4)?, row.text(5)?);
    let sound = Article::new(Some(&slug), &title).and_then(|a| a.saying(&body)).and_then(|a| a.speaking(&language));
    let mut article = sound.map_err(|fault| StoreError::Corrupt(format!("an article that is none: {fault}")))?;
    article.visibility = row.word(6, Visibility::of)?;
    article.status = row.word(7, Publication::of)?;
    Ok(StoredArticle {
        revision: Revision { id: row.int(0)?, version: row.int(1)? },
        article,
        created_at: row.int(8)?,
        updated_at: row.int(9)?,
    })
}

async fn find(conn: &mut Conn<'_>, slug: &Slug) -> Result<Option<StoredArticle>, StoreError> {
    let sql = Sql::Made(format!("SELECT {COLUMNS} FROM article WHERE slug = $1"));
    conn.opt(sql, vec![slug.as_str().into()]).await?.as_ref().map(article).transpose()
}

/// Writes articles. One that stands there word for word is left alone.
pub(super) async fn write(conn: &mut Conn<'_>, cmd: &WriteArticles) -> Result<Outcome, StoreError> {
    let mut seen = HashSet::new();
    let mut before = Vec::with_capacity(cmd.articles.len());
    for article in &cmd.articles {
        let slug = article.slug();
        if !seen.insert(slug) {
            return Err(StoreError::Refused(format!("the article {slug} stands there twice")));
        }
        let found = find(conn, slug).await?;
        match (cmd.expected, &found) {
            (Expected::Absent, Some(_)) => return Err(StoreError::Refused(format!("there is an article {slug} already"))),
            (Expected::At(_), None) => return Err(gone(slug)),
            (Expected::At(revision), Some(found)) if found.revision != revision => return Err(StoreError::Conflict("the article")),
            _ => before.push(found),
        }
    }
    let (mut written, mut events) = (Vec::with_capacity(before.len()), Vec::new());
    for (article, before) in cmd.articles.iter().zip(before) {
        let (id, done) = match &before {
            Some(before) if before.article == *article => {
                written.push(Written::Unchanged);
                continue;
            }
            Some(before) => (update(conn, before.revision, article, cmd.now).await?, Written::Updated),
            None => (insert(conn, article, cmd.now).await?, Written::Created),
        };
        written.push(done);
        let was = before.map_or(Publication::Draft, |b| b.article.status);
        let published = was == Publication::Draft && article.status == Publication::Published;
        events.push(event(if published { "article.published" } else { "article.updated" }, &cmd.actor, id, article.slug()));
    }
    log(conn, events, cmd.now).await?;
    Ok(Outcome::Articles(written))
}

async fn insert(conn: &mut Conn<'_>, article: &Article, now: i64) -> Result<i64, StoreError> {
    // Where several write at once another may have made it since it was looked for.
    let sql = "INSERT INTO article(slug, version, title, body, size, language, visibility, status, created_at, updated_at)
        VALUES ($1, 1, $2, $3, $4, $5, $6, $7, $8, $8) ON CONFLICT(slug) DO NOTHING RETURNING id";
    let args = std::iter::once(article.slug().as_str().into()).chain(columns(article)).chain([now.into()]).collect();
    conn.opt(sql, args).await?.ok_or(StoreError::Conflict("the article"))?.int(0)
}

async fn update(conn: &mut Conn<'_>, before: Revision, article: &Article, now: i64) -> Result<i64, StoreError> {
    let sql = "UPDATE article SET version = version + 1, title = $2, body = $3, size = $4, language = $5, visibility = $6, status = $7,
        updated_at = $8 WHERE id = $1 AND version = $9";
    let args = std::iter::once(before.id.into()).chain(columns(article)).chain([now.into(), before.version.into()]).collect();
    match conn.exec(sql, args).await? {
        0 => Err(StoreError::Conflict("the article")),
        _ => Ok(before.id),
    }
}

fn columns(article: &Article) -> [Value; 6] {
    let size = i64::try_from(article.body().len()).unwrap_or(i64::MAX);
    [
        article.title().into(),
        article.body().into(),
        size.into(),
        article.language().into(),
        article.visibility.word().into(),
        article.status.word().into(),
    ]
}

/// Removes an article.
pub(super) async fn remove(conn: &mut Conn<'_>, cmd: &RemoveArticle) -> Result<Outcome, StoreError> {
    let found = find(conn, &cmd.slug).await?.ok_or_else(|| gone(&cmd.slug))?.revision;
    if cmd.expected.is_some_and(|revision| revision != found) {
        return Err(StoreError::Conflict("the article"));
    }
    let sql = "DELETE FROM article WHERE id = $1 AND version = $2";
    if conn.exec(sql, vec![found.id.into(), found.version.into()]).await? == 0 {
        return Err(StoreError::Conflict("the article"));
    }
    log(conn, vec![event("article.removed", &cmd.actor, found.id, &cmd.slug)], cmd.now).await?;
    Ok(Outcome::Done)
}

fn gone(slug: &Slug) -> StoreError {
    StoreError::NotFound(format!("there is no article {slug}"))
}

fn event(kind: &'static str, actor: &str, id: i64, slug: &Slug) -> NewEvent {
    let data = serde_json::Map::from_iter([("article".into(), slug.as_str().into()), ("id".into(), id.into())]);
    NewEvent { kind, actor: actor.to_owned(), ticket: None, message: None, data }
}

async fn log(conn: &mut Conn<'_>, events: Vec<NewEvent>, at: i64) -> Result<(), StoreError> {
    insert::events(conn, &Changes { at, events, ..Changes::default() }, &Made::default()).await
}

impl Store {
    /// One article.
    pub async fn article(&self, slug: &Slug) -> Result<Option<StoredArticle>, StoreError> {
        let mut read = self.read().await?;
        find(&mut read.conn(), slug).await
    }
}
