//! Who wrote this: what the checks of a mail's author found.

use serde::{Deserialize, Serialize};

/// The outcome of authenticating the From of one mail. `None` means that the check was not made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// SPF of MAIL FROM or HELO (RFC 7208 §2.6).
    pub spf: Option<String>,
    /// DKIM (RFC 6376 §3.9).
    pub dkim: Option<String>,
    /// DMARC (RFC 9989).
    pub dmarc: Option<String>,
    /// Whether a verified identity is in the From's organizational domain.
    pub aligned: bool,
}
