//! What came of one request.

use std::net::IpAddr;
use std::time::Duration;

use crate::UrlError;

/// One request, made or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The 2xx status, or why there was none.
    pub result: Result<u16, Reason>,
    /// How long a 429 or 503 asked us to wait.
    pub retry_after: Option<Duration>,
    /// From the look-up of the name to the answer's head, or to the failure. Milliseconds.
    pub ms: u64,
}

/// Why a try failed. `Display` is a few words for a delivery log; nothing that the receiver wrote is in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// An answer that is neither 2xx nor 3xx.
    #[error("status {0}")]
    Status(u16),
    /// A 3xx: redirects are not followed.
    #[error("redirect (status {0})")]
    Redirect(u16),
    /// The URL is none that is allowed, by the configuration of now.
    #[error("invalid URL: {0}")]
    Url(UrlError),
    /// The name has no address.
    #[error("no address for the name")]
    Dns,
    /// Ours, or of who answers for the name: nobody could be asked, or no answer came in time.
    #[error("the name could not be looked up")]
    Resolver,
    /// An address of the name, or of the URL, may not be dialled.
    #[error("refused address {0}")]
    Refused(IpAddr),
    /// Nobody listens there.
    #[error("connection refused")]
    ConnectRefused,
    /// There is no way to it.
    #[error("no connection")]
    Connect,
    /// Connecting and the TLS handshake took too long.
    #[error("connect timeout")]
    ConnectTimeout,
    /// No TLS, or a certificate that is not believed.
    #[error("tls: {0}")]
    Tls(TlsFault),
    /// No answer within the time limit.
    #[error("timeout")]
    Timeout,
    /// The connection was closed before the answer.
    #[error("connection closed before an answer")]
    Closed,
    /// The answer's head is over the limit, or too much came before it.
    #[error("too large an answer")]
    TooLarge,
    /// The answer is not HTTP/1.
    #[error("not an HTTP answer")]
    Protocol,
    /// Ours: there is no secret to sign with, or the `webhook-id` can't stand in a header. Nothing was sent.
    #[error("not sendable: no secret, or an unusable id")]
    Unsendable,
    /// Ours: the worker stopped before the try had ended. The receiver may have got it.
    #[error("stopped")]
    Stopped,
    /// Ours: the endpoint had enough tries under way. Nothing was sent.
    #[error("busy")]
    Busy,
}

/// What is wrong with the receiver's TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TlsFault {
    /// The certificate is for another name.
    #[error("certificate for another name")]
    Name,
    /// The certificate has expired.
    #[error("certificate has expired")]
    Expired,
    /// No authority that we know has signed it.
    #[error("certificate of an unknown authority")]
    Untrusted,
    /// Another fault of the certificate.
    #[error("bad certificate")]
    Certificate,
    /// No agreement, or no TLS at all.
    #[error("handshake failed")]
    Handshake,
}

impl Reason {
    /// One word, for metrics and for telling reasons apart in a table.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Status(_) => "status",
            Self::Redirect(_) => "redirect",
            Self::Url(_) => "url",
            Self::Dns => "dns",
            Self::Resolver => "resolver",
            Self::Refused(_) => "refused_address",
            Self::ConnectRefused => "connect_refused",
            Self::Connect => "connect",
            Self::ConnectTimeout => "connect_timeout",
            Self::Tls(_) => "tls",
            Self::Timeout => "timeout",
            Self::Closed => "closed",
            Self::TooLarge => "too_large",
            Self::Protocol => "protocol",
            Self::Unsendable => "unsendable",
            Self::Stopped => "stopped",
            Self::Busy => "busy",
        }
    }

    /// Whether the try says something about the endpoint. The owner takes one that doesn't back from `attempts`.
    pub fn counts(&self) -> bool {
        !matches!(self, Self::Stopped | Self::Busy)
    }
}
