//! `GET /api/v1/search?q=`: tickets and articles by what they say, the best first.

use std::sync::Arc;

use axum::extract::State as Shared;
use axum::http::{StatusCode, Uri};
use axum::response::IntoResponse as _;
use axum::{Extension, Json};
use ombud_indexer::{MAX_HITS, Page, Query, QueryError, Scope, SearchError};

use super::App;
use super::auth::Caller;
use super::page::Params;
use super::problem::{Answer, Problem};
use super::views::SearchView;
use crate::feed::search::{AskError, ask};

/// What `type` takes, and what it means.
const TYPES: [(&str, Scope); 2] = [("ticket", Scope::Tickets), ("article", Scope::Articles)];

/// What was found. Whoever may read sees what agents see, drafts and notes included.
pub(super) async fn list(Shared(app): Shared<App>, Extension(caller): Extension<Caller>, uri: Uri) -> Answer {
    // A query says itself where it is too long.
    let params = Params::of_any_length(&uri, &["q", "type", "limit", "cursor"])?.short(&["q"])?;
    let kind = params.word("type", &TYPES, |(word, _)| word)?;
    let offset = params.cursor(1)?.map_or(Some(0), |cursor| cursor.parse().ok().filter(|offset| *offset < MAX_HITS));
    let offset = offset.ok_or_else(|| Problem::bad("`cursor` is not a `next` of this list."))?;
    let page = Page { limit: params.limit()?, offset, scope: kind.map_or(Scope::All, |(_, scope)| scope), ..Page::default() };
    let query = of(&app, &caller, Query::parse(params.text("q").unwrap_or_default())?).await?;

    let turn = Arc::clone(&app.state.guards.searches).acquire_owned().await;
    let (searcher, store) = (app.state.index.searcher(), app.state.store.clone());
    // A client that goes away ends no search, so its turn is kept until the end.
    let asked = tokio::spawn(async move {
        let _turn = turn;
        ask(&searcher, &store, &query, page).await
    });
    match asked.await.unwrap_or(Err(AskError::Panicked)) {
        Ok(answer) => Ok(Json(SearchView::from(&answer)).into_response()),
        Err(error) => Err(refused(&app, error)),
    }
}

/// The query with `me` as the agent who speaks through the token.
async fn of(app: &App, caller: &Caller, query: Query) -> Answer<Query> {
    if !query.asks_for_me() {
        return Ok(query);
    }
    let people = match caller.agent {
        Some(agent) => app.state.store.persons(&[agent]).await?,
        None => Vec::new(),
    };
    let me = people.first().ok_or_else(|| {
        let detail = "Nobody is `me` here: `ombud token create --agent EMAIL` makes a token of an agent; or write the address instead.";
        Problem::bad(detail)
    })?;
    Ok(query.for_person(&me.address))
}

impl From<QueryError> for Problem {
    fn from(error: QueryError) -> Self {
        Self::unreadable(format!("The query can't be read: {error}."), error.column)
    }
}

fn refused(app: &App, error: AskError) -> Problem {
    let later = |after, detail: String| Problem::later(StatusCode::SERVICE_UNAVAILABLE, after, detail);
    let broken = || later(10, "The search index can't be used now; the desk's log says why. It is tried again.".to_owned());
    match error {
        AskError::Store(error) => error.into(),
        AskError::Index(SearchError::Rebuilding) => {
            let health = app.state.index.health(app.now());
            match (health.error, health.building) {
                (Some(_), _) => broken(),
                (None, Some(done)) => later(5, format!("The search index is being built: {done} documents are done. Try again later.")),
                (None, None) => later(1, "The search index is being opened. Try again later.".to_owned()),
            }
        }
        AskError::Index(SearchError::Timeout(span)) => {
            later(5, format!("The search took longer than {} ms: ask for something more particular.", span.as_millis()))
        }
        AskError::Index(SearchError::NobodyIsMe) => Problem::bad("Nobody is `me` here: write the address instead."),
        AskError::Index(error) => {
            tracing::error!(%error, "a search could not be answered");
            broken()
        }
        AskError::Panicked => {
            tracing::error!("a search has panicked");
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "The desk failed; its log says why.")
        }
    }
}
