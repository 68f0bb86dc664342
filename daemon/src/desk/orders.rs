//! Carries out an agent's mail to their desk address: all of it in one commit, or nothing.

use std::collections::BTreeMap;

use crate::model::changes::{Changes, Fate, MessageRef, NewRef, NewTicket, PersonRef, TicketRef};
use crate::model::facts::{Keys, TicketFacts};
use crate::model::outgoing::{MailKind, Params};
use crate::model::people::Person;
use crate::model::text::bare_subject;
use crate::model::ticket::{Standing, Status, Ticket};
use crate::model::{Address, MailboxId, TicketId};

use super::batch::{Block, New, Orders, parse};
use super::commands::Command;
use super::draft::Draft;
use super::execute::{self, Impossible, Receipt, assign};
use super::ledger::actor;
use super::recipients::Addressed;
use super::thread;
use super::{Known, agent, answer, audience, brake, customer, hold, need, opening, pictures, risk, tell};

/// What became of one ticket so far.
struct Work {
    after: Ticket,
    /// Something else than questions was asked.
    changes: bool,
    notes: Vec<(MessageRef, String)>,
    done: Receipt,
}

/// Carries out what a proven agent asks at their desk address.
pub(super) fn act(mut draft: Draft<'_>, to: &Addressed, by: &Person) -> Known<Changes> {
    let orders = match read(&draft) {
        Ok(orders) => orders,
        Err((reason, detail)) => return Ok(back(draft, by, reason, &detail)),
    };
    known(&draft, by, &orders)?;
    let mailbox = to.mailbox.or(draft.desk.book.first()).unwrap_or(MailboxId(0));
    let begun = orders.new.iter().flat_map(|new| risk::of_new(&draft, &new.commands, &new.address, mailbox));
    let risks: Vec<_> = orders.blocks.iter().flat_map(|block| risks(&draft, block)).chain(begun).collect();
    if let Some(detail) = risk::unconfirmed(&draft, by, &risks) {
        return Ok(hold::for_agent(draft, by, None, "confirm", &detail));
    }
    if let Some(new) = &orders.new
        && let Some((reason, detail)) = objection(&mut draft, by, new)?
    {
        return Ok(back(draft, by, reason, &detail));
    }
    match carried_out(&mut draft, to, by, &orders)? {
        Ok(end) => Ok(end.fate(draft)),
        Err(impossible) => Ok(back(draft.afresh(), by, "command_error", &impossible.0)),
    }
}

/// What a block would give away, on each of its tickets.
fn risks(draft: &Draft<'_>, block: &Block) -> Vec<String> {
    let tickets = block.tickets.iter().filter_map(|number| draft.facts.ticket(*number));
    tickets.flat_map(|t| risk::of(draft, &block.commands, t)).collect()
}

/// Holds the mail and tells its author. One that a person has let through and that still can't be carried out goes
/// nowhere: as it stands it is a text for nobody.
fn back(mut draft: Draft<'_>, by: &Person, reason: &str, detail: &str) -> Changes {
    if !draft.mail.has_passed(reason) {
        return hold::for_agent(draft, by, None, reason, detail);
    }
    let lines = vec![format!("nothing of your mail to the desk was carried out: {detail}")];
    draft.send(MailKind::Receipt, by, None, None, Params { lines, ..Params::default() });
    draft.fate(Fate::Message, None, "desk", detail)
}

fn read(draft: &Draft<'_>) -> Result<Orders, agent::Objection> {
    let u = draft.mail.understood;
    let orders = parse(&answer::text(u, ""), &|word| agent::is_name(draft, None, word)).map_err(agent::told)?;
    if let Some(doubt) = agent::doubt(u, "") {
        return Err(doubt);
    }
    let takes_files = orders.new.is_some() || orders.blocks.iter().any(|b| b.commands.contains(&Command::Note));
    if !takes_files && !pictures::attachments(u).is_empty() {
        return Err(("command_error", "a file is attached, and nothing in the mail takes one: @note or @new would".into()));
    }
    Ok(orders)
}

/// Why a new conversation must not begin like this.
fn objection(draft: &mut Draft<'_>, by: &Person, new: &New) -> Known<Option<agent::Objection>> {
    if bare_subject(&draft.mail.understood.subject).trim().is_empty() {
        return Ok(Some(("command_error", "@new: your mail has no subject, and it is that of the conversation".into())));
    }
    if draft.desk.book.is_own(&new.address) {
        return Ok(Some(("command_error", format!("@new: {} is an address of this desk", new.address))));
    }
    match agent::unfit(draft, &new.text, &pictures::attachments(draft.mail.understood)) {
        Some(objection) => Ok(Some(objection)),
        None => brake::objection(draft, by, None),
    }
}

/// What is left to say when everything was carried out.
struct End {
    ticket: Option<TicketRef>,
    reason: &'static str,
}

impl End {
    fn fate(self, draft: Draft<'_>) -> Changes {
        let fate = if matches!(self.ticket, Some(TicketRef::New(_))) { Fate::Ticket } else { Fate::Message };
        draft.fate(fate, self.ticket, self.reason, "")
    }
}

fn carried_out(draft: &mut Draft<'_>, to: &Addressed, by: &Person, orders: &Orders) -> Known<Result<End, Impossible>> {
    let mut works: BTreeMap<TicketId, Work> = BTreeMap::new();
    for block in &orders.blocks {
        for number in &block.tickets {
            let t = match the_ticket(draft, *number, block) {
                Ok(t) => t,
                Err(impossible) => return Ok(Err(impossible)),
            };
            let new = || Work { after: t.ticket.clone(), changes: false, notes: Vec::new(), done: Receipt::new() };
            if let Err(impossible) = on_ticket(draft, by, t, block, works.entry(*number).or_insert_with(new))? {
                return Ok(Err(Impossible(format!("#{number}: {}", impossible.0))));
            }
        }
    }
    let mut receipt = finish(draft, by, &works);
    let begun = match &orders.new {
        Some(new) => match begin(draft, to, by, new)? {
            Ok(lines) => {
                receipt.extend(lines);
                Some(TicketRef::New(0))
            }
            Err(impossible) => return Ok(Err(Impossible(format!("@new: {}", impossible.0)))),
        },
        None => None,
    };
    for question in &orders.questions {
        execute::ask(draft, question, by, None);
    }
    if !receipt.is_empty() {
        let undone = draft.changes.taken_back.last().map(|answer| MessageRef::Id(answer.message));
        draft.send(MailKind::Receipt, by, begun, undone, Params { lines: receipt, ..Params::default() });
    }
    let only = works.keys().next().filter(|_| works.len() == 1).map(|id| TicketRef::Id(*id));
    Ok(Ok(End { ticket: begun.or(only), reason: if begun.is_some() { "ticket" } else { "commands" } }))
}

/// A ticket that a block names.
fn the_ticket<'f>(draft: &Draft<'f>, number: TicketId, block: &Block) -> Result<&'f TicketFacts, Impossible> {
    let Some(t) = draft.facts.ticket(number) else { return Err(Impossible(format!("there is no ticket #{number}"))) };
    if let Some(into) = t.ticket.merged_into {
        return Err(Impossible(format!("#{number} was merged into #{into}")));
    }
    let subject = t.ticket.subject.to_lowercase();
    if let Some(word) = block.word.as_ref().filter(|word| !subject.contains(&word.to_lowercase())) {
        return Err(Impossible(format!("\"{word}\" does not stand in the subject of #{number}, which is {:?}", t.ticket.subject)));
    }
    Ok(t)
}

/// Asks for all that the blocks need at once: a question a ticket would be too many.
fn known(draft: &Draft<'_>, by: &Person, orders: &Orders) -> Known<()> {
    let facts = draft.facts;
    need(facts, Keys { tickets: orders.blocks.iter().flat_map(|b| b.tickets.iter().copied()).collect(), ..Keys::default() })?;
    let mut keys = Keys::default();
    for block in &orders.blocks {
        for t in block.tickets.iter().filter_map(|number| facts.ticket(*number)) {
            keys.add(thread::people_keys(t));
            keys.add(execute::keys(&block.commands, by.id, t));
        }
    }
    need(facts, keys)
}

fn on_ticket(draft: &mut Draft<'_>, by: &Person, t: &TicketFacts, block: &Block, work: &mut Work) -> Known<Result<(), Impossible>> {
    let id = TicketRef::Id(t.ticket.id);
    if !block.note.is_empty() {
        work.after.turn += 1;
        work.after.messages += 1;
        let files = pictures::attachments(draft.mail.understood);
        let note = agent::add(draft, id, work.after.turn, by.id, &block.note, &files, true);
        work.notes.push((note, block.note.clone()));
        work.done.push("your note was kept".into());
    }
    work.changes |= !block.commands.iter().all(Command::is_question);
    if block.commands.contains(&Command::Undo) {
        execute::waits_again(draft.facts, by.id, &mut work.after);
    }
    match execute::all(draft, &block.commands, by, t, id, &mut work.after)? {
        Ok(lines) => {
            work.done.extend(lines);
            Ok(Ok(()))
        }
        Err(impossible) => Ok(Err(impossible)),
    }
}

/// What follows from the commands, once all of them could be carried out; says what was done, a line a ticket.
fn finish(draft: &mut Draft<'_>, by: &Person, works: &BTreeMap<TicketId, Work>) -> Receipt {
    let facts = draft.facts;
    let known = || works.iter().filter(|(_, work)| work.changes).filter_map(|(id, work)| Some((facts.ticket(*id)?, work)));
    // Before any notification: whoever gets one for another ticket must hear of this all the same.
    for (t, work) in known() {
        tell::of_owner(draft, Some(by), t, &work.after, None);
    }
    let mut receipt = Receipt::new();
    for (t, work) in known() {
        let given = TicketFacts { ticket: work.after.clone(), ..t.clone() };
        for (note, text) in &work.notes {
            tell::of_note(draft, by, &given, *note, text);
        }
        execute::mute(draft, &t.ticket, &work.after);
        draft.update(&t.ticket, work.after.clone(), &actor(by.id));
        if !work.done.is_empty() {
            receipt.push(format!("#{} {}: {}", t.ticket.id, t.ticket.subject, work.done.join("; ")));
        }
    }
    receipt
}

/// Begins a conversation: a ticket of whoever it is with, whose first message is ours.
fn begin(draft: &mut Draft<'_>, to: &Addressed, by: &Person, new: &New) -> Known<Result<Receipt, Impossible>> {
    let address = Address::bare(new.address.clone());
    let mut keys = Keys { addresses: [address.key()].into(), ..Keys::default() };
    keys.addresses.extend(customer::copies(draft.desk, draft.mail.understood).iter().map(Address::key));
    need(draft.facts, keys)?;
    let requester = draft.person(&address);
    let mailbox = to.mailbox.or(draft.desk.book.first()).unwrap_or(MailboxId(0));
    let blank = opening::blank(draft.mail.understood, mailbox, None, draft.now);
    let team = draft.desk.book.mailbox(mailbox).and_then(|m| m.team.clone());
    let subject = bare_subject(&blank.subject).to_owned();
    let t = TicketFacts {
        ticket: Ticket { subject, team, status: Status::Pending, ..blank },
        participants: Vec::new(),
        answers: Vec::new(),
        customer_turn: 0,
        continued_by: None,
        told: Vec::new(),
    };
    let id = TicketRef::New(draft.changes.tickets.len());
    let mut after = t.ticket.clone();
    assign(&mut after, &t, Some(by.id), Some(by.id));
    draft.join(id, requester, Standing::Requester);
    let mut receipt = match execute::all(draft, &new.commands, by, &t, id, &mut after)? {
        Ok(receipt) => receipt,
        Err(impossible) => return Ok(Err(impossible)),
    };
    draft.event("ticket.created", &actor(by.id), Some(id), None, serde_json::json!({}));
    let files = pictures::attachments(draft.mail.understood);
    let message = agent::add(draft, id, after.turn, by.id, &new.text, &files, false);
    // What it answers belongs to another conversation.
    let own = thread::own_hash(draft.mail.understood).map(|hash| NewRef { hash, ticket: id, own: true });
    draft.changes.refs.extend(own);
    draft.send_to(MailKind::Answer, requester, &new.address, Some(id), Some(message), Params { actor: Some(by.id), ..Params::default() });
    receipt.insert(0, format!("your mail to {} was sent, without your address; its ticket is the one in this subject", new.address));
    receipt.extend(agent::copied(draft, id, |_| false));
    let owner = after.assignee.filter(|owner| *owner != by.id).and_then(|owner| draft.facts.person(owner));
    if let Some(owner) = owner.filter(|owner| owner.is_active_agent()) {
        let params = Params { actor: Some(owner.id), lines: vec![by.shown_name().to_owned()], ..Params::default() };
        draft.send(MailKind::Taken, owner, Some(id), Some(message), params);
    }
    let others = audience::of_ticket(draft.facts, &TicketFacts { ticket: Ticket { assignee: Some(by.id), ..after.clone() }, ..t });
    let others = others.into_iter().filter(|p| after.assignee != Some(p.id)).collect();
    tell::agents(draft, others, id, message, PersonRef::Id(by.id));
    draft.changes.tickets.push(NewTicket { row: after, requester });
    Ok(Ok(receipt))
}
