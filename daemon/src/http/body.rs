//! Bodies of requests: JSON, of 1 MiB at most.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use serde::Deserialize;

use super::App;
use super::problem::{Answer, Problem};

/// Largest body of a request, in octets; only a mail that is handed in may be larger, and says so itself.
pub(super) const LARGEST: usize = 1 << 20;

/// A body that came whole, however it was framed.
pub(super) struct Body(Bytes);

impl FromRequest<App> for Body {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Answer<Self> {
        Bytes::from_request(request, app).await.map(Self).map_err(|refusal| match refusal.into_response().status() {
            StatusCode::PAYLOAD_TOO_LARGE => too_large(),
            _ => Problem::bad("The body did not come whole."),
        })
    }
}

impl Body {
    /// What it says.
    ///
    /// # Errors
    /// 400 that says where it can't be read.
    pub(super) fn json<'b, T: Deserialize<'b>>(&'b self) -> Answer<T> {
        serde_json::from_slice(&self.0).map_err(|error| Problem::bad(format!("The body can't be used: {error}.")))
    }
}

/// The body is too large.
pub(super) fn too_large() -> Problem {
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "The body is larger than 1 MiB.")
}
