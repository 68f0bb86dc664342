//! The inbox as a session sees it; a trait so that tests can look behind the door.

use std::io;

use crate::inbox::{Draft, Inbox, Mail, Receipt};
use crate::model::{Envelope, InboxId, Reply};

/// Takes a mail in. Only `accept` makes a receipt, and only a receipt allows a 250.
pub(super) trait Door: Send + Sync + 'static {
    /// A mail on its way in.
    type Draft: Send;
    /// A complete mail.
    type Mail: Send;
    /// Proof that a mail is on disk.
    type Receipt: Send + Sync;

    /// Starts a mail.
    fn draft(&self) -> Self::Draft;
    /// Adds bytes to it.
    fn push(&self, draft: &mut Self::Draft, bytes: &[u8]) -> impl Future<Output = io::Result<()>> + Send;
    /// Waits for room among the mails in flight.
    fn admit(&self, draft: Self::Draft) -> impl Future<Output = Result<Self::Mail, Reply>> + Send;
    /// The raw bytes.
    fn bytes(mail: &Self::Mail) -> &[u8];
    /// Returns when the mail is on disk.
    fn accept(&self, envelope: Envelope, mail: Self::Mail) -> impl Future<Output = Result<Self::Receipt, Reply>> + Send;
    /// The queue id.
    fn id(receipt: &Self::Receipt) -> InboxId;
}

impl Door for Inbox {
    type Draft = Draft;
    type Mail = Mail;
    type Receipt = Receipt;

    fn draft(&self) -> Draft {
        Inbox::draft(self)
    }

    async fn push(&self, draft: &mut Draft, bytes: &[u8]) -> io::Result<()> {
        draft.push(bytes).await
    }

    async fn admit(&self, draft: Draft) -> Result<Mail, Reply> {
        Inbox::admit(self, draft).await
    }

    fn bytes(mail: &Mail) -> &[u8] {
        mail.bytes()
    }

    async fn accept(&self, envelope: Envelope, mail: Mail) -> Result<Receipt, Reply> {
        Inbox::accept(self, envelope, mail).await
    }

    fn id(receipt: &Receipt) -> InboxId {
        receipt.id()
    }
}
