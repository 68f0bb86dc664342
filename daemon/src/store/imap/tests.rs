#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use super::*;
use crate::config::Database;
use crate::model::{Envelope, Transport};
use crate::store::read::InboxFilter;
use crate::store::{Accepted, Cmd, Haul, NewNode, Store};

struct World {
    store: Store,
    folder: PathBuf,
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl World {
    async fn new() -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let folder = std::env::temp_dir().join(format!("ombud-imap-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed)));
        Self { store: Store::open(&Database::Sqlite(folder.join("ombud.db")), &folder).await.unwrap(), folder }
    }

    async fn node(&self) -> NodeId {
        match self.store.run(Cmd::StartNode(NewNode::of("test", 1))).await.unwrap() {
            Outcome::Node(node) => node,
            other => panic!("{other:?}"),
        }
    }

    /// A node that lives beside the others, as on PostgreSQL.
    async fn second_node(&self, first: NodeId) -> NodeId {
        let second = self.node().await;
        let path = self.folder.join("ombud.db");
        let lite = rusqlite::Connection::open(path).unwrap();
        lite.execute("UPDATE node SET dead = 0 WHERE id = ?1", [first.0]).unwrap();
        second
    }

    async fn claim(&self, node: NodeId) -> Option<FolderCursor> {
        match self.store.run(Cmd::ClaimFolder { folder: name(), node, now: 5 }).await.unwrap() {
            Outcome::Folder(cursor) => cursor,
            other => panic!("{other:?}"),
        }
    }

    /// Keeps one mail, that of the last UID.
    async fn accept(&self, cursor: CursorMove) -> Result<Outcome, StoreError> {
        let uids = vec![cursor.to.last_uid];
        self.accept_all(uids, cursor).await
    }

    async fn accept_all(&self, uids: Vec<u32>, cursor: CursorMove) -> Result<Outcome, StoreError> {
        let envelope = Envelope {
            transport: Transport::Imap,
            peer: None,
            helo: None,
            mail_from: String::new(),
            sender_unknown: false,
            recipients: vec!["support@desk.test".into()],
            tls: true,
            auth_user: None,
            outside: false,
            malformed: None,
            account: Some("support@desk.test".into()),
            verdict: None,
            findings: Vec::new(),
        };
        let blob = self.store.prepare(b"From: ann@x.test\r\n\r\nhi\r\n").unwrap();
        let mails =
            uids.into_iter().map(|uid| (uid, Accepted { received_at: 1, envelope: envelope.clone(), blob: blob.clone() })).collect();
        self.store.run(Cmd::Haul(Box::new(Haul { mails, cursor }))).await
    }

    async fn mails(&self) -> usize {
        self.store.inbox(&InboxFilter { limit: 200, ..InboxFilter::default() }).await.unwrap().items.len()
    }
}

fn name() -> FolderName {
    FolderName { mailbox: "support@desk.test".into(), folder: "INBOX".into() }
}

fn step(node: NodeId, from: &FolderCursor, last_uid: u32) -> CursorMove {
    let to = FolderCursor { uidvalidity: 7, last_uid, ..from.clone() };
    CursorMove { folder: name(), node, from: from.clone(), to }
}

#[tokio::test]
async fn a_mail_and_its_cursor_are_kept_together_or_not_at_all() {
    let world = World::new().await;
    let node = world.node().await;
    let new = world.claim(node).await.unwrap();
    assert_eq!(new, FolderCursor::default(), "a folder that was never looked at");
    world.store.run(Cmd::MoveCursor(Box::new(step(node, &new, 4)))).await.unwrap();
    let at_4 = world.claim(node).await.unwrap();
    assert_eq!((at_4.uidvalidity, at_4.last_uid), (7, 4));
    world.accept(step(node, &at_4, 5)).await.unwrap();
    assert!(matches!(world.accept(step(node, &at_4, 5)).await, Err(StoreError::Fenced)), "it was kept already");
    let other = FolderCursor { uidvalidity: 8, last_uid: 5, ..at_4.clone() };
    assert!(matches!(world.accept(step(node, &other, 6)).await, Err(StoreError::Fenced)), "of another UIDVALIDITY");
    assert!(matches!(world.accept(step(NodeId(99), &at_4, 6)).await, Err(StoreError::Fenced)), "by somebody else");
    assert!(matches!(world.accept_all(vec![5, 6, 7], step(node, &at_4, 7)).await, Err(StoreError::Fenced)), "not one of many");
    assert_eq!((world.mails().await, world.claim(node).await.unwrap().last_uid), (1, 5), "a refusal writes nothing");
    let at_5 = world.claim(node).await.unwrap();
    let kept = world.accept_all(vec![6, 8, 9], step(node, &at_5, 9)).await.unwrap();
    assert!(matches!(&kept, Outcome::Kept(ids) if ids.len() == 3), "{kept:?}");
    assert_eq!((world.mails().await, world.claim(node).await.unwrap().last_uid), (4, 9), "many are one commit");
}

#[tokio::test]
async fn a_folder_is_polled_by_one_living_node() {
    let world = World::new().await;
    let first = world.node().await;
    let cursor = world.claim(first).await.unwrap();
    let second = world.second_node(first).await;
    assert_eq!(world.claim(second).await, None);
    world.accept(step(first, &cursor, 1)).await.unwrap();
    // The third start marks all earlier nodes dead, as one does on SQLite.
    let third = world.node().await;
    assert_eq!(world.claim(third).await.unwrap().last_uid, 1, "it goes on where the dead one stopped");
    let at_1 = FolderCursor { uidvalidity: 7, last_uid: 1, ..cursor };
    assert!(matches!(world.accept(step(first, &at_1, 2)).await, Err(StoreError::Fenced)), "the dead one is fenced");
    world.store.run(Cmd::ReleaseFolder { folder: name(), node: third }).await.unwrap();
    assert!(world.store.imap_folders().await.unwrap().is_empty());
    assert!(world.claim(world.node().await).await.is_some());
}

#[tokio::test]
async fn a_folder_that_a_node_fails_to_fetch_may_be_another_s() {
    let world = World::new().await;
    let first = world.node().await;
    world.claim(first).await.unwrap();
    let second = world.second_node(first).await;
    let claim = async |node, now| match world.store.run(Cmd::ClaimFolder { folder: name(), node, now }).await.unwrap() {
        Outcome::Folder(cursor) => cursor.is_some(),
        other => panic!("{other:?}"),
    };
    let report = FolderReport { folder: name(), node: first, failing: true, error: "no route".into(), looked: false, now: 1_000 };
    world.store.run(Cmd::FolderState(Box::new(report))).await.unwrap();
    assert!(!claim(second, 1_000 + FAILING - 1).await, "it may pass");
    assert!(claim(first, 1_000 + FAILING - 1).await, "to claim it again is no reprieve");
    assert!(claim(second, 1_000 + FAILING).await);
    assert!(!claim(first, 1_001 + FAILING).await, "the other has as much time");
    assert!(claim(first, 1_000 + 2 * FAILING).await);
}

#[tokio::test]
async fn what_was_left_behind_is_remembered() {
    let world = World::new().await;
    let node = world.node().await;
    let from = world.claim(node).await.unwrap();
    let to =
        FolderCursor { left: vec![LeftBehind { uid: 3, why: "it \"is\" too large".into(), large: true }], last_uid: 3, ..from.clone() };
    let change = CursorMove { folder: name(), node, from, to: to.clone() };
    world.store.run(Cmd::MoveCursor(Box::new(change))).await.unwrap();
    assert_eq!(world.claim(node).await, Some(to));
}

#[tokio::test]
async fn the_state_of_a_folder_says_since_when() {
    let world = World::new().await;
    let node = world.node().await;
    world.claim(node).await.unwrap();
    let say = async |failing, error: &str, now| {
        let report = FolderReport { folder: name(), node, failing, error: error.into(), looked: !failing, now };
        world.store.run(Cmd::FolderState(Box::new(report))).await.unwrap();
        let mut folders = world.store.imap_folders().await.unwrap();
        let folder = folders.pop().unwrap();
        (folder.state, folder.since, folder.error, folder.polled_at)
    };
    assert_eq!(say(false, "", 10).await, ("ok".into(), 10, String::new(), Some(10)));
    assert_eq!(say(false, "a note", 20).await, ("ok".into(), 10, "a note".into(), Some(20)));
    assert_eq!(say(true, "connection refused", 30).await, ("failing".into(), 30, "connection refused".into(), Some(20)));
    assert_eq!(say(true, "connection refused", 40).await, ("failing".into(), 30, "connection refused".into(), Some(20)));
}

#[tokio::test]
async fn it_is_on_record_which_mails_were_kept_until_they_are_gone_or_counted_anew() {
    let world = World::new().await;
    let node = world.node().await;
    let mut at = world.claim(node).await.unwrap();
    for uids in [vec![2], vec![5, 6], vec![9]] {
        let step = step(node, &at, *uids.last().unwrap());
        at = step.to.clone();
        world.accept_all(uids, step).await.unwrap();
    }
    let kept = async |after| world.store.imap_kept(&name(), after).await.unwrap();
    assert_eq!((kept(0).await, kept(5).await), (vec![2, 5, 6, 9], vec![6, 9]));
    let found = |node, missed, now| Cmd::ComparedFolder(Box::new(Comparison { folder: name(), node, missed, gone: vec![(5, 6)], now }));
    assert!(matches!(world.store.run(found(NodeId(99), 1, 5)).await, Err(StoreError::Fenced)));
    world.store.run(found(node, 2, 10)).await.unwrap();
    world.store.run(found(node, 0, 20)).await.unwrap();
    let folder = world.store.imap_folders().await.unwrap().pop().unwrap();
    assert_eq!((folder.compared_at, folder.missed, folder.missed_at), (Some(20), 2, Some(10)));
    assert_eq!(kept(0).await, [2, 9]);
    let anew = FolderCursor { uidvalidity: 8, last_uid: 9, ..at.clone() };
    world.store.run(Cmd::MoveCursor(Box::new(CursorMove { folder: name(), node, from: at, to: anew }))).await.unwrap();
    assert!(kept(0).await.is_empty());
}

#[tokio::test]
async fn admins_are_told_of_a_refused_log_in_once_until_it_works() {
    let world = World::new().await;
    let node = world.node().await;
    world.claim(node).await.unwrap();
    let told = async || {
        let tell = Cmd::LoginRefused { mailbox: name().mailbox, node, now: 7 };
        world.store.run(tell).await.unwrap();
        let timers = world.store.due_timers(7, 9).await.unwrap();
        let lite = rusqlite::Connection::open(world.folder.join("ombud.db")).unwrap();
        lite.execute("DELETE FROM timer", []).unwrap();
        timers.iter().filter(|timer| timer.kind == LOGIN_REFUSED && timer.key == name().mailbox).count()
    };
    let report = |failing| FolderReport { folder: name(), node, failing, error: String::new(), looked: !failing, now: 8 };
    assert_eq!((told().await, told().await), (1, 0));
    world.store.run(Cmd::FolderState(Box::new(report(true)))).await.unwrap();
    assert_eq!(told().await, 0);
    let second = world.second_node(node).await;
    let claim = Cmd::ClaimFolder { folder: name(), node: second, now: 9 + FAILING };
    assert!(matches!(world.store.run(claim).await.unwrap(), Outcome::Folder(None)), "another node has the same password");
    world.store.run(Cmd::FolderState(Box::new(report(false)))).await.unwrap();
    assert_eq!(told().await, 1);
}
