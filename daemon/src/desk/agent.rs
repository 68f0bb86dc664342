//! An agent's mail to an address of theirs: the public answer, the note, the commands.

use crate::model::PersonId;
use crate::model::changes::{Changes, Fate, MessageRef, PersonRef, TicketRef};
use crate::model::facts::{Keys, TicketFacts};
use crate::model::outgoing::{MailKind, Params};
use crate::model::people::Person;
use crate::model::picture::{placeholders, stands};
use crate::model::staff::is_named;
use crate::model::text::one_line;
use crate::model::ticket::{MessageKind, Standing, Status, Ticket};
use crate::model::understood::Attachment;

use super::author::Author;
use super::commands::{Block, Command, Wrong, parse, says_note};
use super::draft::Draft;
use super::execute::{self, assign};
use super::inside::{self, Inside, OfNotes};
use super::ledger::actor;
use super::recipients::Addressed;
use super::thread::Place;
use super::token::Purpose;
use super::{Known, answer, audience, brake, collision, customer, hold, need, orders, pictures, risk, tell};

/// Carries out what a proven agent asks.
pub(super) fn act(mut draft: Draft<'_>, to: &Addressed, place: &Place<'_>) -> Known<Changes> {
    let Some(agent) = place.owner.and_then(|owner| draft.facts.person(owner)).cloned() else {
        return Ok(hold::for_admins(draft, "author", "the agent of this address is unknown"));
    };
    let Some(t) = place.ticket else {
        return match place.purpose {
            Some(Purpose::Desk) => orders::act(draft, to, &agent),
            _ => Ok(hold::for_agent(draft, &agent, None, "command_error", "the ticket of this address is not there any more")),
        };
    };
    need(draft.facts, Keys { last_words: [(t.ticket.id, place.turn)].into(), ..Keys::default() })?;
    let id = Some(TicketRef::Id(t.ticket.id));
    let note_address = to.note || place.purpose == Some(Purpose::Note);
    let (block, files) = match read(&draft, t, place) {
        Ok(read) => read,
        Err((reason, detail)) => return Ok(hold::for_agent(draft, &agent, id, reason, &detail)),
    };
    let risks = risk::of(&draft, &block.commands, t);
    if let Some(detail) = risk::unconfirmed(&draft, &agent, &risks) {
        return Ok(hold::for_agent(draft, &agent, id, "confirm", &detail));
    }
    // `@spam` mails nothing: a remark beside it is for us.
    let stays = |c: &Command| matches!(c, Command::Note | Command::Status(Status::Spam));
    let note = note_address || block.commands.iter().any(stays) || block.note_inside;
    if !note && let Some((reason, detail)) = objection(&mut draft, &agent, t, place, &block, &files)? {
        return Ok(hold::for_agent(draft, &agent, id, reason, &detail));
    }
    write(draft, &agent, t, place, &block, &files, note)
}

/// A reason of RULES, and the same as a sentence.
pub(super) type Objection = (&'static str, String);

/// A wrong line, for whoever wrote it.
pub(super) fn told(wrong: Wrong) -> Objection {
    (wrong.reason, format!("{}: {}", wrong.line, wrong.why))
}

/// What makes it uncertain what an agent's mail says.
pub(super) fn doubt(u: &crate::model::Understood, theirs: &str) -> Option<Objection> {
    if let Some(line) = answer::unmarked(u, theirs).first() {
        let why = "it was taken for the beginning of a quote, but nothing marks it as one; begin quoted lines with >";
        return Some(("near_miss", format!("{}: {why}", one_line(line, 80))));
    }
    let differ = answer::parts_disagree(u);
    differ.then(|| ("near_miss", "the text part and the HTML part of your mail do not begin with the same commands".to_owned()))
}

/// Commands and text of the mail, and what goes along with it; text alone, as it stands, when the agent has said so after a
/// line was not clear.
fn read(draft: &Draft<'_>, t: &TicketFacts, place: &Place<'_>) -> Result<(Block, Vec<Attachment>), Objection> {
    let u = draft.mail.understood;
    let theirs = draft.facts.last_words.get(&(t.ticket.id, place.turn));
    let (own, whole) = theirs.map_or(("", ""), |words| (words.own.as_str(), words.whole.as_str()));
    if draft.mail.has_passed("command_error") || draft.mail.has_passed("near_miss") {
        let unmarked = answer::unmarked(u, whole);
        let text = answer::released(u, own, &unmarked);
        let block = Block { commands: Vec::new(), note_inside: says_note(&text), text };
        return Ok((block, pictures::attachments_with(u, &unmarked)));
    }
    let block = parse(&answer::text(u, own), &|word| is_name(draft, Some(t), word)).map_err(told)?;
    if let Some(doubt) = doubt(u, whole) {
        return Err(doubt);
    }
    let files = pictures::attachments(u);
    if block.text.is_empty() && block.commands.iter().all(|c| *c == Command::Note) && files.is_empty() {
        return Err(("command_error", "no text of yours was found in it: write above the quoted mail".into()));
    }
    Ok((block, files))
}

/// Whether a word is part of the name of somebody who works here, or of the requester's.
pub(super) fn is_name(draft: &Draft<'_>, t: Option<&TicketFacts>, word: &str) -> bool {
    let requester = t.and_then(|t| draft.facts.person(t.ticket.requester));
    draft.facts.staff().named(word).next().is_some() || requester.is_some_and(|requester| is_named(requester, word))
}

/// Why a public answer must not leave as it is.
fn objection(
    draft: &mut Draft<'_>,
    agent: &Person,
    t: &TicketFacts,
    place: &Place<'_>,
    block: &Block,
    files: &[Attachment],
) -> Known<Option<Objection>> {
    if block.text.is_empty() && files.is_empty() {
        return Ok(None);
    }
    if let Some(objection) = unfit(draft, &block.text, files) {
        return Ok(Some(objection));
    }
    let passed = |reason| draft.mail.has_passed(reason);
    if !passed("leak")
        && let Some(objection) = of_note(draft, t, place, &block.text)?
    {
        return Ok(Some(objection));
    }
    if t.ticket.merged_into.is_some() && !passed("collision") {
        return Ok(Some(("collision", "the ticket was merged into another".into())));
    }
    let hold = draft.desk.book.mailbox(t.ticket.mailbox).is_none_or(|m| m.collision == crate::config::Collision::Hold);
    if let Some(why) = collision::found(draft.desk, place, agent.id).filter(|_| hold && !passed("collision")) {
        return Ok(Some(("collision", why.to_owned())));
    }
    brake::objection(draft, agent, Some(t.ticket.id))
}

/// What of us would leave with a text or with what is attached. An agent's word lets it through, but for signed addresses.
pub(super) fn unfit(draft: &Draft<'_>, text: &str, files: &[Attachment]) -> Option<Objection> {
    let inside = Inside { book: &draft.desk.book, staff: draft.facts.staff() };
    // Pictures that the text has no place for stand below it, each by its name.
    let below: Vec<String> = placeholders(files).into_iter().flatten().filter(|mark| !stands(text, mark)).collect();
    let text = format!("{text}\n{}", below.join("\n"));
    if inside.has_address(&text, None) || files.iter().filter_map(|a| a.name.as_deref()).any(|name| inside.has_address(name, None)) {
        return Some(("leak", inside::NEVER.into()));
    }
    if draft.mail.has_passed("leak") {
        return None;
    }
    if files.iter().any(|a| a.content_type.starts_with("message/")) {
        return Some(("leak", "a whole mail is attached, which may be one of ours with notes and addresses in it".into()));
    }
    inside.found(&text, "").map(|trace| ("leak", trace))
}

/// A line of a note of this ticket that would leave.
fn of_note(draft: &Draft<'_>, t: &TicketFacts, place: &Place<'_>, text: &str) -> Known<Option<Objection>> {
    let id = t.ticket.id;
    need(draft.facts, Keys { notes: [id].into(), ..Keys::default() })?;
    let theirs = draft.facts.last_words.get(&(id, place.turn)).map_or("", |words| words.whole.as_str());
    let notes = draft.facts.notes.get(&id).map_or("", String::as_str);
    Ok(match inside::note_line(text, notes, theirs) {
        OfNotes::Nothing => None,
        OfNotes::Line(line) => Some(("leak", format!("a line of an internal note is in it: {}", one_line(line, 80)))),
        OfNotes::TooLarge => Some(("leak", "it and the notes of the ticket are too large to be looked through for lines of a note".into())),
    })
}

fn write(
    mut draft: Draft<'_>,
    agent: &Person,
    t: &TicketFacts,
    place: &Place<'_>,
    block: &Block,
    files: &[Attachment],
    note: bool,
) -> Known<Changes> {
    let id = TicketRef::Id(t.ticket.id);
    let says = !block.text.is_empty() || !files.is_empty();
    need(draft.facts, execute::keys(&block.commands, agent.id, t))?;
    let mut after = t.ticket.clone();
    if block.commands.contains(&Command::Undo) {
        execute::waits_again(draft.facts, agent.id, &mut after);
    }
    let message = says.then(|| {
        after.turn += 1;
        after.messages += 1;
        add(&mut draft, id, after.turn, agent.id, &block.text, files, note)
    });
    if says && !note {
        if after.status == Status::Open {
            after.status = Status::Pending;
        }
        if after.assignee.is_none() {
            assign(&mut after, t, Some(agent.id), Some(agent.id));
        }
    }
    let mut receipt = match execute::all(&mut draft, &block.commands, agent, t, id, &mut after)? {
        Ok(receipt) => receipt,
        Err(impossible) => {
            return Ok(hold::for_agent(draft.afresh(), agent, Some(id), "command_error", &impossible.0));
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
    let asks = block.commands.iter().all(Command::is_question);
    // A question changes nothing.
    if says || !asks {
        draft.update(&t.ticket, after, &who);
    }
    let undone = draft.changes.taken_back.last().map(|answer| MessageRef::Id(answer.message));
    if !receipt.is_empty() || (agent.settings.receipts_all && (says || !asks)) {
        if receipt.is_empty() && note {
            receipt.push("kept as a note; nothing was sent to the customer".into());
        }
        draft.send(MailKind::Receipt, agent, Some(id), undone.or(message), Params { lines: receipt, ..Params::default() });
    }
    let reason = match (note, says) {
        (true, _) => "note",
        (false, true) => "answer",
        (false, false) => "commands",
    };
    Ok(draft.fate(Fate::Message, Some(id), reason, ""))
}

/// Adds the agent's mail with this text to a ticket.
pub(super) fn add(
    draft: &mut Draft<'_>,
    ticket: TicketRef,
    turn: i64,
    agent: PersonId,
    text: &str,
    attachments: &[Attachment],
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
    // Whoever has it from now on gets what is said in the same mail.
    let given = draft.changes.requesters.last().map(|(_, person)| *person);
    let hears = |p: PersonRef| matches!(p, PersonRef::Id(p) if t.participant(p).is_some_and(|x| x.standing.is_party()));
    if let Some(person) = given.filter(|person| !hears(*person)) {
        let address = match person {
            PersonRef::Id(id) => draft.facts.person(id).map(|p| p.address.clone()),
            PersonRef::New(n) => draft.changes.persons.get(n).map(|p| p.address.clone()),
        };
        let params = Params { actor: Some(agent.id), ..Params::default() };
        draft.send_to(MailKind::Answer, person, &address.unwrap_or_default(), Some(id), Some(message), params);
    }
    receipt.extend(copied(draft, id, |p| t.participant(p).is_some()));
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

/// Adds those whom the agent has copied and who are not `there`; says so, for they have seen the agent's own address.
pub(super) fn copied(draft: &mut Draft<'_>, id: TicketRef, there: impl Fn(PersonId) -> bool) -> Vec<String> {
    let mut lines = Vec::new();
    for address in customer::copies(draft.desk, draft.mail.understood) {
        let known = draft.facts.person_at(&address.key());
        if !known.is_some_and(|p| p.is_staff() || there(p.id)) {
            let person = draft.person(&address);
            draft.join(id, person, Standing::Cc);
            lines
                .push(format!("{} has seen your own address, because you copied them; they get the next answers from us", address.address));
        }
    }
    lines
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
    let attachments = pictures::attachments(draft.mail.understood);
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
