//! The one writer: commands that wait together share one commit and so one disk sync.

use std::sync::Weak;
use std::time::Duration;

use sqlx::sqlite::SqliteConnection;
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use super::cmd::{Cmd, Outcome};
use super::conn::Conn;
use super::{Inner, StoreError};

/// Commands that may wait; sources bound their own work in flight below that.
const QUEUE: usize = 1024;
/// Commands and octets of one group.
const GROUP: usize = 256;
const GROUP_OCTETS: usize = 8 << 20;
/// How often foreign commits are looked for.
const WATCH: Duration = Duration::from_millis(250);

struct Job {
    cmd: Cmd,
    answer: oneshot::Sender<Result<Outcome, StoreError>>,
}

/// The way to the writer.
pub(super) struct Handle {
    jobs: Mutex<Option<mpsc::Sender<Job>>>,
    sender: mpsc::WeakSender<Job>,
    task: Mutex<Option<JoinHandle<()>>>,
}

/// Starts the writer on its connection.
pub(super) fn start(conn: SqliteConnection, store: Weak<Inner>) -> Handle {
    let (jobs, queue) = mpsc::channel(QUEUE);
    let sender = jobs.downgrade();
    let task = tokio::spawn(write(conn, queue, store));
    Handle { jobs: Mutex::new(Some(jobs)), sender, task: Mutex::new(Some(task)) }
}

impl Handle {
    /// Queues a command and waits for its commit. A caller that goes away does not cancel it.
    pub(super) async fn run(&self, cmd: Cmd) -> Result<Outcome, StoreError> {
        let (answer, outcome) = oneshot::channel();
        let sender = self.sender.upgrade().ok_or(StoreError::Closed)?;
        sender.send(Job { cmd, answer }).await.map_err(|_| StoreError::Closed)?;
        drop(sender);
        outcome.await.map_err(|_| StoreError::Closed)?
    }

    /// Takes no more commands, runs those that wait, closes the connection.
    pub(super) async fn close(&self) {
        self.jobs.lock().await.take();
        if let Some(task) = self.task.lock().await.take()
            && let Err(error) = task.await
        {
            tracing::error!(%error, "the writer ended badly");
        }
    }
}

async fn write(mut conn: SqliteConnection, mut queue: mpsc::Receiver<Job>, store: Weak<Inner>) {
    let mut watch = tokio::time::interval(WATCH);
    watch.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut version = None;
    loop {
        tokio::select! {
            first = queue.recv() => {
                let Some(first) = first else { break };
                let group = gather(first, &mut queue);
                let wrote = run_group(&mut conn, group).await;
                if let Some(store) = store.upgrade() {
                    wrote.nudge(&store);
                }
            }
            _ = watch.tick() => foreign(&mut conn, &mut version, &store).await,
        }
    }
    super::close(conn).await;
}

/// The first command and what waits behind it, within the limits of a group.
fn gather(first: Job, queue: &mut mpsc::Receiver<Job>) -> Vec<Job> {
    let mut octets = first.cmd.octets();
    let mut group = vec![first];
    while group.len() < GROUP && octets < GROUP_OCTETS {
        let Ok(job) = queue.try_recv() else { break };
        octets += job.cmd.octets();
        group.push(job);
    }
    group
}

/// What a group may have given others to do.
#[derive(Default)]
struct Wrote {
    inbox: bool,
    outbox: bool,
    events: bool,
}

impl Wrote {
    fn nudge(&self, store: &Inner) {
        if self.inbox {
            store.nudges.inbox.notify_one();
        }
        if self.outbox {
            store.nudges.outbox.notify_one();
        }
        if self.events {
            store.nudges.events.notify_waiters();
        }
    }
}

async fn run_group(conn: &mut SqliteConnection, group: Vec<Job>) -> Wrote {
    let mut wrote = Wrote::default();
    for job in &group {
        wrote.inbox |= job.cmd.fills_inbox();
        wrote.outbox |= job.cmd.fills_outbox();
        wrote.events |= job.cmd.fills_log();
    }
    match together(conn, &group).await {
        Ok(outcomes) => {
            for (job, outcome) in group.into_iter().zip(outcomes) {
                // Whoever asked may have gone away; the command stands all the same.
                let _ = job.answer.send(outcome);
            }
        }
        // Alone they would wait for the other process one after the other.
        Err(error) if group.len() == 1 || matches!(error, StoreError::Busy) => {
            for job in group {
                let _ = job.answer.send(Err(error.clone()));
            }
        }
        Err(error) => {
            tracing::warn!(%error, commands = group.len(), "a group of commands failed; each is tried alone");
            for job in group {
                let one = std::slice::from_ref(&job);
                let outcome = together(conn, one).await.and_then(|mut o| o.pop().unwrap_or(Err(StoreError::Closed)));
                let _ = job.answer.send(outcome);
            }
        }
    }
    wrote
}

/// Runs commands in one transaction. A clean refusal is that command's outcome; any other error undoes all.
///
/// The statements are our own and not sqlx's transaction: SQLite rolls back by itself when the disk is full, and a count
/// of open transactions would never come right again.
async fn together(conn: &mut SqliteConnection, group: &[Job]) -> Result<Vec<Result<Outcome, StoreError>>, StoreError> {
    let conn = &mut Conn::Lite(conn);
    conn.control("BEGIN IMMEDIATE").await?;
    let done = match run_all(conn, group).await {
        Ok(outcomes) => conn.control("COMMIT").await.map(|()| outcomes),
        Err(error) => Err(error),
    };
    if done.is_err() {
        // It fails when SQLite has rolled back already, which is as good.
        let _ = conn.control("ROLLBACK").await;
    }
    done
}

async fn run_all(conn: &mut Conn<'_>, group: &[Job]) -> Result<Vec<Result<Outcome, StoreError>>, StoreError> {
    let mut outcomes = Vec::with_capacity(group.len());
    for job in group {
        match Box::pin(job.cmd.run(conn)).await {
            Err(error) if !error.is_clean() => return Err(error),
            outcome => outcomes.push(outcome),
        }
    }
    Ok(outcomes)
}

/// Tells the rest of the program when another process has committed something.
async fn foreign(conn: &mut SqliteConnection, version: &mut Option<i64>, store: &Weak<Inner>) {
    let found = match Conn::Lite(conn).one("PRAGMA data_version", vec![]).await.and_then(|row| row.int(0)) {
        Ok(found) => found,
        Err(error) => return tracing::warn!(%error, "could not look for changes of other processes"),
    };
    if version.replace(found).is_some_and(|before| before != found)
        && let Some(store) = store.upgrade()
    {
        store.nudges.inbox.notify_one();
        store.nudges.outbox.notify_one();
        store.nudges.events.notify_waiters();
        store.nudges.foreign.notify_waiters();
    }
}
