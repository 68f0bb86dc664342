//! Addresses that refuse mail: who can have one suppressed, how it ends, who hears of it.

use super::story::Story;
use super::world::{ANN, JANE, JANES, SUPPORT};
use crate::desk::delivery;
use crate::desk::refusal::{Passage, passage};
use crate::desk::token::{Grant, Purpose};
use crate::model::facts::Facts;
use crate::model::outgoing::{MailKind, OutboxRow};
use crate::model::refusal::UNTRIED;
use crate::model::{By, MailboxId, OutboxId, PersonId, Verdict};
use crate::store::{Cmd, Outcome, Settled, Settlement, StoreError};

const DAY: i64 = 86_400_000;
const UNKNOWN: &str = "550 5.1.1 <ann@customer.test>: User unknown";

/// A report (RFC 3464) of what became of a mail to `recipient`.
fn report(recipient: &str, action: &str, status: &str, said: &str) -> String {
    format!(
        "From: MAILER-DAEMON@mx.test\r\nSubject: Undelivered\r\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n\
         --b\r\n\r\nno luck\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.test\r\n\r\n\
         Final-Recipient: rfc822; {recipient}\r\nAction: {action}\r\nStatus: {status}\r\nDiagnostic-Code: smtp; {said}\r\n\r\n--b--\r\n"
    )
}

impl Story {
    /// What is at the bounce address of a mail.
    async fn bounce(&self, row: &OutboxRow, report: &str) -> String {
        let to = self.w.address(Purpose::Bounce, row.recipient, row.id.0).await;
        self.w.raw("", &[&to], report.as_bytes()).await.reason
    }

    async fn is_suppressed(&self, id: PersonId) -> bool {
        let person = self.person(id).await;
        person.suppressed(&person.address, self.w.opened.clock.now()).is_some()
    }

    /// The relay refuses every mail of a kind that waits, at a time.
    async fn refuse(&self, kind: MailKind, reply: &str, now: i64) {
        self.refuse_those(|row| row.kind == kind, reply, now).await;
    }

    /// The same of mail to one person.
    async fn refuse_of(&self, person: PersonId, kind: MailKind, reply: &str, now: i64) {
        self.refuse_those(|row| row.kind == kind && row.recipient == person, reply, now).await;
    }

    async fn refuse_those(&self, is_one: impl Fn(&OutboxRow) -> bool, reply: &str, now: i64) {
        let (store, desk) = (&self.w.opened.store, self.w.opened.desk.clone());
        while let Outcome::Outbox(rows) =
            store.run(Cmd::ClaimOutbox { node: self.w.node, now: i64::MAX, limit: 1, away: Vec::new() }).await.unwrap()
            && let Some(row) = rows.first()
        {
            let settled = if is_one(row) { Settled::Failed(reply.into()) } else { Settled::Sent("250 ok".into()) };
            let mut changes = crate::model::changes::Changes { at: now, ..Default::default() };
            if let Settled::Failed(reply) = &settled {
                let decide = |facts: &Facts| Ok::<_, StoreError>(delivery::failed(&desk, row, reply, facts, now));
                changes = *store.decided(&decide).await.unwrap().unwrap();
            }
            store
                .run(Cmd::Settle(Box::new(Settlement { node: self.w.node, id: row.id, settled, straight: true, now, changes })))
                .await
                .unwrap();
        }
    }
}

#[tokio::test]
async fn a_report_to_the_bounce_address_suppresses_whom_the_mail_went_to() {
    let s = Story::new().await;
    let answer = s.row(MailKind::Answer).await;
    assert_eq!(s.bounce(&answer, &report("ann@customer.test", "failed", "5.1.1", UNKNOWN)).await, "bounce");
    assert!(s.is_suppressed(s.ann).await);
    let page = s.w.opened.store.suppressed(s.w.opened.clock.now(), None, 10).await.unwrap();
    assert_eq!((page.items.len(), page.items[0].address.as_str()), (1, "ann@customer.test"));
    assert_eq!(page.items[0].refusal.reply, UNKNOWN);
    assert_eq!(s.w.ticket(1).await.refused.len(), 1);
    // The same report again is no second refusal.
    assert_eq!(s.bounce(&answer, &report("ann@customer.test", "failed", "5.1.1", "550 5.1.1 again")).await, "bounce");
    let refusal = s.person(s.ann).await.refusal.unwrap();
    assert_eq!((refusal.hard, refusal.reply.as_str(), refusal.version), (1, UNKNOWN, 1));
}

#[tokio::test]
async fn whoever_works_here_hears_without_the_words_of_what_was_refused_for_its_words() {
    let s = Story::new().await;
    let now = s.w.opened.clock.now();
    let receipts = async || s.w.rows().await.into_iter().filter(|row| row.kind == MailKind::Receipt).collect::<Vec<_>>();
    let before = receipts().await.len();
    let shows_words = |row: &OutboxRow| matches!(row.kind, MailKind::Answer | MailKind::Failed);
    s.refuse_those(shows_words, "550 5.7.1 Such words we do not carry", now).await;
    let told = receipts().await.split_off(before);
    assert_eq!((told.len(), told[0].recipient), (1, JANE));
    assert!(told[0].params.lines.iter().all(|line| line.contains("Such words we do not carry")), "{:?}", told[0].params);
    // A refusal of the mailbox, or for now, is not one of the words; and of this mail nobody hears another one.
    for (kind, reply) in
        [(MailKind::Notify, "550 5.1.1 no such user"), (MailKind::Notify, "450 4.7.1 not now"), (MailKind::Receipt, "550 5.7.1 no")]
    {
        s.w.mail(ANN, SUPPORT, "", "It burns.").await;
        let before = receipts().await.len();
        s.refuse(kind, reply, now).await;
        assert_eq!(receipts().await.len(), before, "{kind:?} {reply}");
    }
}

#[tokio::test]
async fn nobody_else_is_suppressed_by_any_report() {
    let s = Story::new().await;
    let (answer, jane) = (s.row(MailKind::Answer).await, JANE);
    // Without the address: a mail to the desk, and one that names our Message-ID.
    let forged = report("ann@customer.test", "failed", "5.1.1", UNKNOWN);
    s.w.raw("", &[SUPPORT], forged.as_bytes()).await;
    // The token of another mail, of another person, one that has expired, one that was made up.
    let now = s.w.opened.clock.now();
    let grant = |person, subject, expires_at| Grant { purpose: Purpose::Bounce, subject, person, epoch: 0, expires_at, turn: 0 };
    let sign = |grant| s.w.opened.desk.book.sign(MailboxId(1), grant);
    for address in [
        sign(grant(jane, answer.id.0, now + DAY)),
        sign(grant(s.ann, answer.id.0 + 1_000, now + DAY)),
        sign(grant(s.ann, answer.id.0, now - 3 * DAY)),
    ] {
        s.w.raw("", &[&address], forged.replace("no luck", &address).as_bytes()).await;
    }
    assert!(!s.is_suppressed(s.ann).await && !s.is_suppressed(jane).await);

    // Ann's own token, and somebody else in the report: nobody but her could be meant, and not even she is gone.
    let s = Story::new().await;
    let answer = s.row(MailKind::Answer).await;
    let customer = s.w.address(Purpose::Customer, s.ann, 1).await;
    s.w.mail("Bob <bob@customer.test>", &customer, "", "Me, too.").await;
    for other in ["agent@desk.localhost", "bob@customer.test"] {
        s.bounce(&answer, &report(other, "failed", "5.1.1", "550 5.1.1 no such user")).await;
    }
    let bob = s.w.person("bob@customer.test").await;
    for person in [JANE, bob, s.ann] {
        assert!(!s.is_suppressed(person).await, "{person}");
    }
    assert_eq!(s.person(s.ann).await.refusal.map(|r| (r.hard, r.soft)), Some((0, 1)));
    assert!(s.person(JANE).await.refusal.is_none());
}

#[tokio::test]
async fn a_delay_a_delivery_and_a_policy_suppress_nobody() {
    for (action, status, said) in [
        ("delayed", "4.4.1", "no answer"),
        ("delayed", "5.1.1", UNKNOWN),
        ("delivered", "2.0.0", "250 ok"),
        ("relayed", "5.1.1", UNKNOWN),
        ("expanded", "5.1.1", UNKNOWN),
        ("failed", "5.7.1", "554 5.7.1 looks like spam"),
        ("failed", "5.2.2", "552 5.2.2 mailbox full"),
    ] {
        let s = Story::new().await;
        let answer = s.row(MailKind::Answer).await;
        s.bounce(&answer, &report("ann@customer.test", action, status, said)).await;
        assert!(!s.is_suppressed(s.ann).await, "{action} {status}");
        assert_eq!(s.person(s.ann).await.refusal.is_some(), status == "5.2.2", "{action} {status}");
    }
}

#[tokio::test]
async fn an_answer_goes_once_a_day_and_all_else_not_at_all() {
    let s = Story::new().await;
    let now = s.w.opened.clock.now();
    s.refuse(MailKind::Answer, UNKNOWN, now).await;
    let limits = crate::config::Limits::default();
    let (ann, mut answer) = (s.person(s.ann).await, s.row(MailKind::Answer).await);
    let ack = OutboxRow { kind: MailKind::Ack, ..answer.clone() };
    let Passage::Stopped(why) = passage(&ann, &answer, &limits, now + DAY - 1) else { panic!("it goes") };
    assert!(why.starts_with(UNTRIED) && why.contains(UNKNOWN) && why.contains("--lift ann@customer.test"), "{why}");
    assert_eq!(passage(&ann, &answer, &limits, now + DAY), Passage::Once);
    assert!(matches!(passage(&ann, &ack, &limits, now + DAY), Passage::Stopped(_)));
    assert_eq!(passage(&ann, &ack, &limits, now + 7 * DAY), Passage::Free, "it is over");
    s.w.opened.store.run(Cmd::TryRefused { person: s.ann, mail: answer.id, now: now + DAY }).await.unwrap();
    let ann = s.person(s.ann).await;
    assert_eq!(passage(&ann, &answer, &limits, now + DAY + 1), Passage::Once, "its own next try");
    answer.id = OutboxId(answer.id.0 + 1);
    assert!(matches!(passage(&ann, &answer, &limits, now + DAY + 1), Passage::Stopped(_)), "another one");
    assert_eq!(passage(&ann, &answer, &limits, now + 2 * DAY), Passage::Once);
}

#[tokio::test]
async fn mail_to_a_colleague_waits_for_one_try_a_day() {
    tried_once_a_day(true).await;
}

#[tokio::test]
async fn what_a_relay_takes_says_nothing_of_the_mailbox() {
    tried_once_a_day(false).await;
}

async fn tried_once_a_day(straight: bool) {
    let s = Story::new().await;
    let now = s.w.opened.clock.now();
    let limits = crate::config::Limits::default();
    let bob = s.w.agent("bob@agents.test", "Bob").await;
    s.w.mail(ANN, SUPPORT, "", "It burns again.").await;
    s.refuse_of(bob, MailKind::Notify, "550 5.1.1 <bob@agents.test> no such user", now).await;
    for n in 0..2 {
        s.w.mail(ANN, SUPPORT, "", &format!("It smokes {n}.")).await;
    }
    let rows = s.w.rows().await;
    let mut rows = rows.into_iter().rev().filter(|row| row.recipient == bob && row.kind == MailKind::Notify);
    let (last, first) = (rows.next().unwrap(), rows.next().unwrap());
    let why = |passage: Passage| match passage {
        Passage::Later(why, at) => (why.starts_with(UNTRIED), at - now),
        other => panic!("{other:?}"),
    };
    let person = s.person(bob).await;
    assert_eq!(why(passage(&person, &first, &limits, now)), (true, 3_600_000));
    assert_eq!(why(passage(&person, &first, &limits, now + DAY - 5)), (true, DAY));
    assert_eq!(passage(&person, &first, &limits, now + DAY), Passage::Once);
    assert!(matches!(passage(&person, &first, &limits, now + 5 * DAY - 1), Passage::Once));
    let run = |cmd| s.w.opened.store.run(cmd);
    run(Cmd::TryRefused { person: bob, mail: first.id, now: now + DAY }).await.unwrap();
    let second = run(Cmd::TryRefused { person: bob, mail: last.id, now: now + DAY }).await;
    assert!(matches!(second, Err(StoreError::Conflict(_))), "{second:?}");
    let person = s.person(bob).await;
    assert_eq!(why(passage(&person, &last, &limits, now + DAY)), (true, DAY + 3_600_000));
    let old = OutboxRow { created_at: now - 5 * DAY, ..last.clone() };
    assert!(matches!(passage(&person, &old, &limits, now + DAY), Passage::Stopped(_)), "nothing waits for ever");
    // The one that was tried is taken by the server of the mailbox: the next one goes, and does not wait for its hour.
    let Outcome::Outbox(claimed) = run(Cmd::ClaimOutbox { node: s.w.node, now: i64::MAX, limit: 50, away: Vec::new() }).await.unwrap()
    else {
        panic!("not claimed")
    };
    let settle = async |id, settled, straight| {
        let changes = crate::model::changes::Changes { at: now + DAY, ..Default::default() };
        run(Cmd::Settle(Box::new(Settlement { node: s.w.node, id, settled, straight, now: now + DAY, changes }))).await.unwrap();
    };
    assert!([first.id, last.id].iter().all(|id| claimed.iter().any(|row| row.id == *id)));
    settle(last.id, Settled::Postponed(format!("{UNTRIED} x"), now + DAY + 3_600_000), true).await;
    settle(first.id, Settled::Sent("250 ok".into()), straight).await;
    let (person, waiting) = (s.person(bob).await, s.w.rows().await.into_iter().find(|row| row.id == last.id).unwrap());
    let passes = passage(&person, &last, &limits, now + DAY);
    if straight {
        assert_eq!((waiting.due_at, passes), (now + DAY, Passage::Free));
    } else {
        assert_eq!((waiting.due_at, why(passes)), (now + DAY + 3_600_000, (true, DAY + 3_600_000)));
    }
}

#[tokio::test]
async fn where_no_admin_can_be_reached_the_other_agents_are_told() {
    let s = Story::new().await;
    let now = s.w.opened.clock.now();
    s.w.agent("bob@agents.test", "Bob").await;
    s.w.mail(ANN, SUPPORT, "", "It burns again.").await;
    s.refuse_of(JANE, MailKind::Notify, "550 5.1.1 <agent@desk.localhost> no such user", now).await;
    let told = s.w.outbox().await.into_iter().filter(|row| row.starts_with("undeliverable")).collect::<Vec<_>>();
    assert_eq!(told, ["undeliverable bob@agents.test"], "the only admin's mailbox is the dead one");
}

#[tokio::test]
async fn who_writes_is_there() {
    let s = Story::new().await;
    let now = s.w.opened.clock.now();
    let refused = async || {
        s.refuse(MailKind::Answer, UNKNOWN, now).await;
        s.w.mail(JANES, &s.w.address(Purpose::Answer, JANE, 1).await, "", "Again.").await;
    };
    refused().await;
    assert!(s.is_suppressed(s.ann).await);
    // Somebody who only says to be Ann, and an old mail of hers once more.
    let old = s.w.opened.store.blob(&s.w.opened.store.inbox_item(crate::model::InboxId(1)).await.unwrap().unwrap().blob).await.unwrap();
    assert_eq!(s.w.raw(ANN, &[SUPPORT], &old).await.reason, "duplicate");
    let mut envelope = s.w.envelope(ANN, &[SUPPORT]);
    envelope.verdict = Some(crate::model::Verdict::default());
    s.w.keep(envelope, b"From: ann@customer.test\r\nSubject: forged\r\n\r\nHi\r\n").await;
    s.w.decide_all().await;
    assert!(s.is_suppressed(s.ann).await);
    s.w.mail(ANN, SUPPORT, "", "I am back.").await;
    assert!(!s.is_suppressed(s.ann).await);
    assert!(s.person(s.ann).await.refusal.is_none(), "and nothing is held against her");
    refused().await;
    assert!(s.is_suppressed(s.ann).await);
    let lift = || s.w.opened.store.run(Cmd::LiftRefusal { key: "ann@customer.test".into(), now });
    lift().await.unwrap();
    assert!(!s.is_suppressed(s.ann).await);
    assert!(matches!(lift().await, Err(StoreError::NotFound(_))));
}

#[tokio::test]
async fn every_proof_of_who_writes_counts_and_an_old_mail_does_not() {
    let spf = Verdict { aligned: true, by: Some(By::Spf), dmarc: Some("pass".into()), ..Verdict::default() };
    let denied = Verdict { dmarc: Some("fail".into()), policy: Some("none".into()), ..Verdict::default() };
    let plain = Verdict::default();
    for (verdict, own, someone, since, is_back) in [
        (&spf, false, false, 0, true),
        (&plain, false, false, 0, false),
        (&plain, true, false, 0, true),
        (&plain, false, true, 0, false),
        (&denied, true, false, 0, false),
        (&spf, false, false, 3_600_000, false),
    ] {
        let s = Story::new().await;
        let to = match (own, someone) {
            (true, _) => s.w.address(Purpose::Customer, s.ann, 1).await,
            (_, true) => s.w.address(Purpose::Customer, JANE, 1).await,
            _ => SUPPORT.to_owned(),
        };
        s.refuse(MailKind::Answer, UNKNOWN, s.w.opened.clock.now() - 1_000 + since).await;
        let mut envelope = s.w.envelope(ANN, &[&to]);
        envelope.verdict = Some(verdict.clone());
        let raw = format!("From: {ANN}\r\nTo: {to}\r\nSubject: I am back\r\nMessage-ID: <back@customer.test>\r\n\r\nHi\r\n");
        s.w.keep(envelope, raw.as_bytes()).await;
        s.w.decide_all().await;
        assert_eq!(s.is_suppressed(s.ann).await, !is_back, "{verdict:?} {own} {someone} {since}");
    }
}

#[tokio::test]
async fn admins_hear_once_that_a_colleague_gets_no_mail() {
    let s = Story::new().await;
    let now = s.w.opened.clock.now();
    let bob = s.w.agent("bob@agents.test", "Bob").await;
    let told = async || s.w.outbox().await.into_iter().filter(|row| row.starts_with("undeliverable")).collect::<Vec<_>>();
    let reply = "550 5.1.1 <bob@agents.test> no such user";
    for n in 0..3 {
        s.w.mail(ANN, SUPPORT, "", &format!("It burns {n}.")).await;
        s.refuse(MailKind::Notify, reply, now + n).await;
    }
    assert!(s.is_suppressed(bob).await && s.is_suppressed(JANE).await, "all notifications were refused");
    let all = told().await;
    assert!(all.len() <= 2 && all.iter().any(|row| row.ends_with("agent@desk.localhost")), "{all:?}");
    let counts = s.w.opened.store.counts(now).await.unwrap();
    assert_eq!((counts.suppressed.count, counts.undeliverable.count), (2, 2));
    // Bob writes: his mailbox is there.
    s.w.mail("Bob <bob@agents.test>", SUPPORT, "", "Hello?").await;
    assert!(!s.is_suppressed(bob).await);
}

#[tokio::test]
async fn a_mail_that_is_refused_for_what_is_in_it_silences_nobody() {
    let s = Story::new().await;
    let now = s.w.opened.clock.now();
    let bob = s.w.agent("bob@agents.test", "Bob").await;
    for n in 0..6 {
        s.w.mail(ANN, SUPPORT, "", &format!("Buy {n}.")).await;
        let reply = ["554 5.7.1 looks like spam", "554 message rejected", "552 5.3.4 too big"][n % 3];
        s.refuse(MailKind::Notify, reply, now).await;
    }
    assert!(!s.is_suppressed(bob).await && !s.is_suppressed(JANE).await);
}

#[tokio::test]
async fn admins_hear_of_the_next_suppression_too() {
    let s = Story::new().await;
    let now = s.w.opened.clock.now();
    let bob = s.w.agent("bob@agents.test", "Bob").await;
    let told = async || s.w.outbox().await.into_iter().filter(|row| row == "undeliverable agent@desk.localhost").count();
    for (n, at) in [now, now + 8 * DAY].into_iter().enumerate() {
        s.w.mail(ANN, SUPPORT, "", &format!("It burns {n}.")).await;
        s.refuse_of(bob, MailKind::Notify, "550 5.1.1 <bob@agents.test> no such user", at).await;
        assert_eq!(told().await, n + 1);
    }
}

#[tokio::test]
async fn what_was_never_tried_is_told_to_its_author_alone() {
    let s = Story::new().await;
    let (now, before) = (s.w.opened.clock.now(), s.w.messages(1).await.len());
    s.refuse(MailKind::Answer, &format!("{UNTRIED} this address refused mail on 2026-11-21: {UNKNOWN}"), now).await;
    let messages = s.w.messages(1).await;
    assert_eq!(messages.len(), before + 1);
    assert!(messages[before].text.contains("was not sent: this address refused mail on 2026-11-21"), "{}", messages[before].text);
    assert!(s.person(s.ann).await.refusal.is_none(), "no server has said anything");
    assert_eq!(s.row(MailKind::Failed).await.recipient, JANE);
    s.w.mail(ANN, &s.w.address(Purpose::Customer, s.ann, 1).await, "", "Hello?").await;
    let before = s.w.messages(1).await.len();
    s.refuse(MailKind::Notify, &format!("{UNTRIED} this address refused mail"), now).await;
    assert_eq!(s.w.messages(1).await.len(), before, "a notification is not worth a line of the ticket");
}
