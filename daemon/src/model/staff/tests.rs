use proptest::prelude::*;

use super::*;
use crate::model::people::Settings;

fn person(id: i64, name: &str, role: Role) -> Person {
    let aliases = vec![format!("alias{id}@home.test")];
    Person { name: Some(name.to_owned()), role, answered: true, aliases, ..Person::agent(PersonId(id), &format!("Agent{id}@agents.test")) }
}

fn ids<'p>(people: impl IntoIterator<Item = &'p Person>) -> Vec<i64> {
    people.into_iter().map(|person| person.id.0).collect()
}

#[test]
fn whoever_is_asked_for_is_found() {
    let of = |notify, teams: &[&str], person| Person {
        settings: Settings { notify, teams: teams.iter().map(|&team| team.to_owned()).collect(), ..Settings::default() },
        ..person
    };
    let staff = Staff::new(vec![
        of(Notify::All, &["Sales"], person(9, "Zoë Admin", Role::Admin)),
        of(Notify::Team, &["sales", "SALES", "it"], person(2, "Jane Doe", Role::Agent)),
        of(Notify::Mine, &["sales"], person(3, "Jane Roe", Role::Agent)),
        of(Notify::All, &["sales"], Person { disabled: true, ..person(4, "Gone Doe", Role::Admin) }),
        of(Notify::All, &["sales"], person(5, "Only Looks", Role::Viewer)),
    ]);
    assert_eq!(ids(staff.iter()), [2, 3, 4, 5, 9]);
    assert_eq!(ids(staff.active()), [2, 3, 9]);
    assert_eq!(ids(staff.admins()), [9]);
    assert_eq!(ids(staff.everything()), [9]);
    assert_eq!(ids(staff.listening(None)), [2, 9]);
    assert_eq!(ids(staff.listening(Some("SaLes"))), [2, 9]);
    assert_eq!(ids(staff.listening(Some("none"))), [0; 0]);
    assert_eq!(ids(staff.named("doe")), [2, 4]);
    assert_eq!(ids(staff.named("jane doe")), [2]);
    assert_eq!(ids(staff.at("agent3@agents.test")), [3]);
    assert_eq!(ids(staff.at("alias9@home.test")), [9]);
    assert_eq!(ids(staff.person(PersonId(4))), [4]);
    assert_eq!((ids(staff.at("jane@else.test")), ids(staff.person(PersonId(1)))), (vec![], vec![]));
    assert_eq!(ids(staff.called("@jane look, and @agent9: you too. @gone @only")), [2, 3, 9]);
    assert_eq!(ids(staff.called("@Jane Roe!")), [2, 3]);
    assert_eq!(ids(staff.called("@janet @doe jane ZOË")), [0; 0]);
    assert_eq!(ids(staff.called("@ZOË ADMIN")), [9]);
}

#[test]
fn nobody_is_called_by_no_name() {
    let nameless = Person { name: Some("\u{2007}".into()), address: "@agents.test".into(), ..person(1, "", Role::Agent) };
    assert_eq!(ids(Staff::new(vec![nameless]).called("@ @@ @\u{2007}x @")), [0; 0]);
}

/// Short words of few letters: names that begin alike, end in a mark, or hold an `@`.
fn word() -> impl Strategy<Value = String> {
    "[ab@. İß-]{0,5}"
}

proptest! {
    #[test]
    fn an_index_finds_whom_a_look_at_each_finds(names in prop::collection::vec(word(), 0..6), text in "[ab@. İß-]{0,30}", name in word()) {
        let people: Vec<_> = (1..).zip(&names).map(|(id, name)| person(id, name, Role::Agent)).collect();
        let staff = Staff::new(people.clone());
        prop_assert_eq!(ids(staff.called(&text)), ids(people.iter().filter(|p| is_called(p, &text))));
        let lower = name.to_lowercase();
        let is_named = |p: &&Person| {
            let own = p.shown_name().to_lowercase();
            !lower.is_empty() && (own == lower || own.split_whitespace().any(|part| part == lower))
        };
        prop_assert_eq!(ids(staff.named(&lower)), ids(people.iter().filter(is_named)));
    }

    #[test]
    fn a_name_is_called_where_it_stands_behind_its_mark(name in word(), text in "[ab@. İß-]{0,30}") {
        let person = person(7, &name, Role::Agent);
        let text_lower = text.to_lowercase();
        let stands = |call: &String| text_lower.match_indices(&format!("@{call}")).any(|(at, found)| {
            !text_lower[at + found.len()..].chars().next().is_some_and(char::is_alphanumeric)
        });
        prop_assert_eq!(is_called(&person, &text), calls(&person).iter().any(stands));
    }
}
