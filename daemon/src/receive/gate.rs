//! The port through which the desk judges a mail while its sender is still on the line.

use crate::model::{Envelope, Reply};

/// Who may hand in what. Built by the composition root; every `Err` goes over the wire as it stands, so its text must
/// hold no secret, and a cause that may pass must be a 4xx.
pub trait Gate: Send + Sync + 'static {
    /// Asked at AUTH (RFC 4954): the main address of the agent who logs in with this name and password. Every wrong one
    /// gets the same answer after the same time.
    fn login(&self, user: &str, password: &str) -> impl Future<Output = Result<String, Reply>> + Send;

    /// Asked at MAIL: whether a mail could be kept now (disk, database, shutdown). An error should be temporary.
    fn ready(&self) -> impl Future<Output = Result<(), Reply>> + Send;

    /// Asked at each RCPT. `recipient` is an RFC 5321 mailbox as the client wrote it: its domain may be an address
    /// literal, its local part quoted; `Postmaster` may stand without a domain (RFC 5321 §4.5.1). The envelope holds
    /// the recipients accepted so far.
    fn rcpt(&self, envelope: &Envelope, recipient: &str) -> impl Future<Output = Result<(), Reply>> + Send;

    /// Asked after DATA, before the inbox: the last chance to refuse. May add to the envelope what it found.
    fn data(&self, envelope: &mut Envelope, raw: &[u8]) -> impl Future<Output = Result<(), Reply>> + Send;
}
