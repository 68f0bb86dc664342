//! The types of event that the log knows, for whoever chooses some of them.

/// Every type that is or will be written. The list grows.
pub const TYPES: &[&str] = &[
    "ticket.created",
    "ticket.updated",
    "ticket.status_changed",
    "ticket.assigned",
    "ticket.merged",
    "message.received",
    "message.sent",
    "message.failed",
    "message.complained",
    "message.held",
    "message.released",
    "note.added",
    "article.published",
    "article.updated",
    "article.removed",
    "customer.erased",
    "sla.warning",
    "sla.breached",
    "rating.received",
];
/// All types, also those that come to the list later.
pub const ALL: &str = "*";

/// Why a list of types can't be chosen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChoiceError {
    /// There is no such type.
    #[error("there is no event \"{0}\": did you mean \"{1}\"?")]
    Unknown(String, &'static str),
    /// Nothing is chosen.
    #[error("no event is named: write \"*\" for all")]
    Empty,
}

/// The types that somebody chooses, each once.
///
/// # Errors
/// [`ChoiceError`], which names the nearest type.
pub fn chosen<S: AsRef<str>>(names: &[S]) -> Result<Vec<String>, ChoiceError> {
    let mut chosen: Vec<String> = Vec::new();
    for name in names.iter().map(|name| name.as_ref().trim()) {
        if name != ALL && !TYPES.contains(&name) {
            return Err(ChoiceError::Unknown(super::text::one_line(name, 60), nearest(name)));
        }
        if !chosen.iter().any(|other| other == name) {
            chosen.push(name.to_owned());
        }
    }
    if chosen.is_empty() { Err(ChoiceError::Empty) } else { Ok(chosen) }
}

fn nearest(name: &str) -> &'static str {
    // No type is longer; the comparison is quadratic.
    let name: String = name.chars().take(40).collect::<String>().to_lowercase();
    TYPES.iter().min_by_key(|known| strsim::damerau_levenshtein(known, &name)).copied().unwrap_or(ALL)
}

/// Whether somebody who chose these types hears of this one.
pub fn wants(chosen: &[String], kind: &str) -> bool {
    chosen.iter().any(|one| one == ALL || one == kind)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_known_is_chosen_once() {
        assert_eq!(chosen(&["ticket.created", " * ", "ticket.created"]), Ok(vec!["ticket.created".to_owned(), "*".to_owned()]));
        for (name, near) in [("ticket.create", "ticket.created"), ("Note.Added", "note.added"), ("tickets.merged", "ticket.merged")] {
            assert_eq!(chosen(&["*", name]), Err(ChoiceError::Unknown(name.to_owned(), near)));
        }
        assert_eq!(chosen::<&str>(&[]), Err(ChoiceError::Empty));
    }

    #[test]
    fn a_star_wants_all() {
        let of = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert!(wants(&of(&["*"]), "a.later_one") && wants(&of(&["note.added"]), "note.added"));
        assert!(!wants(&of(&["note.added"]), "ticket.created") && !wants(&[], "note.added"));
    }

    proptest! {
        #[test]
        fn any_name_has_an_answer(names in prop::collection::vec("\\PC{0,80}", 0..4)) {
            let _ = chosen(&names);
        }
    }
}
