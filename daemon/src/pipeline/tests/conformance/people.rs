//! Who works here, and what programs and mail clients log in with.

use super::*;
use crate::model::ticket::Role;
use crate::store::{AppPassword, NewAgent, NewPassword, NewToken, Scope};

pub(super) async fn agents(store: &Store) {
    let add = |address: &str, aliases: Vec<String>| {
        Cmd::AddAgent(Box::new(NewAgent {
            address: address.into(),
            name: "Bo".into(),
            role: Role::Agent,
            aliases,
            settings: Settings::default(),
            now: 1,
        }))
    };
    store.run(add("bo@agents.test", vec!["b@agents.test".into()])).await.unwrap();
    assert!(matches!(store.run(add("b@agents.test", vec![])).await, Err(StoreError::Refused(_))));
    for change in [AgentChange::Disable, AgentChange::Enable, AgentChange::RevokeAddresses, AgentChange::Set(Box::default())] {
        store.run(Cmd::ChangeAgent { address: "b@agents.test".into(), change }).await.unwrap();
    }
    assert_eq!(store.staff().await.unwrap().iter().len(), 2);
    assert_eq!(store.persons(&[JANE]).await.unwrap().len(), 1);
}

pub(super) async fn tokens(store: &Store) {
    let (text, hash) = NewToken::secret().unwrap();
    let token = NewToken { hash, name: "ci".into(), scope: Scope::Read, agent: Some("bo@agents.test".into()), now: 1, expires_at: None };
    let Outcome::Id(id) = store.run(Cmd::CreateToken(Box::new(token))).await.unwrap() else { panic!("no id") };
    assert!(store.token(&text, 2).await.unwrap().is_some());
    store.run(Cmd::RevokeToken { id, now: 3 }).await.unwrap();
    assert!(store.token(&text, 4).await.unwrap().is_none());
    assert_eq!(store.tokens().await.unwrap().len(), 1);
}

pub(super) async fn passwords(store: &Store) {
    let (text, new) = NewPassword::make("bo@agents.test", 1).unwrap();
    store.run(Cmd::AddPassword(Box::new(new))).await.unwrap();
    let password = AppPassword::read(&text).unwrap();
    let (hash, person) = store.app_password(&password).await.unwrap().unwrap();
    assert!(password.is(Some(&hash)));
    assert!(store.persons(&[person]).await.unwrap()[0].has_address("bo@agents.test"));
    let Outcome::Id(gone) = store.run(Cmd::RevokePasswords { agent: "bo@agents.test".into() }).await.unwrap() else { panic!("no count") };
    assert_eq!((gone, store.app_password(&password).await.unwrap()), (1, None));
}
