//! Complaints about mail of ours (RFC 5965): who can have one believed, what is no longer sent, how it ends.

use super::story::Story;
use super::world::{ANN, JANE, SUPPORT};
use crate::desk::message_id::OwnId;
use crate::desk::refusal::{Passage, passage};
use crate::desk::token::Purpose;
use crate::model::address::fold;
use crate::model::changes::Changes;
use crate::model::outgoing::{MailKind, OutboxRow};
use crate::model::refusal::{Refusal, UNTRIED};
use crate::model::ticket::MessageKind;
use crate::model::{OutboxId, PersonId};
use crate::store::Cmd;
use crate::store::read::InboxItem;

const ABUSE: &str = "abuse";

/// A report about the mail with this Message-ID.
fn report(kind: &str, id: &str) -> String {
    format!(
        "From: Feedback <fbl@provider.test>\r\nSubject: complaint about {id}\r\nDate: Sat, 21 Nov 2026 10:00:00 +0000\r\n\
         Content-Type: multipart/report; report-type=feedback-report; boundary=b\r\n\r\n--b\r\n\r\nA user said so.\r\n--b\r\n\
         Content-Type: message/feedback-report\r\n\r\nFeedback-Type: {kind}\r\nVersion: 1\r\nOriginal-Rcpt-To: <eve@provider.test>\r\n\r\n\
         --b\r\nContent-Type: message/rfc822\r\n\r\nMessage-ID: <{id}>\r\nSubject: Re: Printer on fire\r\n\r\nPull the plug.\r\n--b--\r\n"
    )
}

impl Story {
    /// The Message-ID of a mail.
    fn id(&self, row: &OutboxRow) -> String {
        let desk = &self.w.opened.desk;
        OwnId { ticket: row.ticket.unwrap(), outbox: row.id }.sign(desk.book.keys(), &desk.config.desk.hostname)
    }

    async fn complain(&self, to: &str, kind: &str, id: &str) -> InboxItem {
        self.w.raw("fbl@provider.test", &[to], report(kind, id).as_bytes()).await
    }

    async fn has_complained(&self, id: PersonId) -> bool {
        let person = self.person(id).await;
        person.complained(&person.address).is_some()
    }

    async fn acks(&self) -> usize {
        self.w.rows().await.iter().filter(|row| row.kind == MailKind::Ack).count()
    }
}

#[tokio::test]
async fn whom_the_mail_went_to_gets_answers_and_nothing_automatic() {
    let s = Story::new().await;
    let (ack, answer) = (s.row(MailKind::Ack).await, s.row(MailKind::Answer).await);
    let heard = s.complain(SUPPORT, ABUSE, &s.id(&answer)).await;
    assert_eq!((heard.reason.as_str(), heard.ticket.map(|t| t.0)), ("complaint", Some(1)));
    assert!(s.has_complained(s.ann).await);
    let said = s.w.messages(1).await.into_iter().find(|m| m.kind == MessageKind::System).unwrap();
    assert!(
        said.text.starts_with("ann@customer.test reported the answer as unwanted. The report itself names eve@provider.test."),
        "{}",
        said.text
    );
    assert!(!said.public && said.text.contains("--lift ann@customer.test"));

    // What waits is stopped; what people write goes.
    let (now, limits) = (s.w.opened.clock.now(), &s.w.opened.config.limits);
    let ann = s.person(s.ann).await;
    let Passage::Stopped(why) = passage(&ann, &ack, limits, now) else { panic!("an acknowledgement went") };
    assert!(why.starts_with(UNTRIED) && why.contains("reported as unwanted"), "{why}");
    assert_eq!(passage(&ann, &answer, limits, now), Passage::Free);
    let before = s.acks().await;
    assert!(before > 0);
    s.w.mail(ANN, SUPPORT, "", "Another matter.").await;
    assert_eq!(s.acks().await, before, "her next ticket is not acknowledged");
    assert!(s.has_complained(s.ann).await, "that she writes does not say that she wants it");

    // It is shown, and ends by a word.
    let page = s.w.opened.store.suppressed(now, None, 10).await.unwrap();
    assert_eq!(page.items.iter().map(|item| item.address.as_str()).collect::<Vec<_>>(), ["ann@customer.test"]);
    assert!(page.items[0].refusal.complained_at.is_some() && !page.items[0].refusal.has_refused());
    s.w.opened.store.run(Cmd::LiftRefusal { key: fold("Ann@customer.test"), now }).await.unwrap();
    s.w.mail(ANN, SUPPORT, "", "A third matter.").await;
    assert_eq!(s.acks().await, before + 1);
}

#[tokio::test]
async fn the_bounce_address_of_the_mail_is_enough() {
    let s = Story::new().await;
    let ack = s.row(MailKind::Ack).await;
    let to = s.w.address(Purpose::Bounce, ack.recipient, ack.id.0).await;
    assert_eq!(s.complain(&to, ABUSE, "somebody@elsewhere.test").await.reason, "complaint");
    assert!(s.has_complained(s.ann).await);
    let of_another = s.w.address(Purpose::Bounce, JANE, ack.id.0).await;
    let s = Story::new().await;
    assert_ne!(s.complain(&of_another, ABUSE, "somebody@elsewhere.test").await.reason, "complaint");
    assert!(!s.has_complained(s.ann).await);
}

#[tokio::test]
async fn a_forged_or_other_report_changes_nothing() {
    let s = Story::new().await;
    let answer = s.row(MailKind::Answer).await;
    let own = s.id(&answer);
    let forged = own.replacen(&own[..4], "aaaa", 1);
    for (kind, id) in
        [(ABUSE, "made-up@desk.localhost"), (ABUSE, forged.as_str()), ("not-spam", own.as_str()), ("auth-failure", own.as_str())]
    {
        let heard = s.complain(SUPPORT, kind, id).await;
        assert_eq!((heard.fate.word(), heard.reason.as_str()), ("automatic", "feedback_report"), "{kind} {id}");
        assert!(!s.has_complained(s.ann).await, "{kind} {id}");
    }
    assert!(s.w.messages(1).await.iter().all(|m| m.kind != MessageKind::System));
}

#[tokio::test]
async fn further_complaints_are_kept_and_said_once() {
    let s = Story::new().await;
    let id = s.id(&s.row(MailKind::Answer).await);
    s.complain(SUPPORT, ABUSE, &id).await;
    let again = s.complain(SUPPORT, "fraud", &id).await;
    assert_eq!(again.fate.word(), "automatic");
    let said = s.w.messages(1).await.into_iter().filter(|m| m.kind == MessageKind::System).count();
    assert_eq!(said, 1);
}

#[tokio::test]
async fn a_colleague_who_clicks_wrong_still_hears_of_customers() {
    let s = Story::new().await;
    let notified = s.row(MailKind::Notify).await;
    let heard = s.complain(SUPPORT, ABUSE, &s.id(&notified)).await;
    assert_eq!(heard.fate.word(), "automatic");
    assert!(s.person(JANE).await.refusal.is_none());
    let now = s.w.opened.clock.now();
    assert_eq!(passage(&s.person(JANE).await, &notified, &s.w.opened.config.limits, now), Passage::Free);
    assert!(s.w.opened.store.suppressed(now, None, 10).await.unwrap().items.is_empty());
}

#[tokio::test]
async fn a_complaint_outlives_what_was_refused_beside_it() {
    let s = Story::new().await;
    let (store, now) = (&s.w.opened.store, s.w.opened.clock.now());
    let both =
        Refusal { hard: 1, until: now + 9, refused_at: now - 9, reply: "550 no".into(), complained_at: Some(now), ..Refusal::default() };
    store.run(Cmd::Commit(Box::new(Changes { at: now, refusals: vec![(s.ann, both)], ..Changes::default() }))).await.unwrap();
    store.run(Cmd::TryRefused { person: s.ann, mail: OutboxId(1), now }).await.unwrap();
    s.w.mail(ANN, SUPPORT, "", "I am back.").await;
    let left = s.person(s.ann).await.refusal.unwrap();
    assert_eq!(*left, Refusal { complained_at: Some(now), version: 3, ..Refusal::default() });
    store.run(Cmd::SweepRefusals { now: now + 1_000 * 86_400_000, limit: 10 }).await.unwrap();
    assert!(s.has_complained(s.ann).await);
}
