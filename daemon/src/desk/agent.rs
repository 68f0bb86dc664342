//! An agent's mail to an address of theirs: the public answer, the note, the commands.

use crate::model::PersonId;
use crate::model::changes::{Changes, Fate, MessageRef, PersonRef, TicketRef};
use crate::model::facts::{CountKey, Keys, TicketFacts};
use crate::model::outgoing::{MailKind, Params};
use crate::model::people::Person;
use crate::model::text::one_line;
use crate::model::ticket::{MessageKind, Standing, Status, Ticket};

use super::author::Author;
use super::commands::{Block, Command, parse, says_note};
use super::draft::Draft;
use super::execute::{self, assign};
use super::inside::{self, Inside};
use super::ledger::actor;
use super::recipients::Addressed;
use super::thread::Place;
use super::token::Purpose;
use super::{Known, answer, audience, collision, customer, hold, need, tell};

/// Carries out what a proven agent asks.
pub(super) fn act(mut draft: Draft<'_>, to: &Addressed, place: &Place<'_>) -> Known<Changes> {
    let Some(agent) = place.owner.and_then(|owner| draft.facts.person(owner)).cloned() else {
        return Ok(hold::for_admins(draft, "author", "the agent of this address is unknown"));
    };
    let Some(t) = place.ticket else {
        let why = "nothing, for commands to your desk address are not built yet; answer a ticket's mail instead";
        draft.send(MailKind::Receipt, &agent, None, None, Params { lines: vec![why.to_owned()], ..Params::default() });
        return Ok(draft.fate(Fate::Message, None, "desk", why));
    };
    need(draft.facts, Keys { last_words: [(t.ticket.id, place.turn)].into(), ..Keys::default() })?;
    let id = Some(TicketRef::Id(t.ticket.id));
    let note_address = to.note || place.purpose == Some(Purpose::Note);
    let block = match read(&draft, t, place) {
        Ok(block) => block,
        Err((reason, detail)) => return Ok(hold::for_agent(draft, &agent, id, reason, &detail)),
    };
    // `@spam` mails nothing: a remark beside it is for us.
    let stays = |c: &Command| matches!(c, Command::Note | Command::Status(Status::Spam));
    let note = note_address || block.commands.iter().any(stays) || block.note_inside;
    if !note && let Some((reason, detail)) = objection(&mut draft, &agent, t, place, &block)? {
        return Ok(hold::for_agent(draft, &agent, id, reason, &detail));
    }
    write(draft, &agent, t, place, &block, note)
}

type Objection = (&'static str, String);

/// Commands and text of the mail; text alone, as it stands, when the agent has said so after a line was not clear.
fn read(draft: &Draft<'_>, t: &TicketFacts, place: &Place<'_>) -> Result<Block, Objection> {
    let u = draft.mail.understood;
    let theirs = draft.facts.last_words.get(&(t.ticket.id, place.turn)).map_or("", String::as_str);
    let text = answer::text(u, theirs);
    let unmarked = answer::unmarked(u, theirs);
    if draft.mail.has_passed("command_error") || draft.mail.has_passed("near_miss") {
        let text = format!("{text}\n\n{}", unmarked.join("\n")).trim().to_owned();
        return Ok(Block { commands: Vec::new(), note_inside: says_note(&text), text });
    }
    let block = parse(&text, &names(draft, t)).map_err(|wrong| (wrong.reason, format!("{}: {}", wrong.line, wrong.why)))?;
    if let Some(line) = unmarked.first() {
        let why = "it was taken for the beginning of a quote, but nothing marks it as one; begin quoted lines with >";
        return Err(("near_miss", format!("{}: {why}", one_line(line, 80))));
    }
    if answer::parts_disagree(u) {
        return Err(("near_miss", "the text part and the HTML part of your mail do not begin with the same commands".into()));
    }
    if block.text.is_empty() && block.commands.iter().all(|c| *c == Command::Note) && answer::attachments(u).is_empty() {
        return Err(("command_error", "no text of yours was found in it: write above the quoted mail".into()));
    }
    Ok(block)
}

/// Words of the names of the people here and of the requester.
fn names(draft: &Draft<'_>, t: &TicketFacts) -> Vec<String> {
    let requester = draft.facts.person(t.ticket.requester);
    let people = draft.facts.staff().iter().chain(requester);
    people.flat_map(|p| p.shown_name().to_lowercase().split_whitespace().map(str::to_owned).collect::<Vec<_>>()).collect()
}

/// Why a public answer must not leave as it is.
fn objection(draft: &mut Draft<'_>, agent: &Person, t: &TicketFacts, place: &Place<'_>, block: &Block) -> Known<Option<Objection>> {
    let attachments = answer::attachments(draft.mail.understood);
    if block.text.is_empty() && attachments.is_empty() {
        return Ok(None);
    }
    if attachments.iter().any(|a| a.content_type.starts_with("message/")) && !draft.mail.has_passed("leak") {
        return Ok(Some(("leak", "a whole mail is attached, which may be one of ours with notes and addresses in it".into())));
    }
    let passed = |reason| draft.mail.has_passed(reason);
    if let Some(trace) = leak(draft, t, place, &block.text, passed("leak"))? {
        return Ok(Some(("leak", trace)));
    }
    if t.ticket.merged_into.is_some() && !passed("collision") {
        return Ok(Some(("collision", "the ticket was merged into another".into())));
    }
    let hold = draft.desk.book.mailbox(t.ticket.mailbox).is_none_or(|m| m.collision == crate::config::Collision::Hold);
    if let Some(why) = collision::found(draft.desk, place, agent.id).filter(|_| hold && !passed("collision")) {
        return Ok(Some(("collision", why.to_owned())));
    }
    let key = CountKey::AnswersOf(agent.id, draft.now - 3_600_000);
    need(draft.facts, Keys { counts: [key.clone()].into(), ..Keys::default() })?;
    let sent = draft.facts.counts.get(&key).copied().unwrap_or(0);
    let cap = i64::from(draft.desk.config.limits.answers_per_agent_hour);
    if draft.mail.has_passed("rate") {
        return Ok(None);
    }
    if sent >= cap {
        return Ok(Some(("rate", format!("you have published {sent} answers within an hour"))));
    }
    draft.changes.guard.below.push((key, cap));
    Ok(None)
}

/// What in an answer must stay inside. An agent's word lets it through, but for signed addresses.
fn leak(draft: &Draft<'_>, t: &TicketFacts, place: &Place<'_>, text: &str, let_through: bool) -> Known<Option<String>> {
    let inside = Inside { book: &draft.desk.book, staff: draft.facts.staff() };
    if inside.has_address(text, None) {
        return Ok(Some("a signed address of this desk is left in it; that never leaves: answer again without it".into()));
    }
    if let_through {
        return Ok(None);
    }
    let id = t.ticket.id;
    need(draft.facts, Keys { notes: [id].into(), ..Keys::default() })?;
    let theirs = draft.facts.last_words.get(&(id, place.turn)).map_or("", String::as_str);
    let notes = draft.facts.notes.get(&id).map_or("", String::as_str);
    let of_note =
        || inside::note_line(text, notes, theirs).map(|line| format!("a line of an internal note is in it: {}", one_line(line, 80)));
    Ok(inside.found(text, "").or_else(of_note))
}

fn write(mut draft: Draft<'_>, agent: &Person, t: &TicketFacts, place: &Place<'_>, block: &Block, note: bool) -> Known<Changes> {
    let id = TicketRef::Id(t.ticket.id);
    let attachments = answer::attachments(draft.mail.understood);
    let says = !block.text.is_empty() || !attachments.is_empty();
    let mut after = t.ticket.clone();
    let message = says.then(|| {
        after.turn += 1;
        after.messages += 1;
        add(&mut draft, id, after.turn, agent.id, &block.text, &attachments, note)
    });
    if says && !note {
        if after.status == Status::Open {
            after.status = Status::Pending;
        }
        if after.assignee.is_none() {
            assign(&mut after, t, Some(agent.id), Some(agent.id));
        }
    }
    let mut receipt = match execute::all(&mut draft, &block.commands, agent, t, &mut after)? {
        Ok(receipt) => receipt,
        Err(impossible) => {
            let fresh = Draft::new(draft.desk, &draft.mail, draft.facts, draft.now);
            return Ok(hold::for_agent(fresh, agent, Some(id), "command_error", &impossible.0));
        }
    };
    match message {
        Some(message) if note => {
            let given = TicketFacts { ticket: after.clone(), ..t.clone() };
            tell::of_note(&mut draft, agent, &given, message, &block.text);
            if block.note_inside {
                receipt.push("kept as a note, because it says @note".into());
            }
        }
        Some(message) => receipt.extend(publish(&mut draft, agent, t, place, &after, message)),
        None => {}
    }
    tell::of_owner(&mut draft, Some(agent), t, &after, message.filter(|_| !note));
    execute::mute(&mut draft, &t.ticket, &after);
    let who = actor(agent.id);
    draft.refs(id);
    draft.update(&t.ticket, after, &who);
    if !receipt.is_empty() || agent.settings.receipts_all {
        draft.send(MailKind::Receipt, agent, Some(id), message, Params { lines: receipt, ..Params::default() });
    }
    let reason = match (note, says) {
        (true, _) => "note",
        (false, true) => "answer",
        (false, false) => "commands",
    };
    Ok(draft.fate(Fate::Message, Some(id), reason, ""))
}

fn add(
    draft: &mut Draft<'_>,
    ticket: TicketRef,
    turn: i64,
    agent: PersonId,
    text: &str,
    attachments: &[crate::model::understood::Attachment],
    note: bool,
) -> MessageRef {
    let kind = if note { MessageKind::Note } else { MessageKind::Agent };
    let message = draft.message(ticket, turn, kind, !note, PersonRef::Id(agent));
    if let Some(row) = draft.last_message() {
        text.clone_into(&mut row.text);
        text.clone_into(&mut row.reply_text);
        // What leaves is made from the text; the HTML of an agent's mail holds their quote and signature.
        row.html = None;
        row.attachments = serde_json::to_string(attachments).unwrap_or_else(|_| "[]".into());
    }
    let kind = if note { "note.added" } else { "message.received" };
    draft.event(kind, &actor(agent), Some(ticket), Some(message), serde_json::json!({}));
    message
}

/// Sends the answer to everybody on the ticket, one mail each; says what the agent should know.
fn publish(draft: &mut Draft<'_>, agent: &Person, t: &TicketFacts, place: &Place<'_>, after: &Ticket, message: MessageRef) -> Vec<String> {
    let id = TicketRef::Id(t.ticket.id);
    let mut receipt = Vec::new();
    tell::customers(draft, agent, t, message);
    let copied: Vec<_> = customer::copies(draft.desk, draft.mail.understood);
    for address in copied {
        let known = draft.facts.person_at(&address.key());
        let there = known.is_some_and(|p| p.is_staff() || t.participant(p.id).is_some());
        if !there {
            let person = draft.person(&address);
            draft.join(id, person, Standing::Cc);
            receipt
                .push(format!("{} has seen your own address, because you copied them; they get the next answers from us", address.address));
        }
    }
    if t.customer_turn > place.turn {
        receipt.push("your answer was sent; the customer had written again meanwhile".into());
    }
    let tells = draft.desk.book.mailbox(t.ticket.mailbox).is_some_and(|m| m.collision == crate::config::Collision::Tell);
    if let Some(why) = collision::found(draft.desk, place, agent.id).filter(|_| tells) {
        receipt.push(format!("your answer was sent, although {why}"));
    }
    let heard = audience::of_ticket(draft.facts, &TicketFacts { ticket: after.clone(), ..t.clone() });
    tell::agents(draft, heard, id, message, PersonRef::Id(agent.id));
    receipt
}

/// An agent wrote to an address that is not theirs, or answered a notification at the plain address: their words are
/// kept inside, and they are told that nothing was sent.
pub(super) fn note_by(mut draft: Draft<'_>, author: &Author, place: &Place<'_>) -> Known<Changes> {
    let agent = author.person(draft.facts).cloned();
    let Some((agent, t)) = agent.zip(place.ticket) else {
        return Ok(hold::for_admins(draft, "author", "it is from an agent, to an address that is not theirs"));
    };
    let id = TicketRef::Id(t.ticket.id);
    let text = answer::text(draft.mail.understood, "");
    let attachments = answer::attachments(draft.mail.understood);
    let mut after = t.ticket.clone();
    after.turn += 1;
    after.messages += 1;
    let message = add(&mut draft, id, after.turn, agent.id, &text, &attachments, true);
    tell::of_note(&mut draft, &agent, t, message, &text);
    draft.update(&t.ticket, after, &actor(agent.id));
    let line =
        "nothing was sent to the customer: your mail did not come to an answer address of yours, so it was kept as a note".to_owned();
    draft.send(MailKind::Receipt, &agent, Some(id), Some(message), Params { lines: vec![line], ..Params::default() });
    Ok(draft.fate(Fate::Message, Some(id), "note", "an agent's mail to an address that is not theirs"))
}
