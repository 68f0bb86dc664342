//! Contact forms: a mail that a web site sends for a visitor is the visitor's, who stands in Reply-To.

use crate::model::address::is_plain;
use crate::model::understood::Automatic;
use crate::model::{Transport, Understood};

use super::recipients::Addressed;
use super::who::Proof;
use super::{Desk, Mail};

/// The mail of a form as if its visitor had written it; `None` if it is no form's, or names nobody who could be answered.
/// A visitor may write any name into a form: nothing proves them.
pub(super) fn as_visitor(desk: &Desk, mail: &Mail<'_>, to: &Addressed) -> Option<Understood> {
    let u = mail.understood;
    let form = u.from.as_ref().filter(|_| u.facts.from_fields == 1 && u.facts.from_problem.is_none())?.key();
    let is_form = desk.book.mailbox(to.mailbox?)?.forms.contains(&form);
    // To a signed address it would speak for whoever that was given to.
    if !is_form || to.token.is_some() || to.decision.is_some() || !is_theirs(mail) {
        return None;
    }
    let [visitor] = &u.reply_to[..] else { return None };
    if !is_plain(&visitor.address) || desk.book.is_own(&visitor.address) || visitor.key() == form {
        return None;
    }
    // What marks the mail of a robot is true of the form and not of who has filled it in.
    let automatic = u.automatic.filter(|class| *class != Automatic::Bulk);
    Some(Understood { from: Some(visitor.clone()), automatic, cc: Vec::new(), ..u.clone() })
}

/// Whether it is from the form's address: aligned, or over a way that the operator has opened by name.
fn is_theirs(mail: &Mail<'_>) -> bool {
    let opened = match mail.envelope.transport {
        Transport::Pipe | Transport::Http => true,
        Transport::Smtp => !mail.envelope.outside,
        Transport::Submission | Transport::Lmtp | Transport::Imap | Transport::Import => false,
    };
    match Proof::of(mail.verdict) {
        Proof::Aligned | Proof::Spf => true,
        Proof::Fail | Proof::FailPolicy => false,
        Proof::None | Proof::Temporary | Proof::Permanent => opened,
    }
}
