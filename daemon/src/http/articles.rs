//! `/api/v1/articles`: the knowledge base. An `ETag` names the state that was read; a change with `If-Match` is made
//! only if it still stands so.

use axum::RequestPartsExt as _;
use axum::extract::{FromRequestParts, Path, State as Shared};
use axum::http::header::{ETAG, HeaderMap, IF_MATCH, LOCATION};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::App;
use super::auth::Caller;
use super::body::Body;
use super::page::{self, Params};
use super::problem::{Answer, Problem};
use super::views::ArticleView;
use crate::model::article::{Article, Fault, Publication, Slug, Visibility, language_tag};
use crate::store::read::ArticleFilter;
use crate::store::{Cmd, Expected, RemoveArticle, Revision, StoreError, StoredArticle, WriteArticles};

/// How often a change without `If-Match` is made anew when another one comes between.
const TRIES: usize = 4;

/// What a client sends; it may be what it was given, so the times are taken and mean nothing.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ArticleJson {
    slug: Option<String>,
    title: Option<String>,
    body: Option<String>,
    language: Option<String>,
    visibility: Option<Visibility>,
    status: Option<Publication>,
    #[serde(rename = "created_at", default)]
    _created_at: IgnoredAny,
    #[serde(rename = "updated_at", default)]
    _updated_at: IgnoredAny,
}

impl ArticleJson {
    /// The article with what stands here; what does not stays as it is.
    fn applied(&self, to: Article) -> Result<Article, Fault> {
        let mut article = to;
        if let Some(title) = &self.title {
            article = article.titled(title)?;
        }
        if let Some(body) = &self.body {
            article = article.saying(body)?;
        }
        if let Some(language) = &self.language {
            article = article.speaking(language)?;
        }
        article.visibility = self.visibility.unwrap_or(article.visibility);
        article.status = self.status.unwrap_or(article.status);
        Ok(article)
    }
}

/// The slug in a path.
pub(super) struct Name(Slug);

impl FromRequestParts<App> for Name {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Answer<Self> {
        let text = parts.extract::<Path<String>>().await.ok();
        text.and_then(|Path(text)| Slug::of(&text)).map(Self).ok_or_else(missing)
    }
}

impl From<Fault> for Problem {
    fn from(fault: Fault) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, format!("This can't be an article: {fault}."))
    }
}

/// Articles by slug.
pub(super) async fn list(Shared(app): Shared<App>, uri: Uri) -> Answer {
    let params = Params::of(&uri, &["status", "language", "visibility", "limit", "cursor"])?;
    let language = params.text("language").map(|text| language_tag(text).ok_or_else(|| Problem::bad("`language` is a tag like `en`.")));
    let cursor = params.text("cursor").map(|text| Slug::of(text).ok_or_else(|| Problem::bad("`cursor` is not a `next` of this list.")));
    let filter = ArticleFilter {
        status: params.word("status", Publication::ALL, Publication::word)?,
        language: language.transpose()?,
        visibility: params.word("visibility", Visibility::ALL, Visibility::word)?,
        cursor: cursor.transpose()?,
        limit: params.limit()?,
    };
    Ok(page::list(&app.state.store.articles(&filter).await?, ArticleView::from))
}

/// One article.
pub(super) async fn one(Shared(app): Shared<App>, Name(slug): Name, uri: Uri) -> Answer {
    Params::of(&uri, &[])?;
    Ok(shown(&find(&app, &slug).await?))
}

/// A new article: without more it is an internal draft in English.
pub(super) async fn create(Shared(app): Shared<App>, Extension(caller): Extension<Caller>, uri: Uri, body: Body) -> Answer {
    Params::of(&uri, &[])?;
    let json: ArticleJson = body.json()?;
    let title = json.title.as_deref().ok_or(Fault::NoTitle)?;
    let article = json.applied(Article::new(json.slug.as_deref().filter(|slug| !slug.is_empty()), title)?)?;
    let slug = article.slug().clone();
    write(&app, &caller, article, Expected::Absent).await?;
    let location = HeaderValue::from_str(&format!("/api/v1/articles/{slug}"));
    let location = location.map_err(|_| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "The article has no address."))?;
    Ok((StatusCode::CREATED, [(LOCATION, location)], shown(&find(&app, &slug).await?)).into_response())
}

/// Changes an article; fields that are not there stay as they are.
pub(super) async fn put(
    Shared(app): Shared<App>,
    Extension(caller): Extension<Caller>,
    Name(slug): Name,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    Params::of(&uri, &[])?;
    let json: ArticleJson = body.json()?;
    if json.slug.as_deref().is_some_and(|other| other != slug.as_str()) {
        let detail = "An article keeps its slug: make a new one and remove this one.";
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail));
    }
    let mut tries = TRIES;
    loop {
        let found = find(&app, &slug).await?;
        let guarded = matches(&headers, found.revision)?;
        tries -= 1;
        match write(&app, &caller, json.applied(found.article)?, Expected::At(found.revision)).await {
            Ok(()) => return Ok(shown(&find(&app, &slug).await?)),
            Err(StoreError::Conflict(_)) if guarded => return Err(stale()),
            Err(StoreError::Conflict(_)) if tries > 0 => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Removes an article.
pub(super) async fn remove(
    Shared(app): Shared<App>,
    Extension(caller): Extension<Caller>,
    Name(slug): Name,
    uri: Uri,
    headers: HeaderMap,
) -> Answer {
    Params::of(&uri, &[])?;
    let found = find(&app, &slug).await?;
    let expected = matches(&headers, found.revision)?.then_some(found.revision);
    let cmd = RemoveArticle { slug, expected, actor: actor(&caller), now: app.now() };
    match app.state.store.run(Cmd::RemoveArticle(Box::new(cmd))).await {
        Ok(_) => Ok(StatusCode::NO_CONTENT.into_response()),
        Err(StoreError::Conflict(_)) if expected.is_some() => Err(stale()),
        Err(error) => Err(error.into()),
    }
}

async fn write(app: &App, caller: &Caller, article: Article, expected: Expected) -> Result<(), StoreError> {
    let cmd = WriteArticles { articles: vec![article], expected, actor: actor(caller), now: app.now() };
    app.state.store.run(Cmd::WriteArticles(Box::new(cmd))).await.map(drop)
}

fn actor(caller: &Caller) -> String {
    caller.agent.map_or_else(|| "api".into(), |person| format!("person:{person}"))
}

async fn find(app: &App, slug: &Slug) -> Answer<StoredArticle> {
    app.state.store.article(slug).await?.ok_or_else(missing)
}

fn missing() -> Problem {
    Problem::missing("There is no such article.")
}

fn shown(found: &StoredArticle) -> Response {
    let tag = HeaderValue::from_str(&tag(found.revision)).unwrap_or(HeaderValue::from_static("\"\""));
    ([(ETAG, tag)], Json(ArticleView::from(found))).into_response()
}

fn tag(revision: Revision) -> String {
    format!("\"{}-{}\"", revision.id, revision.version)
}

/// Whether the change is guarded by `If-Match` (RFC 9110 §13.1.1); a weak tag never matches.
///
/// # Errors
/// 412 when no tag of it is this state's.
fn matches(headers: &HeaderMap, revision: Revision) -> Answer<bool> {
    let given: Vec<_> = headers.get_all(IF_MATCH).iter().collect();
    if given.is_empty() {
        return Ok(false);
    }
    let ours = tag(revision);
    let mut tags = given.iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')).map(str::trim);
    // A star asks only that there be one.
    match tags.clone().any(|tag| tag == "*") {
        true => Ok(false),
        false if tags.any(|tag| tag == ours) => Ok(true),
        false => Err(stale()),
    }
}

fn stale() -> Problem {
    Problem::new(StatusCode::PRECONDITION_FAILED, "The article was changed meanwhile: read it again.")
}
