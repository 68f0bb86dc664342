//! The errors of the libraries below, as reasons.

use std::error::Error;
use std::io;

use rustls::{CertificateError, Error as TlsError};

use crate::attempt::{Reason, TlsFault};
use crate::capped::Exceeded;

/// A name that could not be looked up.
pub(crate) fn look_up(error: &io::Error) -> Reason {
    if error.kind() == io::ErrorKind::NotFound { Reason::Dns } else { Reason::Resolver }
}

/// A handshake that failed.
pub(crate) fn handshake(error: &io::Error) -> Reason {
    known(error).unwrap_or(Reason::Closed)
}

/// A request that got no answer.
pub(crate) fn exchange(error: &hyper::Error) -> Reason {
    if let Some(reason) = error.source().and_then(|source| source.downcast_ref()).and_then(known) {
        return reason;
    }
    match error {
        error if error.is_parse_too_large() => Reason::TooLarge,
        error if error.is_parse() => Reason::Protocol,
        _ => Reason::Closed,
    }
}

fn known(error: &io::Error) -> Option<Reason> {
    let inner = error.get_ref()?;
    if inner.is::<Exceeded>() {
        return Some(Reason::TooLarge);
    }
    inner.downcast_ref().map(|error| Reason::Tls(tls(error)))
}

fn tls(error: &TlsError) -> TlsFault {
    let TlsError::InvalidCertificate(error) = error else { return TlsFault::Handshake };
    match error {
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => TlsFault::Name,
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => TlsFault::Expired,
        CertificateError::UnknownIssuer => TlsFault::Untrusted,
        _ => TlsFault::Certificate,
    }
}
