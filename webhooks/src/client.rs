//! One request, guarded and limited.

use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Bytes};
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, CONNECTION, CONTENT_TYPE, HOST, RETRY_AFTER, USER_AGENT};
use hyper::http::request;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use rustls::pki_types::CertificateDer;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::task::AbortOnDropHandle;

use crate::attempt::{Attempt, Reason};
use crate::connect::Connector;
use crate::fault;
use crate::guard::Guard;
use crate::queue::Claimed;
use crate::resolve::Resolve;
use crate::retry_after;
use crate::sign::sign;
use crate::target::Target;

/// The answer's head, and as much of its body as is read.
const ANSWER: usize = 64 * 1024;
const AGENT: &str = concat!("Ombud/", env!("CARGO_PKG_VERSION"));

/// How long a request may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Looking up, connecting and the TLS handshake.
    pub connect: Duration,
    /// All of it up to the answer's head.
    pub whole: Duration,
    /// The answer's body, within `whole`. It changes nothing; reading it is a courtesy.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { connect: Duration::from_secs(5), whole: Duration::from_secs(15), drain: Duration::from_secs(1) }
    }
}

/// Makes requests to endpoints: one connection each, no redirects, no proxy from the environment.
pub struct Client {
    connector: Connector,
    limits: Limits,
}

/// An answer with its body.
#[derive(Clone, PartialEq, Eq)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// The body, which may hold secrets.
    pub body: Vec<u8>,
}

/// A page that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The status.
    pub status: u16,
    /// `Content-Type` as the server wrote it; empty where there is none.
    pub kind: String,
    /// The body.
    pub body: Vec<u8>,
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
#[error("TLS could not be set up: {0}")]
pub struct ClientError(#[from] rustls::Error);

/// An answer whose body may still come; without the connection's task it would not.
struct Answer {
    response: Response<hyper::body::Incoming>,
    _connection: AbortOnDropHandle<()>,
}

impl Client {
    /// Reads the system's certificate authorities; `roots` are believed beside them.
    ///
    /// # Errors
    /// When the system has none and `roots` is empty, or one of `roots` is not a certificate.
    pub fn new(guard: Guard, limits: Limits, resolver: Arc<dyn Resolve>, roots: Vec<CertificateDer<'static>>) -> Result<Self, ClientError> {
        Ok(Self { connector: Connector::new(guard, resolver, roots)?, limits })
    }

    /// Posts a form and reads the answer, whatever its status: for the token endpoint of an OAuth server (RFC 6749 section 3.2).
    /// Guarded and limited as a delivery is; redirects are not followed.
    ///
    /// # Errors
    /// There is no answer, or its body has more than 64 KiB.
    pub async fn post_form(&self, url: &str, fields: &[(&str, &str)]) -> Result<Reply, Reason> {
        let target = self.connector.target(url)?;
        let request = form(&target, fields)?;
        let whole = async {
            let mut answer = self.exchange(&target, request).await?;
            let body = collected(answer.response.body_mut()).await?;
            Ok(Reply { status: answer.response.status().as_u16(), body })
        };
        timeout(self.limits.whole, whole).await.unwrap_or(Err(Reason::Timeout))
    }

    /// Reads a page: one status, one body, both the server's. Guarded and limited as a delivery is; redirects are not followed.
    ///
    /// # Errors
    /// There is no answer, or its body has more than 64 KiB.
    pub async fn get(&self, url: &str) -> Result<Page, Reason> {
        let target = self.connector.target(url)?;
        let request = head(Method::GET, &target).body(Full::new(Bytes::new())).map_err(|_| Reason::Unsendable)?;
        let whole = async {
            let mut answer = self.exchange(&target, request).await?;
            let kind = answer.response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default().to_owned();
            let body = collected(answer.response.body_mut()).await?;
            Ok(Page { status: answer.response.status().as_u16(), kind, body })
        };
        timeout(self.limits.whole, whole).await.unwrap_or(Err(Reason::Timeout))
    }

    /// Signs and sends one delivery. `now` is in seconds since 1970 and becomes `webhook-timestamp`.
    ///
    /// Ends within [`Limits::whole`] and reads at most 256 KiB, whatever the receiver does. A status decides when it is in,
    /// even if the body after it never ends: of that, 64 KiB are read and thrown away.
    pub async fn attempt(&self, delivery: &Claimed, now: i64) -> Attempt {
        let began = Instant::now();
        let answer = timeout(self.limits.whole, self.answer(delivery, now)).await.unwrap_or(Err(Reason::Timeout));
        let ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let mut answer = match answer {
            Ok(answer) => answer,
            Err(reason) => return Attempt { result: Err(reason), retry_after: None, ms },
        };
        let (result, retry_after) = judged(&answer.response, now);
        let end = (Instant::now() + self.limits.drain).min(began + self.limits.whole);
        let _ = timeout_at(end, drain(answer.response.body_mut())).await;
        Attempt { result, retry_after, ms }
    }

    async fn answer(&self, delivery: &Claimed, now: i64) -> Result<Answer, Reason> {
        let target = self.connector.target(&delivery.url)?;
        let request = request(delivery, &target, now)?;
        self.exchange(&target, request).await
    }

    async fn exchange(&self, target: &Target, request: Request<Full<Bytes>>) -> Result<Answer, Reason> {
        let by = Instant::now() + self.limits.connect;
        let addresses = timeout_at(by, self.connector.addresses(target)).await.unwrap_or(Err(Reason::Resolver))?;
        let stream = timeout_at(by, self.connector.connect(target, &addresses)).await.unwrap_or(Err(Reason::ConnectTimeout))?;
        let (mut sender, connection) =
            http1::Builder::new().max_buf_size(ANSWER).handshake(TokioIo::new(stream)).await.map_err(|error| fault::exchange(&error))?;
        // Its error is the sender's error, too.
        let connection = AbortOnDropHandle::new(tokio::spawn(async move { drop(connection.await) }));
        let response = sender.send_request(request).await.map_err(|error| fault::exchange(&error))?;
        Ok(Answer { response, _connection: connection })
    }
}

fn head(method: Method, target: &Target) -> request::Builder {
    Request::builder()
        .method(method)
        .uri(target.path.as_str())
        .header(HOST, &target.authority)
        .header(USER_AGENT, AGENT)
        .header(CONNECTION, "close")
}

fn post(target: &Target, content_type: &str) -> request::Builder {
    head(Method::POST, target).header(CONTENT_TYPE, content_type)
}

fn request(delivery: &Claimed, target: &Target, now: i64) -> Result<Request<Full<Bytes>>, Reason> {
    // A dot would let the end of the id be taken for the time: it is what separates them in what is signed.
    if delivery.secrets.is_empty() || delivery.message.is_empty() || delivery.message.contains('.') {
        return Err(Reason::Unsendable);
    }
    post(target, "application/json")
        .header("webhook-id", &delivery.message)
        .header("webhook-timestamp", now)
        .header("webhook-signature", sign(&delivery.secrets, &delivery.message, now, delivery.body.as_bytes()))
        .body(Full::new(Bytes::from(delivery.body.clone())))
        .map_err(|_| Reason::Unsendable)
}

fn form(target: &Target, fields: &[(&str, &str)]) -> Result<Request<Full<Bytes>>, Reason> {
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    post(target, "application/x-www-form-urlencoded")
        .header(ACCEPT, "application/json")
        .body(Full::new(Bytes::from(body)))
        .map_err(|_| Reason::Unsendable)
}

fn judged<B>(response: &Response<B>, now: i64) -> (Result<u16, Reason>, Option<Duration>) {
    let status = response.status();
    let result = match status.as_u16() {
        code if status.is_success() => Ok(code),
        code if status.is_redirection() => Err(Reason::Redirect(code)),
        code => Err(Reason::Status(code)),
    };
    let asked = match status.as_u16() {
        429 | 503 => response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()),
        _ => None,
    };
    (result, asked.and_then(|value| retry_after::parse(value, now)))
}

/// Reads until the end or the limit, so that an honest receiver is not cut off while it writes.
async fn drain<B: Body<Data = Bytes> + Unpin>(body: &mut B) {
    let mut left = ANSWER;
    while let Some(Ok(frame)) = body.frame().await {
        let Some(rest) = left.checked_sub(frame.data_ref().map_or(0, Bytes::len)) else { return };
        left = rest;
    }
}

async fn collected(body: &mut hyper::body::Incoming) -> Result<Vec<u8>, Reason> {
    let mut all = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| fault::exchange(&error))?;
        all.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data));
        if all.len() > ANSWER {
            return Err(Reason::TooLarge);
        }
    }
    Ok(all)
}
