//! `[smtp]`, `[submission]`, `[lmtp]` and `[http]`: where the desk listens.

use super::reader::Section;
use super::types::{Http, Lmtp, Smtp, Submission, TlsFiles};
use super::values;

/// Reads `[smtp]`.
pub(super) fn smtp(s: &mut Section<'_>) -> Smtp {
    Smtp { listen: s.listen("where mail servers reach us, like listen = [\"0.0.0.0:25\"]"), tls: tls(s, "[smtp.tls]") }
}

/// Reads `[submission]`.
pub(super) fn submission(s: &mut Section<'_>) -> Submission {
    let listen = s.list("listen", values::submission_listen);
    if listen.is_none() {
        s.require("listen", "where agents send, like listen = [\"tls:0.0.0.0:465\"]");
    }
    s.warn("listen", "submission is not built yet; nothing listens there");
    Submission { listen: listen.unwrap_or_default().into_iter().map(|(listen, _)| listen).collect(), tls: tls(s, "[submission.tls]") }
}

/// Reads `[lmtp]`.
pub(super) fn lmtp(s: &mut Section<'_>) -> Lmtp {
    Lmtp { listen: s.listen("where the mail server hands mail over, like listen = [\"unix:/run/ombud/lmtp\"]") }
}

/// Reads `[http]`.
pub(super) fn http(s: &mut Section<'_>) -> Http {
    Http {
        listen: s.listen("where browsers and scripts reach us, like listen = [\"127.0.0.1:8025\"]"),
        public: s.boolean("public").unwrap_or(true),
    }
}

fn tls(s: &mut Section<'_>, label: &str) -> Option<TlsFiles> {
    s.section("tls", label, |s| {
        let cert = s.file("cert");
        if cert.is_none() {
            s.require("cert", "the certificate and those between it and a root, PEM");
        }
        let key = s.file("key");
        if key.is_none() {
            s.require("key", "the certificate's private key, PEM");
        }
        Some(TlsFiles { cert: cert?, key: key? })
    })
    .flatten()
}
