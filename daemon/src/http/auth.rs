//! Who asks, and whether they may: bearer tokens (RFC 6750), looked up for every request so that a revoked one is dead
//! at once.

use axum::extract::{Request, State as Shared};
use axum::http::StatusCode;
use axum::http::header::{AUTHORIZATION, HeaderMap};
use axum::middleware::Next;
use axum::response::Response;
use tokio::time::Instant;

use super::App;
use super::problem::{Answer, Problem};
use crate::model::PersonId;
use crate::store::{NewToken, Scope};

/// What it takes to call a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// Nothing.
    Anyone,
    /// Nothing, or a token where `[http] public = false`.
    Public,
    /// A token of this scope or a greater one.
    Token(Scope),
}

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Caller {
    /// Their token, for the log.
    pub(super) token: i64,
    /// The agent who speaks through it.
    pub(super) agent: Option<PersonId>,
    scope: Scope,
}

/// Stands before every route.
pub(super) async fn check(Shared((app, access)): Shared<(App, Access)>, mut request: Request, next: Next) -> Answer<Response> {
    let needed = match access {
        Access::Anyone => None,
        Access::Public => (!app.desk().config.http.as_ref().is_some_and(|http| http.public)).then_some(Scope::Read),
        Access::Token(scope) => Some(scope),
    };
    if let Some(needed) = needed {
        let caller = caller(&app, request.headers()).await?;
        if let Err(wait) = app.state.guards.rates.take(caller.token, Instant::now()) {
            let detail = "This token asks too often: 50 requests a second, 200 at once.";
            return Err(Problem::later(StatusCode::TOO_MANY_REQUESTS, wait.as_secs() + 1, detail));
        }
        if caller.scope < needed {
            return Err(Problem::forbidden(needed));
        }
        request.extensions_mut().insert(caller);
    }
    Ok(next.run(request).await)
}

/// Who sends this header now.
///
/// # Errors
/// 401 when nobody may: no token, or one that is wrong, expired, revoked, or of somebody who works here no more.
pub(super) async fn caller(app: &App, headers: &HeaderMap) -> Answer<Caller> {
    let mut given = headers.get_all(AUTHORIZATION).iter();
    let (Some(first), None) = (given.next(), given.next()) else { return Err(Problem::unauthorized(false)) };
    let text = first.to_str().ok().and_then(bearer).ok_or_else(|| Problem::unauthorized(true))?;
    let found = app.state.store.token(text, app.now()).await?;
    let token = found.ok_or_else(|| Problem::unauthorized(true))?;
    if let Some(agent) = token.agent {
        // Rights are read at the moment of the act: whoever works here no more speaks through no token.
        let people = app.state.store.persons(&[agent]).await?;
        if !people.iter().any(|p| p.id == agent && p.is_active_agent()) {
            return Err(Problem::unauthorized(true));
        }
    }
    Ok(Caller { token: token.id, agent: token.agent, scope: token.scope })
}

/// The token in the value of an Authorization field.
fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim();
    // What no token of ours looks like needs no look into the database.
    (scheme.eq_ignore_ascii_case("bearer") && NewToken::is_plausible(token)).then_some(token)
}
