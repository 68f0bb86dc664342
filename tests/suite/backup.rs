//! Backups: taken while mail pours in, brought back elsewhere, and refused when they are not whole.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use ombud_tests::places::skip;
use ombud_tests::program::{self, bare_command};
use ombud_tests::{Desk, Draft, Options, Ran, Smtp, postgres, wait_until};
use serde_json::Value;
use tempfile::TempDir;

use crate::faults::{SmallDisk, noise};
use crate::{ANN, JANE, SUPPORT, answers_to_ann, from_ann, ticket_of_ann};

/// Clients that write at once.
const CLIENTS: usize = 3;
/// A relay that is not there.
const NO_RELAY: &str = "smtp://127.0.0.1:1";

fn quiet() -> Options {
    Options { mailbox: "auto_ack = \"never\"", ..Options::default() }
}

fn desk(options: Options) -> Desk {
    let desk = Desk::prepare(options);
    desk.agent(JANE, "Jane Doe", "admin");
    desk.running()
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

/// A backup that must succeed; its summary.
#[track_caller]
fn back_up(desk: &Desk, dir: &Path) -> Value {
    let ran = desk.cli(&["backup", text(dir), "--json"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    serde_json::from_str(&ran.out).expect("a summary")
}

/// Brings a backup back into a desk of its own, which does not run yet; what `restore` says.
#[track_caller]
fn bring_back(dir: &Path, old: &Desk, options: Options, more: &[&str]) -> (Desk, Value) {
    let mut desk = Desk::prepare(options);
    let ran = desk.cli(&[&["restore", text(dir), "--json"], more].concat());
    assert_eq!(ran.code, 0, "{}", ran.err);
    desk.use_token_of(old);
    (desk, serde_json::from_str(&ran.out).expect("a summary"))
}

/// A place with a configuration and nothing else.
struct Place {
    folder: TempDir,
    options: Options,
}

impl Place {
    fn new(mut options: Options) -> Self {
        if postgres::is_meant() {
            options.database = Some(postgres::fresh());
        }
        let place = Self { folder: tempfile::tempdir().expect("a folder for the test"), options };
        place.configure();
        place
    }

    fn configure(&self) {
        let folder = self.folder.path();
        fs::write(folder.join("ombud.toml"), self.options.configuration(folder)).expect("the configuration is written");
    }

    fn ombud(&self, arguments: &[&str]) -> Ran {
        program::ombud(self.folder.path(), arguments, b"")
    }

    fn restore(&self, dir: &Path) -> Ran {
        self.ombud(&["restore", text(dir)])
    }

    /// Nothing of a desk is here.
    fn assert_empty(&self, why: &str) {
        let data = self.options.data.clone().unwrap_or_else(|| self.folder.path().join("data"));
        let found: Vec<_> = fs::read_dir(data).into_iter().flatten().flatten().map(|entry| entry.file_name()).collect();
        assert!(found.iter().all(|name| name == "serve.lock"), "{why}: {found:?}");
        if let Some(database) = &self.options.database {
            assert_eq!(postgres::sql(database, "SELECT COUNT(*) FROM pg_tables WHERE schemaname = 'public'"), "0", "{why}");
        }
    }
}

/// Customers who write until it is over; what got its 250.
struct Load {
    listener: SocketAddr,
    over: AtomicBool,
    taken: Mutex<Vec<Draft>>,
}

impl Load {
    fn start(listener: SocketAddr) -> (Arc<Self>, Vec<thread::JoinHandle<()>>) {
        let load = Arc::new(Self { listener, over: AtomicBool::new(false), taken: Mutex::default() });
        let client = |number: usize| {
            let load = Arc::clone(&load);
            thread::spawn(move || load.client(number))
        };
        let clients = (0..CLIENTS).map(client).collect();
        (load, clients)
    }

    fn client(&self, number: usize) {
        let mut smtp = Smtp::greeted(self.listener);
        for count in 0.. {
            if self.over.load(Ordering::SeqCst) {
                return;
            }
            let mut draft =
                Draft::new(&format!("c{number}x{count}@customer.test"), SUPPORT, &format!("load{number}x{count}"), "A question.");
            if count % 5 == 4 {
                draft = draft.attach("noise.bin", &noise(100_000, (number * 1_000 + count) as u64));
            }
            let reply = smtp.mail(&draft.sender, &[SUPPORT], &draft.bytes()).expect("a reply");
            assert!(reply.is_yes(), "{}", reply.line);
            self.taken.lock().unwrap().push(draft);
        }
    }

    fn taken(&self) -> Vec<Draft> {
        self.taken.lock().unwrap().clone()
    }
}

#[test]
fn taken_under_load_it_holds_all_that_had_its_250() {
    let old = desk(Options { more: "[limits]\ntickets_per_sender_hour = 100000\n", ..quiet() });
    let (number, notice) = ticket_of_ann(&old, "Asked before the backup");
    let large = from_ann("A large one", "See the file.").attach("noise.bin", &noise(400_000, 7));
    let large_ticket = old.deliver(&large)["ticket"].clone();
    let (load, clients) = Load::start(old.ports().smtp);
    wait_until("mail to pour in", || load.taken().len() > 20);
    let before = load.taken();
    let dir = old.path("backup");
    let summary = back_up(&old, &dir);
    let during = load.taken().len();
    wait_until("mail to be taken after the backup", || load.taken().len() > during);
    load.over.store(true, Ordering::SeqCst);
    clients.into_iter().for_each(|client| client.join().expect("a client"));
    assert!(summary["counts"]["inbox"].as_u64().unwrap() >= before.len() as u64 + 2, "{summary}");
    is_for_us_alone(&dir);

    let (mut new, restored) = bring_back(&dir, &old, quiet(), &[]);
    assert_eq!(restored["backup"]["counts"], summary["counts"]);
    assert_eq!(back_up(&new, &new.path("again"))["counts"], summary["counts"], "the same desk");
    assert_ne!(restored["log_id"], summary["log_id"], "cursors of before must notice");
    new.serve(&[]);
    new.settle();
    filed_once(&new, &before);
    let raw = |desk: &Desk, ticket: &Value| {
        let id = desk.messages(ticket)[0]["id"].clone();
        desk.request("GET", &format!("/api/v1/messages/{id}/raw"), None).body
    };
    assert_eq!(raw(&new, &large_ticket), large.bytes(), "a mail in a file is whole");
    // A signed address of before the restore still says who answers whom.
    let answer = Draft::answer("Jane Doe <jane@agents.test>", &notice, "Here is how.");
    assert_eq!((&new.deliver(&answer)["kind"], &new.fate(&answer.id)["ticket"]), (&"message".into(), &number));
    new.out().expect(ANN, "the answer", |letter| letter.text().contains("Here is how."));
}

/// Each mail has one fate and one ticket.
fn filed_once(desk: &Desk, mails: &[Draft]) {
    let mut fates: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for row in desk.list("/api/v1/inbox") {
        fates.entry(row["message_id"].as_str().unwrap_or("").to_owned()).or_default().push(row["fate"]["kind"].clone());
    }
    for mail in mails {
        assert_eq!(fates.get(&mail.id), Some(&vec![Value::from("ticket")]), "{}", mail.id);
    }
}

/// Nobody else can read what is in a folder.
fn is_for_us_alone(dir: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700, "{}", folder.display());
        for entry in fs::read_dir(&folder).unwrap().flatten() {
            if entry.path().is_dir() {
                folders.push(entry.path());
            } else {
                assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{}", entry.path().display());
            }
        }
    }
}

/// A desk that could not send, its backup, and how many mails wait.
fn unsent() -> (Desk, PathBuf, usize) {
    let old = desk(Options { relay: Some(NO_RELAY.into()), mailbox: "auto_ack = \"always\"", ..Options::default() });
    old.deliver(&from_ann("Nobody is told", "Is there anybody?"));
    // Of a mail in hand nobody could say later whether it left.
    wait_until("both to be put off", || old.list("/api/v1/outbox").iter().all(|row| row["last_reply"].is_string()));
    let dir = old.path("backup");
    back_up(&old, &dir);
    let waiting = old.list("/api/v1/outbox?state=waiting").len();
    assert_eq!(waiting, 2, "an acknowledgement and a notification");
    (old, dir, waiting)
}

#[test]
fn mail_that_may_have_left_since_is_held() {
    let (old, dir, waiting) = unsent();
    let (mut new, restored) = bring_back(&dir, &old, Options::default(), &[]);
    assert_eq!((&restored["held"], &restored["to_send"]), (&waiting.into(), &0.into()));
    new.serve(&[]);
    new.deliver(&Draft::new("bea@customer.test", SUPPORT, "Another", "I am new."));
    new.settle();
    let told = new.out().to(JANE);
    assert_eq!((new.out().to(ANN).len(), told.len()), (0, 1), "only of the new mail");
    let held = new.list("/api/v1/outbox?state=unknown");
    assert_eq!(held.len(), waiting);
    for row in &held {
        let said = row["last_reply"].as_str().unwrap();
        let command = said.split('`').nth(1).expect("a command");
        assert_eq!(command, format!("ombud queue retry {}", row["id"]), "{said}");
        assert_eq!(new.cli(&["queue", "retry", &row["id"].to_string()]).code, 0);
    }
    new.out().expect(ANN, "the acknowledgement", |_| true);
    new.settle();
    assert_eq!(new.out().to(JANE).len(), 2);
}

#[test]
fn mail_that_waited_is_sent_when_somebody_says_so() {
    let (old, dir, waiting) = unsent();
    let (mut new, restored) = bring_back(&dir, &old, Options::default(), &["--send"]);
    assert_eq!((&restored["held"], &restored["to_send"]), (&0.into(), &waiting.into()));
    new.serve(&[]);
    new.out().expect(ANN, "the acknowledgement", |_| true);
    new.out().expect(JANE, "the notification", |_| true);
}

#[test]
fn an_answer_to_what_the_backup_does_not_know_reaches_nobody() {
    let old = desk(quiet());
    ticket_of_ann(&old, "Known");
    let dir = old.path("backup");
    back_up(&old, &dir);
    let (lost, notice) = ticket_of_ann(&old, "Lost");
    let (mut new, restored) = bring_back(&dir, &old, quiet(), &[]);
    new.serve(&[]);
    let opened = new.deliver(&Draft::new("bea@customer.test", SUPPORT, "Another", "I am new."))["ticket"].clone();
    assert_eq!(opened, restored["next_ticket"]);
    assert!(opened.as_i64() > lost.as_i64(), "{opened} {lost}");
    let reply = new.send(&Draft::answer("Jane Doe <jane@agents.test>", &notice, "For Ann alone."));
    new.settle();
    assert!(new.out().to("bea@customer.test").is_empty() && answers_to_ann(&new).is_empty(), "{}", reply.line);
    assert_eq!(new.messages(&opened).len(), 1);
}

#[test]
fn a_backup_that_was_killed_is_none() {
    let old = desk(quiet());
    ticket_of_ann(&old, "Before");
    let dir = old.path("backup");
    // As long as somebody removes files, a backup waits: it is killed in its middle.
    let lock = File::open(old.path("data/blobs")).unwrap();
    lock.lock().unwrap();
    let mut child = begin(&old, &dir);
    wait_until("the backup to begin", || dir.join("manifest.json.part").exists());
    kill(&mut child);
    drop(lock);
    refused(&Place::new(quiet()), &dir, 65, "no manifest.json");
    let again = old.cli(&["backup", text(&dir)]);
    assert_eq!(again.code, 65, "{}", again.err);
    assert!(again.err.contains("interrupted") && again.err.lines().count() == 1, "{}", again.err);
    for round in 0..4 {
        let dir = old.path(&format!("backup{round}"));
        let mut child = begin(&old, &dir);
        wait_until("the database to be copied", || ["ombud.db", "ombud.dump"].iter().any(|file| dir.join(file).exists()));
        kill(&mut child);
        if !dir.join("manifest.json").exists() {
            refused(&Place::new(quiet()), &dir, 65, "no manifest.json");
        }
    }
    back_up(&old, &old.path("whole"));
}

fn begin(desk: &Desk, dir: &Path) -> Child {
    let mut command = bare_command();
    command.arg("backup").arg(dir).arg("--config").arg(desk.path("ombud.toml"));
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the program starts")
}

fn kill(child: &mut Child) {
    // It may have come to its end.
    let _ = child.kill();
    child.wait().expect("it is gone");
}

/// A restore that changes nothing and says why in a line.
#[track_caller]
fn refused(place: &Place, dir: &Path, code: i32, why: &str) {
    let ran = place.restore(dir);
    assert_eq!((ran.code, ran.err.lines().count()), (code, 1), "{}{}", ran.out, ran.err);
    assert!(ran.err.contains(why), "{}", ran.err);
    place.assert_empty(&ran.err);
}

#[test]
fn a_flipped_bit_is_seen_before_anything_is_written() {
    let old = desk(quiet());
    old.deliver(&from_ann("Large", "See the file.").attach("noise.bin", &noise(200_000, 3)));
    let dir = old.path("backup");
    back_up(&old, &dir);
    let mut files = Vec::new();
    let mut folders = vec![dir.clone()];
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().flatten().map(|entry| entry.path()) {
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    let bodies = usize::from(!postgres::is_meant());
    // The notice for the agent is another body, if it was written by then.
    assert!(files.len() >= 3 + bodies, "database, key, manifest, and a body: {files:?}");
    let place = Place::new(quiet());
    for file in &files {
        let whole = fs::read(file).unwrap();
        for at in [0, whole.len() / 2, whole.len() - 1] {
            let mut flipped = whole.clone();
            flipped[at] ^= 0x10;
            fs::write(file, flipped).unwrap();
            refused(&place, &dir, 65, text(file));
        }
        fs::write(file, &whole[..whole.len() - 1]).unwrap();
        refused(&place, &dir, 65, text(file));
        fs::remove_file(file).unwrap();
        refused(&place, &dir, 65, text(file.file_name().map(Path::new).unwrap()));
        fs::write(file, whole).unwrap();
    }
    refused(&place, &old.path("nothing"), 66, "is no folder");
    let ran = place.restore(&dir);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let again = place.restore(&dir);
    assert_eq!(again.code, 65, "{}", again.err);
    assert!(again.err.contains("overwrites nothing"), "{}", again.err);
}

#[test]
fn a_restore_that_was_cut_off_is_done_again() {
    let old = desk(quiet());
    ticket_of_ann(&old, "Here");
    let dir = old.path("backup");
    back_up(&old, &dir);
    let place = Place::new(quiet());
    let data = place.folder.path().join("data");
    fs::create_dir_all(data.join("restore.part/keys")).unwrap();
    fs::write(data.join("restore.part/keys/sign-1.key"), "half").unwrap();
    if !postgres::is_meant() {
        fs::write(data.join("ombud.db.restore.part"), "half").unwrap();
    }
    fs::write(data.join("restore.unfinished"), "").unwrap();
    let list = || place.ombud(&["ticket", "list", "--json"]);
    let unfinished = list();
    assert_eq!((unfinished.code, unfinished.err.contains("run `ombud restore` again")), (78, true), "{}", unfinished.err);
    let ran = place.restore(&dir);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(list().out.contains("\"Here\""));
    let left: Vec<_> = fs::read_dir(data).unwrap().flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
    assert!(left.iter().all(|name| !name.contains("restore")), "{left:?}");
}

#[test]
fn a_restore_that_was_killed_is_done_again_and_nobody_opens_what_it_has_left() {
    let old = desk(quiet());
    ticket_of_ann(&old, "Here");
    let dir = old.path("backup");
    back_up(&old, &dir);
    let place = Place::new(quiet());
    let mut restore = bare_command();
    restore.current_dir(place.folder.path()).args(["restore", text(&dir)]).env("OMBUD_FAILPOINT", "restore.loaded:1");
    let killed = program::run(restore, b"");
    assert_eq!(killed.code, 128 + 9, "{}", killed.err);
    // Also one from elsewhere, who shares nothing but a database on a server: mail waits in it that may have left.
    let elsewhere = Place { folder: tempfile::tempdir().expect("a folder for the test"), options: place.options.clone() };
    elsewhere.configure();
    for place in [Some(&place), postgres::is_meant().then_some(&elsewhere)].into_iter().flatten() {
        let ran = place.ombud(&["ticket", "list"]);
        assert_eq!((ran.code, ran.err.contains("run `ombud restore` again")), (78, true), "{}", ran.err);
    }
    let again = place.restore(&dir);
    assert_eq!(again.code, 0, "{}", again.err);
    assert!(place.ombud(&["ticket", "list", "--json"]).out.contains("\"Here\""));
    if let Some(database) = &place.options.database {
        assert_eq!(postgres::sql(database, "SELECT to_regclass('restore_unfinished') IS NULL"), "t");
    }
}

#[test]
fn nothing_is_overwritten() {
    let mut old = desk(quiet());
    ticket_of_ann(&old, "Here");
    let dir = old.path("backup");
    back_up(&old, &dir);
    let twice = old.cli(&["backup", text(&dir)]);
    assert_eq!(twice.code, 65, "{}", twice.err);
    assert!(twice.err.contains("holds a backup already"), "{}", twice.err);
    fs::create_dir(old.path("used")).unwrap();
    fs::write(old.path("used/mine"), "mine").unwrap();
    let used = old.cli(&["backup", text(&old.path("used"))]);
    assert_eq!((used.code, used.err.contains("is not empty")), (65, true), "{}", used.err);
    assert_eq!(fs::read_dir(old.path("used")).unwrap().count(), 1);

    let serving = old.cli(&["restore", text(&dir)]);
    assert_eq!(serving.code, 75, "{}", serving.err);
    assert!(serving.err.contains("another ombud serves"), "{}", serving.err);
    old.stop();
    let over = old.cli(&["restore", text(&dir)]);
    assert_eq!(over.code, 65, "{}", over.err);
    assert!(over.err.contains("overwrites nothing") && over.err.lines().count() == 1, "{}", over.err);
    old.serve(&[]);
    assert_eq!(old.list("/api/v1/tickets").len(), 1);
}

#[test]
fn a_full_disk_leaves_nothing_half() {
    let old = desk(quiet());
    for n in 0..4 {
        old.deliver(&from_ann(&format!("Large {n}"), "See the file.").attach("noise.bin", &noise(600_000, n)));
    }
    let small = old.path("small");
    let Some(disk) = SmallDisk::mount(&small, "1m") else {
        return skip("a_full_disk_leaves_nothing_half", "no right to mount a small disk here");
    };
    let full = old.cli(&["backup", text(&small)]);
    assert_eq!((full.code, full.err.lines().count()), (75, 1), "{}", full.err);
    assert!(full.err.contains("is full: make room"), "{}", full.err);
    assert_eq!(fs::read_dir(&small).unwrap().count(), 0, "nothing half");
    let dir = old.path("backup");
    back_up(&old, &dir);
    if !postgres::is_meant() {
        let place = Place::new(Options { data: Some(small.join("data")), ..quiet() });
        refused(&place, &dir, 75, "is full: make room");
    }
    drop(disk);
}
