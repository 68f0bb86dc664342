//! An inbox in memory, for what must hold of sessions.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use super::door::Door;
use crate::model::{Envelope, InboxId, Reply};

/// A mail that was accepted.
pub(super) type Kept = (Envelope, Vec<u8>);

/// Keeps mails in memory.
#[derive(Clone, Default)]
pub(super) struct FakeDoor {
    pub(super) kept: Arc<Mutex<Vec<Kept>>>,
    pub(super) refuse: Option<Reply>,
    pub(super) disk: Option<io::ErrorKind>,
}

impl Door for FakeDoor {
    type Draft = Vec<u8>;
    type Mail = Vec<u8>;
    type Receipt = InboxId;

    fn draft(&self) -> Vec<u8> {
        Vec::new()
    }

    async fn push(&self, draft: &mut Vec<u8>, bytes: &[u8]) -> io::Result<()> {
        draft.extend_from_slice(bytes);
        self.disk.map_or(Ok(()), |kind| Err(kind.into()))
    }

    async fn admit(&self, draft: Vec<u8>) -> Result<Vec<u8>, Reply> {
        Ok(draft)
    }

    fn bytes(mail: &Vec<u8>) -> &[u8] {
        mail
    }

    async fn accept(&self, envelope: Envelope, mail: Vec<u8>) -> Result<InboxId, Reply> {
        if let Some(reply) = &self.refuse {
            return Err(reply.clone());
        }
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.push((envelope, mail));
        Ok(InboxId(i64::try_from(kept.len()).unwrap_or(i64::MAX)))
    }

    fn id(receipt: &InboxId) -> InboxId {
        *receipt
    }
}
