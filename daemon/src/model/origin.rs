//! What a header says of where the mail comes from: the one author, and what relays wrote above it.

use super::Address;

/// The fields from which an author is verified, unfolded. Nothing of it is proven.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The only plain address of the only From field; the same that a mail is filed under.
    pub from: Option<Address>,
    /// The topmost Authentication-Results (RFC 8601).
    pub results: Option<String>,
    /// The topmost Received (RFC 5321 §4.4).
    pub received: Option<String>,
    /// `X-MS-Exchange-Organization-AuthAs`, when there is exactly one.
    pub auth_as: Option<String>,
    /// Where the body begins.
    pub body: usize,
}
