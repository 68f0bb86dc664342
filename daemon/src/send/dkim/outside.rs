//! What reads keys and their records, with plain values in and out: for what must hold for any octets.

/// Whether a record publishes a key.
pub(crate) fn publishes(text: &[u8], public: &str) -> bool {
    super::record::publishes(text, public)
}

/// The record and the public half of the key that this text is.
pub(crate) fn key(text: &[u8]) -> Option<(String, String)> {
    let key = super::keys::key(text, "x.test".to_owned(), "one".to_owned())?;
    Some((key.record(), key.public))
}
