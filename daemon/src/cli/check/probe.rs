//! `ombud check --probe`: a mail out and in again, and what became of it on the way.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{Report, State, domains};
use crate::app::Opened;
use crate::cli::failure::Failure;
use crate::cli::open;
use crate::config::Config;
use crate::desk::addresses::Recipient;
use crate::desk::probe::{Leg, Marks, marks, of_subject};
use crate::model::address::{fold, split};
use crate::model::changes::Fate;
use crate::model::{By, InboxId, MailboxId, Understood};
use crate::send::relay::{Exit, Exits, Timeouts};
use crate::send::{dkim, probe};
use crate::store::read::{InboxFilter, InboxItem};
use crate::understand::{Limits, understand};
use crate::verify;

/// How often the inbox is looked at.
const LOOK: Duration = Duration::from_millis(250);
/// Mails of one look.
const PAGE: usize = 200;
/// When one of two has come back, the other is waited for at most so much longer.
const AFTERWARDS: Duration = Duration::from_secs(10);
/// A person waits for this: no step of handing a mail over takes longer.
const PATIENCE: Duration = Duration::from_secs(20);

/// Sends probes to `address` and adds what is found. `wait` in ms.
pub(super) async fn run(config: &Config, address: &str, wait: i64, report: &mut Report) -> Result<(), Failure> {
    let opened = open(config.clone()).await?;
    let done = tried(&opened, address, Duration::from_millis(wait.unsigned_abs()), report).await;
    opened.store.close().await;
    done
}

async fn tried(opened: &Opened, address: &str, wait: Duration, report: &mut Report) -> Result<(), Failure> {
    let timeouts = Timeouts { connect: PATIENCE, reply: PATIENCE, data: PATIENCE, dot: PATIENCE, ..Timeouts::default() };
    let exits = match Exits::hurried(&opened.config, timeouts) {
        Ok(exits) => exits,
        Err(error) => {
            report.add("probe", State::Bad, error.to_string());
            return Ok(());
        }
    };
    let exit_of = |id| exits.of_mailbox(opened.desk.book.mailbox(id).map_or("", |mailbox| &mailbox.address));
    let mailbox = match opened.desk.book.classify(address) {
        Recipient::Mailbox(id, None) => {
            round(opened, exit_of(id), id, address, wait, report).await?;
            id
        }
        Recipient::Foreign => {
            let Some(id) = opened.desk.book.first() else { return Err(Failure::data("no mailbox is configured")) };
            outside(opened, exit_of(id), id, address, report).await;
            id
        }
        _ => {
            return Err(Failure::data(format!(
                "{address} is a signed or special address of the desk: name a mailbox, or an address elsewhere"
            )));
        }
    };
    let from = opened.desk.book.mailbox(mailbox).map_or("", |m| m.address.as_str());
    // Where nobody is verified there may be no DNS at all.
    if let (None, Some((_, domain))) = (verify::at_once(&opened.config), split(from)) {
        domains::look(opened.config.authentication.resolver, domain, report).await;
    }
    Ok(())
}

/// A number that no other probe of this desk has: 1/64 s since 1970.
fn number(now: i64) -> i64 {
    now / 16
}

async fn outside(opened: &Opened, exit: &Exit, mailbox: MailboxId, address: &str, report: &mut Report) {
    let now = opened.clock.now();
    let marks = marks(&opened.desk, mailbox, number(now), Leg::Plain, now);
    match Box::pin(probe(&opened.desk, exit, mailbox, &marks, address, now)).await {
        Ok(reply) => {
            report.add("probe", State::Ok, format!("left for {address}: {reply}"));
            report.add("probe", State::Note, format!("look for \"{}\" there, in the junk folder, too", marks.subject));
            report.add("probe", State::Note, "its source should say dkim=pass, and spf=pass or dmarc=pass, for the domain in From");
            let answer = "answer it: the answer should go to the address in Reply-To, and `ombud inbox list` shows it as `probe`";
            report.add("probe", State::Note, answer);
        }
        Err(reply) => report.add("probe", State::Bad, format!("{address} was not reached: {reply}")),
    }
}

/// What came back.
struct Back {
    item: InboxItem,
    mail: Understood,
}

async fn round(
    opened: &Opened,
    exit: &Exit,
    mailbox: MailboxId,
    address: &str,
    wait: Duration,
    report: &mut Report,
) -> Result<(), Failure> {
    if !is_alive(opened).await? {
        report.add("probe", State::Bad, "no daemon of this desk runs, so nothing could come back: start `ombud serve` first");
        return Ok(());
    }
    let (now, before) = (opened.clock.now(), newest(opened).await?);
    let number = number(now);
    let both = [Leg::Signed, Leg::Plain].map(|leg| marks(&opened.desk, mailbox, number, leg, now));
    let [signed, plain] = &both;
    for (marks, to) in [(signed, signed.address.as_str()), (plain, address)] {
        match Box::pin(probe(&opened.desk, exit, mailbox, marks, to, now)).await {
            Ok(reply) => report.add("probe", State::Ok, format!("left for {to}: {reply}")),
            Err(reply) => report.add("probe", State::Bad, format!("{to} was not reached: {reply}")),
        }
    }
    if report.bad() == 2 {
        return Ok(());
    }
    let (by_signed, by_plain) = back(opened, before, number, wait).await?;
    judge(opened, mailbox, &both, by_signed.as_ref(), by_plain.as_ref(), wait, report);
    Ok(())
}

/// Whether a process takes mail in.
async fn is_alive(opened: &Opened) -> Result<bool, Failure> {
    let (now, silence) = (opened.clock.now(), crate::clock::millis(opened.config.limits.node_silence));
    let counts = opened.store.counts(now).await?;
    Ok(counts.nodes.iter().any(|node| !node.dead && now - node.beat_at < silence))
}

async fn newest(opened: &Opened) -> Result<InboxId, Failure> {
    let page = opened.store.inbox(&InboxFilter { limit: 1, ..InboxFilter::default() }).await?;
    Ok(page.items.first().map_or(InboxId(0), |item| item.id))
}

/// Waits for both; when one of them has come, not for long for the other.
async fn back(opened: &Opened, before: InboxId, number: i64, wait: Duration) -> Result<(Option<Back>, Option<Back>), Failure> {
    let (mut signed, mut plain) = (None, None);
    let mut end = Instant::now() + wait;
    loop {
        let filter = InboxFilter { fate: Some(Fate::Automatic), limit: PAGE, ..InboxFilter::default() };
        for item in opened.store.inbox(&filter).await?.items.into_iter().take_while(|item| item.id > before) {
            match of_subject(&opened.desk, &item.subject) {
                Some((of, true)) if of == number && signed.is_none() => signed = Some(item),
                Some((of, false)) if of == number && plain.is_none() => plain = Some(item),
                _ => {}
            }
        }
        if signed.is_some() || plain.is_some() {
            end = end.min(Instant::now() + AFTERWARDS);
        }
        if (signed.is_some() && plain.is_some()) || Instant::now() >= end {
            return Ok((read(opened, signed).await?, read(opened, plain).await?));
        }
        sleep(LOOK).await;
    }
}

async fn read(opened: &Opened, item: Option<InboxItem>) -> Result<Option<Back>, Failure> {
    let Some(item) = item else { return Ok(None) };
    let raw = opened.store.blob(&item.blob).await?;
    let mail = understand(&raw, &Limits::from(&opened.config.limits));
    Ok(Some(Back { item, mail }))
}

/// What the way has done to them, each with what to mend.
fn judge(
    opened: &Opened,
    mailbox: MailboxId,
    sent: &[Marks; 2],
    signed: Option<&Back>,
    plain: Option<&Back>,
    wait: Duration,
    report: &mut Report,
) {
    let [to_signed, to_plain] = sent;
    let Some((back, marks)) = signed.map(|back| (back, to_signed)).or(plain.map(|back| (back, to_plain))) else {
        let text = "nothing came back within";
        let mend = "look into the relay's log, and whether the MX of the domain, or what fetches its mail, leads here; mail that takes \
             longer needs --wait 5m";
        return report.add("probe", State::Bad, format!("{text} {} s: {mend}", wait.as_secs()));
    };
    let mend = "set `reply` of the mailbox to a form that survives, like \"support-{token}@example.com\" or \
         \"{token}@reply.example.com\", and have all such mail sent to the desk";
    let arrived = |back: &Back| back.item.envelope.recipients.iter().any(|r| fold(r) == fold(&to_signed.address));
    match signed {
        Some(back) if arrived(back) => report.add("signed address", State::Ok, "kept: answers find their ticket"),
        Some(back) => {
            let where_to = back.item.envelope.recipients.join(", ");
            report.add("signed address", State::Bad, format!("cut off on the way: it came to {where_to}; {mend}"));
        }
        None => report.add("signed address", State::Bad, format!("mail to it does not come back, while mail to the mailbox does; {mend}")),
    }
    if plain.is_none() {
        let mend = "look into the relay's log";
        report.add("mailbox", State::Bad, format!("mail to its own address does not come back, while mail to the signed one does: {mend}"));
    }
    match back.mail.message_id.as_deref() {
        Some(id) if id.eq_ignore_ascii_case(&marks.message_id) => report.add("message-id", State::Ok, "kept"),
        found => {
            let mend = "threads then hang on the signed addresses alone: have the relay leave the Message-ID as it is";
            report.add("message-id", State::Bad, format!("changed on the way to {}: {mend}", found.unwrap_or("none")));
        }
    }
    match back.mail.reply_to.iter().any(|a| a.key() == fold(&marks.reply_to)) {
        true => report.add("reply-to", State::Ok, "kept"),
        false => {
            report.add("reply-to", State::Bad, "changed on the way: customers' answers lose their ticket; have the relay leave it as it is")
        }
    }
    proof(opened, mailbox, back, report);
}

/// Whether others could tell that our mail is ours.
fn proof(opened: &Opened, mailbox: MailboxId, back: &Back, report: &mut Report) {
    let verdict = back.item.verdict().unwrap_or_default();
    let domain = opened.desk.book.mailbox(mailbox).map_or(String::new(), |m| dkim::domain_of(&m.address));
    match verdict.by {
        Some(By::Dkim) if verdict.aligned => report.add("dkim", State::Ok, verdict.in_words()),
        Some(By::Nobody) => report.add("dkim", State::Note, "not looked at: [authentication] require = \"none\" believes every From"),
        _ => {
            let mend = format!("`ombud keys show` says what the DNS of {domain} needs; or the relay signs, or changes what was signed");
            report.add("dkim", State::Note, format!("came back without an aligned signature, {}: {mend}", verdict.in_words()));
        }
    }
}
