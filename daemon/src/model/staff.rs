//! All who work here, or did: whoever is asked for is found by an index, however many they are.

use std::collections::{BTreeSet, HashMap};

use super::PersonId;
use super::address::fold;
use super::people::{Notify, Person};
use super::ticket::Role;

/// Everybody who is no customer, by id; disabled ones too.
#[derive(Debug, Default, PartialEq)]
pub struct Staff {
    people: Vec<Person>,
    by_address: HashMap<String, usize>,
    by_name: HashMap<String, Vec<usize>>,
    by_call: HashMap<String, Vec<usize>>,
    by_team: HashMap<String, Vec<usize>>,
    /// Active agents who hear of new tickets.
    listening: Vec<usize>,
    /// Active agents who hear of everything.
    everything: Vec<usize>,
    /// Active admins.
    admins: Vec<usize>,
    /// Characters of the longest name that somebody is called by.
    longest_call: usize,
}

impl Staff {
    /// Orders and indexes them.
    pub fn new(mut people: Vec<Person>) -> Self {
        people.sort_by_key(|person| person.id);
        let mut staff = Self::default();
        for (at, person) in people.iter().enumerate() {
            staff.index(at, person);
        }
        staff.people = people;
        staff
    }

    fn index(&mut self, at: usize, person: &Person) {
        for address in std::iter::once(fold(&person.address)).chain(person.aliases.iter().cloned()) {
            self.by_address.entry(address).or_insert(at);
        }
        for name in names(person) {
            self.by_name.entry(name).or_default().push(at);
        }
        if !person.is_active_agent() {
            return;
        }
        for call in calls(person) {
            self.longest_call = self.longest_call.max(call.chars().count());
            self.by_call.entry(call).or_default().push(at);
        }
        if person.role == Role::Admin {
            self.admins.push(at);
        }
        if person.settings.notify == Notify::All {
            self.everything.push(at);
        }
        if matches!(person.settings.notify, Notify::Team | Notify::All) {
            self.listening.push(at);
            let teams: BTreeSet<_> = person.settings.teams.iter().map(|team| team.to_ascii_lowercase()).collect();
            for team in teams {
                self.by_team.entry(team).or_default().push(at);
            }
        }
    }

    /// All of them, by id.
    pub fn iter(&self) -> std::slice::Iter<'_, Person> {
        self.people.iter()
    }

    /// Whether nobody works here or ever did.
    pub fn is_empty(&self) -> bool {
        self.people.is_empty()
    }

    /// The one with this id.
    pub fn person(&self, id: PersonId) -> Option<&Person> {
        let at = self.people.binary_search_by_key(&id, |person| person.id).ok()?;
        self.people.get(at)
    }

    /// Whose address (folded) this is.
    pub fn at(&self, address: &str) -> Option<&Person> {
        self.by_address.get(address).and_then(|at| self.people.get(*at))
    }

    /// The active agent or admin whose address (folded) this is.
    pub fn agent_at(&self, address: &str) -> Option<&Person> {
        self.at(address).filter(|person| person.is_active_agent())
    }

    /// Whose name is this, or has this word in it (lower case).
    pub fn named(&self, name: &str) -> impl Iterator<Item = &Person> {
        self.those(self.by_name.get(name))
    }

    /// Active agents whom a text names, see [`is_called`].
    pub fn called(&self, text: &str) -> Vec<&Person> {
        let text = text.to_lowercase();
        let found: BTreeSet<_> = said(&text, self.longest_call).filter_map(|name| self.by_call.get(name)).flatten().copied().collect();
        found.into_iter().filter_map(|at| self.people.get(at)).collect()
    }

    /// Active agents who hear of new tickets; with a `team` only those who are in it.
    pub fn listening(&self, team: Option<&str>) -> impl Iterator<Item = &Person> {
        self.those(match team {
            Some(team) => self.by_team.get(&team.to_ascii_lowercase()),
            None => Some(&self.listening),
        })
    }

    /// Active agents who hear of everything.
    pub fn everything(&self) -> impl Iterator<Item = &Person> {
        self.those(Some(&self.everything))
    }

    /// Active admins.
    pub fn admins(&self) -> impl Iterator<Item = &Person> {
        self.those(Some(&self.admins))
    }

    /// Active agents and admins.
    pub fn active(&self) -> impl Iterator<Item = &Person> {
        self.people.iter().filter(|person| person.is_active_agent())
    }

    fn those<'s>(&'s self, found: Option<&'s Vec<usize>>) -> impl Iterator<Item = &'s Person> {
        found.into_iter().flatten().filter_map(|at| self.people.get(*at))
    }
}

/// Whether this is somebody's name, or a word of it (lower case).
pub fn is_named(person: &Person, name: &str) -> bool {
    names(person).contains(name)
}

/// The name and each word of it, in lower case.
fn names(person: &Person) -> BTreeSet<String> {
    let name = person.shown_name().to_lowercase();
    name.split_whitespace().map(str::to_owned).chain([name.clone()]).filter(|name| !name.is_empty()).collect()
}

/// Whether a note says `@NAME` of somebody: the first name, the whole name or the local part of the address.
pub fn is_called(person: &Person, text: &str) -> bool {
    let (text, calls) = (text.to_lowercase(), calls(person));
    let longest = calls.iter().map(|call| call.chars().count()).max().unwrap_or(0);
    said(&text, longest).any(|name| calls.contains(name))
}

/// Everything up to `longest` characters behind an `@` that may be a name: what ends where a word ends.
fn said(text: &str, longest: usize) -> impl Iterator<Item = &str> {
    text.match_indices('@').flat_map(move |(at, _)| {
        let rest = text.get(at + 1..).unwrap_or("");
        let ends = rest.char_indices().map(|(end, c)| (end, c.is_alphanumeric())).chain([(rest.len(), false)]);
        ends.take(longest + 1).filter(|(_, goes_on)| !goes_on).filter_map(move |(end, _)| rest.get(..end))
    })
}

/// What somebody is called by in a note, in lower case.
fn calls(person: &Person) -> BTreeSet<String> {
    let name = person.shown_name().to_lowercase();
    let first = name.split_whitespace().next().unwrap_or("").to_owned();
    let local = person.address.split('@').next().unwrap_or("").to_lowercase();
    [name, local, first].into_iter().filter(|name| !name.is_empty()).collect()
}

#[cfg(test)]
#[path = "staff/tests.rs"]
mod tests;
