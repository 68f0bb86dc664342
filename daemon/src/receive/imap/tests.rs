#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::config::{Database, Secret};
use crate::model::{Envelope, Reply};
use crate::store::NewNode;

/// Panics at a mail that says so.
struct Fragile;

impl Gate for Fragile {
    async fn login(&self, _: &str, _: &str) -> Result<String, Reply> {
        Err(Reply::new(535, "5.7.8", "Nobody"))
    }

    async fn ready(&self) -> Result<(), Reply> {
        Ok(())
    }

    async fn rcpt(&self, _: &Envelope, _: &str) -> Result<(), Reply> {
        Ok(())
    }

    async fn data(&self, _: &mut Envelope, raw: &[u8]) -> Result<(), Reply> {
        assert!(!raw.ends_with(b"poison\r\n"), "a mail that breaks the task down");
        Ok(())
    }
}

impl Addresses for Fragile {
    fn ours(&self, _: &str) -> Ours {
        Ours::No
    }
}

/// A folder of three mails, of which the second is poison.
async fn server(stream: TcpStream) -> std::io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    write.write_all(b"* OK hello\r\n").await?;
    while let Some(line) = lines.next_line().await? {
        let words: Vec<&str> = line.split(' ').collect();
        let held = |set: &str| {
            let (first, last) = set.split_once(':').unwrap_or((set, set));
            (first.parse().unwrap_or(9)..=last.parse().unwrap_or(9)).filter(|uid: &u32| *uid <= 3).collect::<Vec<_>>()
        };
        let said = match words.get(1..).unwrap_or_default() {
            ["EXAMINE", ..] => "* 3 EXISTS\r\n* OK [UIDVALIDITY 7]\r\n* OK [UIDNEXT 4]\r\n".to_owned(),
            ["UID", "SEARCH", "UID", set] => {
                format!("* SEARCH{}\r\n", held(set).iter().map(|uid| format!(" {uid}")).collect::<String>())
            }
            ["UID", "FETCH", set, "(UID", "RFC822.SIZE)"] => {
                held(set).iter().map(|uid| format!("* {uid} FETCH (UID {uid} RFC822.SIZE 30)\r\n")).collect()
            }
            ["UID", "FETCH", uid, ..] => {
                let mail = format!("From: ann@x.test\r\n\r\n{}\r\n", if *uid == "2" { "poison" } else { "hello" });
                format!("* {uid} FETCH (UID {uid} BODY[] {{{}}}\r\n{mail})\r\n", mail.len())
            }
            _ => String::new(),
        };
        write.write_all(format!("{said}{} OK done\r\n", words.first().unwrap_or(&"")).as_bytes()).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_mail_that_breaks_the_task_down_is_left_behind_after_three_tries_and_the_others_come() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&Database::Sqlite(folder.path().join("ombud.db")), folder.path()).await.unwrap();
    let Outcome::Node(node) = store.run(Cmd::StartNode(NewNode::of("test", 1))).await.unwrap() else { panic!("no node") };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(server(stream));
        }
    });
    let soon = Duration::from_millis(20);
    let imap = Imap {
        host: "127.0.0.1".into(),
        port,
        implicit_tls: false,
        user: "ann".into(),
        password: Some(Secret::new("secret")),
        oauth: None,
        folders: vec!["INBOX".into()],
        after: "keep".into(),
        start: "all".into(),
        trust: None,
        ca: None,
        poll: soon,
        patience: Duration::from_secs(20),
        pause: soon,
    };
    let account = Account {
        mailbox: "support@desk.test".into(),
        imap,
        tokens: None,
        again: Arc::default(),
        message_size: 1 << 20,
        store: store.clone(),
        inbox: Inbox::new(store.clone(), Clock::default()),
        gate: Arc::new(Fragile),
        node,
        clock: Clock::default(),
    };
    let cancel = CancellationToken::new();
    let task = tokio::spawn(run(account, cancel.clone()));
    let name = FolderName { mailbox: "support@desk.test".into(), folder: "INBOX".into() };
    let told = "UID 2 was left on the server: taking it broke down";
    let begun = Instant::now();
    loop {
        let folders = store.imap_folders().await.unwrap();
        let kept = store.imap_kept(&name, 0).await.unwrap();
        if kept == [1, 3] && folders.iter().any(|f| f.state == "ok" && f.error.starts_with(told)) {
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "{folders:?}, {kept:?}");
        sleep(soon).await;
    }
    cancel.cancel();
    task.await.unwrap();
}
