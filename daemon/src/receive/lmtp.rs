//! What LMTP (RFC 2033) does otherwise: LHLO, and after DATA a reply for each recipient.

use super::door::Door;
use super::gate::Gate;
use super::smtp::session::{End, Session};
use crate::model::Reply;

impl<G: Gate, D: Door> Session<G, D> {
    /// `LHLO name` (RFC 2033 §4.1): EHLO under another name, so that nobody mistakes one protocol for the other.
    pub(super) async fn lhlo(&mut self, name: String) -> Result<(), End> {
        self.hello(name, true).await
    }

    /// The same reply once for every accepted recipient, in their order (RFC 2033 §4.2). All share one receipt, so no
    /// recipient of a mail can be lost while another is kept.
    pub(super) async fn say_each(&mut self, reply: &Reply, recipients: usize) -> Result<(), End> {
        self.say(reply).await?;
        for _ in 1..recipients {
            self.write(reply);
        }
        Ok(())
    }
}
