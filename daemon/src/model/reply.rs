//! SMTP replies as values: an error carries what goes over the wire and whether it is temporary.

use std::borrow::Cow;

/// One SMTP reply (RFC 5321 §4.2) with its enhanced status code (RFC 3463).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Three digits; 4xx asks the client to keep the mail and try again.
    pub code: u16,
    /// `5.1.1`; empty for replies that have none (220, 354, EHLO).
    pub enhanced: &'static str,
    /// One line of ASCII for a person: what, and what to do. Never a secret and never mail text.
    pub text: Cow<'static, str>,
}

impl Reply {
    /// A reply with a fixed text.
    pub const fn new(code: u16, enhanced: &'static str, text: &'static str) -> Self {
        Self { code, enhanced, text: Cow::Borrowed(text) }
    }

    /// A reply with a text made for the occasion.
    pub fn with(code: u16, enhanced: &'static str, text: impl Into<String>) -> Self {
        Self { code, enhanced, text: Cow::Owned(text.into()) }
    }

    /// Whether the client should keep the mail and try again.
    pub fn is_temporary(&self) -> bool {
        (400..500).contains(&self.code)
    }

    /// Whether this is a success.
    pub fn is_ok(&self) -> bool {
        self.code < 400
    }
}

impl std::fmt::Display for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.enhanced {
            "" => write!(f, "{} {}", self.code, self.text),
            enhanced => write!(f, "{} {enhanced} {}", self.code, self.text),
        }
    }
}
