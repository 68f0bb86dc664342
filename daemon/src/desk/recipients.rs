//! All our recipients of one mail, decided together: the strongest address acts.

use crate::model::MailboxId;

use super::addresses::Recipient;
use super::token::{Purpose, Token};
use super::{Desk, Mail};

/// What the recipients of a mail say.
#[derive(Clone, Debug, Default)]
pub(super) struct Addressed {
    /// The mailbox it is for.
    pub(super) mailbox: Option<MailboxId>,
    /// The suffix that somebody added to the mailbox's address.
    pub(super) tag: Option<String>,
    /// Only to `postmaster@` or `abuse@`.
    pub(super) role: bool,
    /// The strongest address of an agent or customer.
    pub(super) token: Option<Token>,
    /// A note address of that ticket stands anywhere in envelope, To or Cc.
    pub(super) note: bool,
    /// A release, drop or lot address.
    pub(super) decision: Option<Token>,
    /// A bounce address.
    pub(super) bounce: Option<Token>,
}

impl Addressed {
    pub(super) fn read(desk: &Desk, mail: &Mail<'_>, now: i64) -> Self {
        let mut to = Self::default();
        let mut plain = Vec::new();
        let mut roles = Vec::new();
        for recipient in envelope(desk, mail) {
            match recipient {
                Recipient::Mailbox(id, tag) => plain.push((id, tag)),
                Recipient::Role(id) => roles.push(id),
                Recipient::Token(id, token) => to.take(id, token, now),
                Recipient::BadToken | Recipient::Foreign => {}
            }
        }
        // A relay may hand over one recipient at a time: the strongest visible address acts in each of the copies, and of
        // the mailboxes the first one, whichever copy comes first.
        let is_for_mailbox = !plain.is_empty();
        for address in headers(mail) {
            match desk.book.classify(address) {
                Recipient::Token(id, token) if matches!(token.purpose(), Purpose::Answer | Purpose::Note | Purpose::Customer) => {
                    to.take(id, token, now);
                }
                Recipient::Mailbox(id, None) if is_for_mailbox && plain.iter().all(|(known, _)| *known != id) => plain.push((id, None)),
                _ => {}
            }
        }
        let first = |id: &MailboxId| headers(mail).position(|a| desk.book.classify(a) == Recipient::Mailbox(*id, None));
        plain.sort_by_key(|(id, _)| first(id).unwrap_or(usize::MAX));
        if to.mailbox.is_none() {
            to.role = plain.is_empty() && !roles.is_empty();
            to.mailbox = plain.first().map(|(id, _)| *id).or(roles.first().copied());
        }
        to.tag = plain.into_iter().find_map(|(_, tag)| tag);
        if let Some(token) = to.token {
            let is_note =
                |r: Recipient| matches!(r, Recipient::Token(_, t) if t.purpose() == Purpose::Note && t.ticket() == token.ticket());
            to.note = envelope(desk, mail).any(is_note) || headers(mail).map(|a| desk.book.classify(a)).any(is_note);
        }
        to
    }

    fn take(&mut self, mailbox: MailboxId, token: Token, now: i64) {
        let rank = |t: &Token| (matches!(t.purpose(), Purpose::Answer | Purpose::Note | Purpose::Desk), !t.is_expired(now));
        match token.purpose() {
            Purpose::Bounce => self.bounce = Some(token),
            Purpose::Probe => {}
            Purpose::Release | Purpose::Drop | Purpose::Lot | Purpose::LotDrop => self.decision = Some(token),
            _ if self.token.is_none_or(|held| rank(&token) > rank(&held)) => self.token = Some(token),
            _ => {}
        }
        self.mailbox = Some(mailbox);
    }

    /// Scope of the fingerprint: the ticket of a valid address, else 0.
    pub(super) fn scope(&self) -> i64 {
        self.token.map_or(0, |t| t.subject())
    }
}

/// Envelope recipients; for mail that was fetched, those that the last hop wrote down, else the visible ones.
fn envelope<'a>(desk: &'a Desk, mail: &Mail<'a>) -> impl Iterator<Item = Recipient> + use<'a> {
    mail.envelope.recipients.iter().map(|r| desk.book.classify(r))
}

fn headers<'a>(mail: &Mail<'a>) -> impl Iterator<Item = &'a str> + use<'a> {
    mail.understood.to.iter().chain(&mail.understood.cc).map(|a| a.address.as_str())
}
