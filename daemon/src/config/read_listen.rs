//! `[smtp]`, `[submission]`, `[lmtp]` and `[http]`: where the desk listens.

use super::reader::Section;
use super::types::{Http, Lmtp, Net, Smtp, Submission, TlsFiles};
use super::values;

/// Reads `[smtp]`.
pub(super) fn smtp(s: &mut Section<'_>) -> Smtp {
    let listen = s.listen("where mail servers reach us, like listen = [\"0.0.0.0:25\"]");
    Smtp { listen, tls: tls(s, "[smtp.tls]"), proxy: proxy(s) }
}

/// Reads `[submission]`; `tls` are the files of `[smtp]`.
pub(super) fn submission(s: &mut Section<'_>, smtp_tls: Option<&TlsFiles>) -> Submission {
    let listen = s.list("listen", values::submission_listen);
    if listen.is_none() {
        s.require("listen", "where agents send, like listen = [\"tls:0.0.0.0:465\"]");
    }
    if listen.as_ref().is_some_and(Vec::is_empty) {
        s.bad("listen", "must name at least one address; to listen on none leave the whole section out");
    }
    let own = s.has("tls");
    let tls = tls(s, "[submission.tls]").or_else(|| smtp_tls.filter(|_| !own).cloned());
    if tls.is_none() && listen.as_ref().is_some_and(|listen| !listen.is_empty()) {
        s.require("tls", "passwords go over TLS only: give [submission] or [smtp] a tls = { cert = \"…\", key = \"…\" }");
    }
    Submission { listen: listen.unwrap_or_default().into_iter().map(|(listen, _)| listen).collect(), tls, proxy: proxy(s) }
}

/// Load balancers that name the client in front of what it says.
fn proxy(s: &mut Section<'_>) -> Vec<Net> {
    s.list("proxy", values::net).unwrap_or_default().into_iter().map(|(net, _)| net).collect()
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
