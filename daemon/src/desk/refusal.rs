//! What a refusal says of an address, and for how long nothing is sent there.

use crate::clock::{millis, rfc3339};
use crate::config::Limits;
use crate::model::address::{fold, written};
use crate::model::outgoing::{MailKind, OutboxRow, Params};
use crate::model::people::Person;
use crate::model::refusal::{Refusal, UNTRIED};
use crate::model::text::one_line;
use crate::model::understood::BounceRecipient;
use crate::understand::{refusal_reason, refusal_status};

use super::audience;
use super::ledger::Ledger;

const DAY: i64 = 86_400_000;
/// How long nothing is sent after too many refusals that may pass, in ms.
const PAUSE: i64 = DAY;
/// What waits for a mailbox looks so often whether mail goes there again, in ms.
const LOOK: i64 = DAY / 24;
/// Characters of a reply that are kept.
const REPLY: usize = 500;

/// What a refusal says of the address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Weight {
    /// There is nobody at it.
    Hard,
    /// It took no mail this time: a full mailbox, a server that was never there.
    Soft,
}

/// What a server's last words say of the address; nothing when no server has spoken of it, or when it has spoken of us, in answer to
/// MAIL or before, which its words then begin with. That there is nobody is believed of an enhanced code that says so, or of words
/// that name the address.
pub(super) fn of_reply(reply: &str, address: &str) -> Option<Weight> {
    let code = reply.split([' ', '-']).next().filter(|code| code.len() == 3 && code.bytes().all(|b| b.is_ascii_digit()))?;
    let status = refusal_status(reply);
    // As it was written to the server, or as it stands here.
    let (reply_folded, address) = (fold(reply), fold(address));
    let is_named = reply_folded.contains(&address) || reply_folded.contains(&*written(&address));
    let permanent = match status.as_deref() {
        Some(status) => code.starts_with('5') && status.starts_with('5') && is_nobody(status),
        None => matches!(code, "550" | "551" | "553") && is_named,
    };
    of(permanent, status.as_deref(), refusal_reason(status.as_deref(), reply), reply)
}

/// What a report of a failed delivery says of the address that the mail went to. What it says of another one may be the
/// end of a forwarding or a forgery: that counts as little as possible. `None`: it names no recipient, so it may be about the mail.
pub(super) fn of_report(told: Option<&BounceRecipient>, address: &str) -> Option<Weight> {
    let told = told?;
    if told.action.as_deref().is_some_and(|action| !matches!(action, "failed" | "expired")) {
        return None;
    }
    let is_theirs = told.address.as_deref().is_none_or(|named| is_same(named, address));
    let permanent = is_theirs && told.status.as_deref().is_some_and(|status| status.starts_with('5') && is_nobody(status));
    of(permanent, told.status.as_deref(), &told.reason, told.diagnostic.as_deref().unwrap_or_default())
}

/// Of the recipients of a report the one that the mail went to, else the first.
pub(super) fn about<'b>(recipients: &'b [BounceRecipient], address: &str) -> Option<&'b BounceRecipient> {
    let named = |r: &&BounceRecipient| r.address.as_deref().is_some_and(|named| is_same(named, address));
    recipients.iter().find(named).or(recipients.first())
}

fn is_same(one: &str, other: &str) -> bool {
    written(&fold(one)) == written(&fold(other))
}

/// Whether an enhanced status code says that there is no such mailbox, or no such domain (RFC 3463 §3.2, RFC 7505 §4.2).
fn is_nobody(status: &str) -> bool {
    matches!(status.split_once('.').map(|(_, detail)| detail), Some("1.1" | "1.2" | "1.10"))
}

/// Words about our own sender address, which the recipient cannot help.
const OF_SENDER: [&str; 6] = ["sender verif", "sender address", "verification failed", "verify failed", "callout", "sender rejected"];

/// What anybody can bring about with what they write must not silence whom it is sent on to: of a policy, a filter or a size
/// nothing is learned about the address.
fn of(permanent: bool, status: Option<&str>, reason: &str, said: &str) -> Option<Weight> {
    let said = said.to_lowercase();
    let detail = status.and_then(|status| status.split_once('.')).map_or("", |(_, detail)| detail);
    let of_mail = ["7.", "6."].iter().any(|subject| detail.starts_with(subject));
    let of_sender = matches!(detail, "1.7" | "1.8") || OF_SENDER.iter().any(|words| said.contains(words));
    if of_mail || of_sender {
        return None;
    }
    match reason {
        "user_unknown" | "domain_error" if permanent => Some(Weight::Hard),
        "user_unknown" | "domain_error" | "mailbox_full" | "expired" | "network" => Some(Weight::Soft),
        _ => None,
    }
}

/// What is known of an address after one more refusal at `now` (ms).
fn after(before: Option<&Refusal>, weight: Weight, reply: &str, limits: &Limits, now: i64) -> Refusal {
    let mut after = before.cloned().unwrap_or_default();
    after.refused_at = now;
    after.reply = one_line(reply, REPLY);
    match weight {
        Weight::Hard => {
            // What was on its way when the first one was refused is refused for the same reason.
            if after.hard == 0 || !after.is_suppressed(now) {
                after.hard += 1;
            }
            let doublings = u32::try_from(after.hard - 1).unwrap_or(0).min(20);
            let span = millis(limits.suppress_first).saturating_mul(1 << doublings).min(millis(limits.suppress_most));
            after.until = after.until.max(now.saturating_add(span));
        }
        Weight::Soft => {
            if now - after.soft_since > millis(limits.soft_refusals_within) {
                (after.soft, after.soft_since) = (0, now);
            }
            after.soft += 1;
            if after.soft >= i64::from(limits.soft_refusals) {
                after.soft = 0;
                after.until = after.until.max(now + PAUSE);
            }
        }
    }
    after.until = after.until.max(now);
    after
}

/// Notes what the address of a mail has refused; when from now on somebody who works here gets no mail, admins are told once.
pub(super) fn note(ledger: &mut Ledger<'_>, row: &OutboxRow, weight: Option<Weight>, reply: &str) {
    let (Some(weight), Some(person)) = (weight, ledger.facts.person(row.recipient)) else { return };
    // Somebody's other address is not the one that mail goes to.
    if !is_same(&row.address, &person.address) {
        return;
    }
    let mut refusal = after(person.refusal.as_deref(), weight, reply, &ledger.desk.config.limits, ledger.now);
    // Each suppression is told of: the last one may have been mended, and this one be another trouble.
    refusal.told &= person.refusal.as_ref().is_some_and(|before| before.is_suppressed(ledger.now));
    if person.is_active_agent() && refusal.is_suppressed(ledger.now) && !refusal.told {
        refusal.told = true;
        for admin in audience::admins_but(Some(person.id), ledger.facts, ledger.now) {
            let params = Params { outbox: Some(row.id), actor: Some(person.id), lines: vec![refusal.reply.clone()], ..Params::default() };
            ledger.send(MailKind::Undeliverable, admin, None, None, params);
        }
    }
    ledger.changes.refusals.push((person.id, refusal));
}

fn day(at: i64) -> String {
    rfc3339(at).split('T').next().unwrap_or_default().to_owned()
}

/// What becomes of a mail to an address that may have refused some.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Passage {
    /// It goes.
    Free,
    /// It goes, and is noted: the next one does not.
    Once,
    /// It waits, and why, until a time in ms.
    Later(String, i64),
    /// It does not, and why.
    Stopped(String),
}

/// Whether a mail to `person` goes at `now` (ms). One try a day costs nobody anything: of the answers to a customer, for who
/// writes one by hand may know that the mailbox is there again; of all mail to who works here. What of that is not tried waits
/// for the day when the mailbox takes mail again, as long as any mail waits for its server.
pub fn passage(person: &Person, row: &OutboxRow, limits: &Limits, now: i64) -> Passage {
    if let Some(at) = person.complained(&row.address).filter(|_| row.kind == MailKind::Ack) {
        return Passage::Stopped(format!(
            "{UNTRIED} a mail of ours was reported as unwanted there on {}; nothing automatic is sent to it, until \
             `ombud queue suppressed --lift {}`",
            day(at),
            person.address,
        ));
    }
    let Some(refusal) = person.suppressed(&row.address, now) else { return Passage::Free };
    let of_desk = person.is_active_agent() && !matches!(row.kind, MailKind::Answer | MailKind::Ack);
    let tried_at = refusal.tried.filter(|(mail, _)| *mail != row.id).map_or(i64::MIN, |(_, at)| at);
    let next = refusal.refused_at.max(tried_at).saturating_add(DAY);
    if now >= next && (of_desk || row.kind == MailKind::Answer) {
        return Passage::Once;
    }
    let why = format!(
        "{UNTRIED} this address refused mail on {}: {}; mail goes there again after {}, or as soon as they write from it, \
         or `ombud queue suppressed --lift {}`",
        day(refusal.refused_at),
        refusal.reply,
        day(refusal.until),
        person.address,
    );
    let is_fresh = now.saturating_sub(row.created_at) < millis(limits.give_up_after);
    if of_desk && is_fresh { Passage::Later(why, next.min(now.saturating_add(LOOK))) } else { Passage::Stopped(why) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(address: &str, status: &str, reason: &str, action: &str) -> BounceRecipient {
        let some = |text: &str| Some(text.to_owned()).filter(|t| !t.is_empty());
        BounceRecipient { address: some(address), status: some(status), action: some(action), reason: reason.into(), diagnostic: None }
    }

    #[test]
    fn only_who_is_not_there_is_refused_hard() {
        for (reply, weight) in [
            ("550 5.1.1 <ann@x.test>: User unknown", Some(Weight::Hard)),
            ("550 <Ann@x.test>: no such user here", Some(Weight::Hard)),
            ("550 no such user here", Some(Weight::Soft)),
            ("554 ann@x.test: user unknown", Some(Weight::Soft)),
            ("550 5.0.0 <ann@x.test>: User unknown", Some(Weight::Soft)),
            ("550 5.1.2 the domain x.test does not exist", Some(Weight::Hard)),
            ("556 5.1.10 the domain x.test takes no mail (null MX)", Some(Weight::Hard)),
            ("552 5.2.2 mailbox full", Some(Weight::Soft)),
            ("450 4.2.1 try again later", Some(Weight::Soft)),
            ("450 4.1.1 user unknown", Some(Weight::Soft)),
            ("554 5.7.1 looks like spam", None),
            ("554 this looks like spam", None),
            ("554 message rejected", None),
            ("550 5.6.0 malformed MIME", None),
            ("550 5.7.1 user unknown to our policy", None),
            ("550 5.1.8 Sender address rejected: user unknown", None),
            ("550 5.1.1 Sender verify failed: user unknown", None),
            ("550 Verification failed for <desk@y.test>, callout said: no such user ann@x.test", None),
            ("552 5.3.4 message too large", None),
            ("MAIL: 550 5.1.1 <ann@x.test>: User unknown", None),
            ("MAIL: 450 4.1.1 user unknown", None),
            ("connection refused", None),
            ("dropped by an admin", None),
            ("stopped by the desk: user unknown", None),
            ("not tried: this address refused mail on 2026-11-21: 550 5.1.1 User unknown", None),
        ] {
            assert_eq!(of_reply(reply, "ann@x.test"), weight, "{reply}");
        }
    }

    #[test]
    fn an_address_beyond_ascii_is_known_as_it_was_written_to_the_server() {
        let reply = "550 <ann@xn--bcher-kva.test> no such user";
        assert_eq!(of_reply(reply, "Ann@Bücher.test"), Some(Weight::Hard));
        let recipient = told("ann@xn--bcher-kva.test", "5.1.1", "user_unknown", "failed");
        assert_eq!(of_report(Some(&recipient), "Ann@Bücher.test"), Some(Weight::Hard));
    }

    #[test]
    fn a_report_counts_for_the_address_that_the_mail_went_to() {
        for (recipient, weight) in [
            (told("ANN@x.test", "5.1.1", "user_unknown", "failed"), Some(Weight::Hard)),
            (told("", "5.1.1", "user_unknown", "failed"), Some(Weight::Hard)),
            (told("bob@x.test", "5.1.1", "user_unknown", "failed"), Some(Weight::Soft)),
            (told("ann@x.test", "4.4.7", "expired", "failed"), Some(Weight::Soft)),
            (told("ann@x.test", "4.1.1", "user_unknown", "failed"), Some(Weight::Soft)),
            (told("ann@x.test", "5.7.1", "spam", "failed"), None),
            (told("ann@x.test", "5.0.0", "policy", "failed"), None),
            (told("ann@x.test", "5.0.0", "user_unknown", "failed"), Some(Weight::Soft)),
            (told("ann@x.test", "5.3.4", "message_too_large", "failed"), None),
            (told("ann@x.test", "5.1.1", "user_unknown", "delayed"), None),
            (told("ann@x.test", "5.1.1", "user_unknown", "delivered"), None),
            (told("ann@x.test", "5.1.1", "user_unknown", "relayed"), None),
        ] {
            assert_eq!(of_report(Some(&recipient), "ann@x.test"), weight, "{recipient:?}");
        }
        assert_eq!(of_report(None, "ann@x.test"), None);
        let all = [told("bob@x.test", "5.1.1", "user_unknown", "failed"), told("Ann@x.test", "4.4.1", "network", "delayed")];
        assert_eq!(about(&all, "ann@x.test"), Some(&all[1]));
        assert_eq!(about(&all, "eve@x.test"), Some(&all[0]));
    }

    #[test]
    fn a_suppression_doubles_and_ends() {
        let limits = Limits::default();
        let (mut known, mut now) = (None, 1_000_000 * DAY);
        for days in [7, 14, 28, 56, 90, 90] {
            let next = after(known.as_ref(), Weight::Hard, "550 5.1.1 no", &limits, now);
            assert_eq!((next.until - now) / DAY, days);
            // A second mail that was on its way.
            let again = after(Some(&next), Weight::Hard, "550 5.1.1 no", &limits, now + 1);
            assert_eq!((again.hard, again.until - now), (next.hard, next.until - now + 1));
            now = next.until;
            assert!(!next.is_suppressed(now));
            known = Some(next);
        }
    }

    #[test]
    fn five_soft_refusals_in_a_week_are_a_day_of_rest() {
        let limits = Limits::default();
        let mut known: Option<Refusal> = None;
        for n in 0..5 {
            assert!(!known.as_ref().is_some_and(|r| r.is_suppressed(n * DAY)));
            known = Some(after(known.as_ref(), Weight::Soft, "552 5.2.2 full", &limits, n * DAY));
        }
        assert_eq!(known.map(|r| (r.until, r.hard)), Some((5 * DAY, 0)));
        let mut slow: Option<Refusal> = None;
        for n in 0..20 {
            slow = Some(after(slow.as_ref(), Weight::Soft, "552 5.2.2 full", &limits, n * 2 * DAY));
            assert!(!slow.as_ref().is_some_and(|r| r.is_suppressed(n * 2 * DAY)), "{n}");
        }
    }
}
