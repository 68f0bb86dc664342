//! The decision about one mail while it is being made: a ledger, the mail, and its fate.

use std::ops::{Deref, DerefMut};

use crate::model::changes::{Changes, Fate, InboxFate, Label, MessageRef, NewMessage, NewRef, PersonRef, TicketRef};
use crate::model::facts::Facts;
use crate::model::outgoing::MailKind;
use crate::model::text::one_line;
use crate::model::ticket::MessageKind;

use super::ledger::Ledger;
use super::who::Decision;
use super::{Desk, Mail, thread};

/// Longest subject that is kept, in characters.
const SUBJECT: usize = 250;

/// A ledger about one mail.
pub(super) struct Draft<'a> {
    ledger: Ledger<'a>,
    pub(super) mail: Mail<'a>,
    decided_from: Option<Decision>,
    scope: i64,
}

impl<'a> Deref for Draft<'a> {
    type Target = Ledger<'a>;

    fn deref(&self) -> &Ledger<'a> {
        &self.ledger
    }
}

impl DerefMut for Draft<'_> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.ledger
    }
}

impl<'a> Draft<'a> {
    pub(super) fn new(desk: &'a Desk, mail: &Mail<'a>, facts: &'a Facts, now: i64) -> Self {
        let mut ledger = Ledger::new(desk, facts, now);
        ledger.changes.guard.inbox = Some((mail.id, mail.node));
        Self { ledger, mail: *mail, decided_from: None, scope: 0 }
    }

    /// The same for a mail that nobody has claimed; what was read is guarded by whoever decides many of them at once.
    pub(super) fn unclaimed(desk: &'a Desk, mail: &Mail<'a>, facts: &'a Facts, now: i64) -> Self {
        Self { ledger: Ledger::unguarded(desk, facts, now), mail: *mail, decided_from: None, scope: 0 }
    }

    /// The same decision begun again, with nothing done yet.
    pub(super) fn afresh(&self) -> Self {
        Self { decided_from: self.decided_from, scope: self.scope, ..Self::new(self.desk, &self.mail, self.facts, self.now) }
    }

    /// Notes what the decision was made from, for the audit.
    pub(super) fn decided_from(mut self, what: Decision) -> Self {
        self.decided_from = Some(what);
        self
    }

    /// Notes the ticket that the mail was addressed to, 0 for none.
    pub(super) fn addressed(mut self, scope: i64) -> Self {
        self.scope = scope;
        self
    }

    /// Ends the decision with the fate of the mail.
    pub(super) fn fate(mut self, fate: Fate, ticket: Option<TicketRef>, reason: &str, detail: &str) -> Changes {
        let u = self.mail.understood;
        let vouched = self.mail.has_passed("leak");
        self.changes.outbox.iter_mut().for_each(|mail| mail.params.vouched |= vouched && mail.kind == MailKind::Answer);
        let filed = matches!(fate, Fate::Ticket | Fate::Message | Fate::Automatic);
        // Under the ticket it went to and under the one it was sent to: a copy may be looked for by either. A held mail is
        // no copy's original: whoever plants a forged copy first must not silence the real one.
        let ended = match ticket {
            Some(TicketRef::Id(id)) => id.0,
            _ => 0,
        };
        let scopes = std::collections::BTreeSet::from([ended, self.scope]);
        self.changes.inbox = Some(InboxFate {
            id: self.mail.id,
            fate,
            ticket,
            reason: reason.to_owned(),
            detail: detail.to_owned(),
            label: Label {
                message_id: u.message_id.clone(),
                sender: u.from.as_ref().map(|f| f.address.clone()).or_else(|| Some(self.mail.envelope.mail_from.clone())),
                subject: one_line(&u.subject, SUBJECT),
            },
            decided_from: self.inputs(),
            fingerprints: if filed { scopes.into_iter().map(|scope| (self.mail.fingerprint(), scope)).collect() } else { Vec::new() },
        });
        self.ledger.changes
    }

    fn inputs(&self) -> String {
        let Mail { passed, verdict, findings, .. } = self.mail;
        serde_json::json!({ "decision": self.decided_from, "passed": passed, "verdict": verdict, "filters": findings }).to_string()
    }

    /// Adds this mail as a message.
    pub(super) fn message(&mut self, ticket: TicketRef, turn: i64, kind: MessageKind, public: bool, author: PersonRef) -> MessageRef {
        let (mail, u) = (self.mail, self.mail.understood);
        self.changes.messages.push(NewMessage {
            ticket,
            turn,
            kind,
            public,
            author: Some(author),
            blob: Some(mail.blob.to_vec()),
            inbox: Some(mail.id),
            message_id: u.message_id.clone(),
            subject: one_line(&u.subject, SUBJECT),
            automatic: u.automatic.map(|a| a.word().to_owned()),
            flags: Vec::new(),
            verdict: Some(mail.verdict.clone()),
            text: u.text.clone(),
            reply_text: u.reply_text.clone(),
            html: u.html.clone(),
            attachments: serde_json::to_string(&u.attachments).unwrap_or_else(|_| "[]".into()),
            created_at: mail.received_at,
        });
        MessageRef::New(self.changes.messages.len() - 1)
    }

    /// The message that was added last.
    pub(super) fn last_message(&mut self) -> Option<&mut NewMessage> {
        self.changes.messages.last_mut()
    }

    /// Remembers the Message-IDs of this mail for the thread.
    pub(super) fn refs(&mut self, ticket: TicketRef) {
        let own = thread::own_hash(self.mail.understood).map(|hash| NewRef { hash, ticket, own: true });
        let named = thread::named_hashes(self.desk, self.mail.understood).into_iter().map(|hash| NewRef { hash, ticket, own: false });
        self.changes.refs.extend(own.into_iter().chain(named));
    }
}
