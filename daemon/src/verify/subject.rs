//! What of a mail is looked at: its author, its header, and hashes of its body. The body itself is not kept, so that a
//! slow DNS costs time and not memory.

use mail_auth::AuthenticatedMessage;
use mail_auth::common::crypto::HashAlgorithm;
use mail_auth::dkim::Canonicalization;

use crate::model::Origin;

/// A mail whose author is to be verified.
#[derive(Clone, Debug)]
pub struct Subject {
    /// What the header says.
    pub(super) origin: Origin,
    header: Vec<u8>,
    hashes: Vec<(Canonicalization, HashAlgorithm, u64, Vec<u8>)>,
}

impl Subject {
    /// Reads a mail whose header says this; costs time in proportion to its length.
    pub fn read(raw: &[u8], origin: Origin) -> Self {
        let raw = raw.strip_prefix(b"\xef\xbb\xbf").unwrap_or(raw);
        let message = if origin.from.is_some() { AuthenticatedMessage::parse(raw) } else { None };
        let hashes = message.map(|m| m.body_hashes).unwrap_or_default();
        let header = raw.get(..origin.body).unwrap_or(raw).to_vec();
        Self { origin, header, hashes }
    }

    /// The mail as its signatures are verified: with our author and no other, whatever another reader would take for one.
    pub(super) fn message(&self) -> Option<AuthenticatedMessage<'_>> {
        let from = self.origin.from.as_ref()?;
        let mut message = AuthenticatedMessage::parse(&self.header)?;
        let mut fields = message.headers.iter().filter(|(name, _)| name.trim_ascii().eq_ignore_ascii_case(b"from"));
        let (name, value) = fields.next()?;
        // White space before the colon is read as part of the name there: such a field would be signed by nobody.
        let same = name.len() == 4 && String::from_utf8_lossy(value).contains(&from.address);
        if fields.next().is_some() || !same {
            return None;
        }
        message.from = vec![from.address.to_lowercase()];
        message.body_hashes.clone_from(&self.hashes);
        // A signature whose body was not hashed could not be compared.
        let hashed = &self.hashes;
        message.dkim_headers.retain(|field| {
            let wanted = (field.header.cb, HashAlgorithm::from(field.header.a), field.header.l);
            hashed.iter().any(|(canonical, hash, length, _)| (*canonical, *hash, *length) == wanted)
        });
        Some(message)
    }
}
