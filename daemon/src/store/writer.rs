//! The one writer: commands that wait together share one commit and so one disk sync.

use std::sync::Weak;
use std::thread;
use std::time::{Duration, Instant};

use tokio::runtime::Handle as Runtime;
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::time::MissedTickBehavior;

use super::cmd::{Cmd, Outcome};
use super::conn::Conn;
use super::lite::Lite;
use super::{Inner, StoreError};
use crate::failpoint;

/// Commands that may wait; sources bound their own work in flight below that.
const QUEUE: usize = 1024;
/// Commands and octets of one group.
const GROUP: usize = 256;
const GROUP_OCTETS: usize = 8 << 20;
/// While mail rushes in, a group waits so long for more: a sync of the disk costs more than that.
const GATHER: Duration = Duration::from_micros(300);
/// How often foreign commits are looked for.
const WATCH: Duration = Duration::from_millis(250);

struct Job {
    cmd: Cmd,
    answer: oneshot::Sender<Result<Outcome, StoreError>>,
}

impl Job {
    /// Answers whoever asked. They may have gone away; the command stands all the same.
    fn answered(self, outcome: Result<Outcome, StoreError>) -> Cmd {
        let _ = self.answer.send(outcome);
        self.cmd
    }
}

/// The way to the writer.
pub(super) struct Handle {
    jobs: Mutex<Option<mpsc::Sender<Job>>>,
    sender: mpsc::WeakSender<Job>,
    ended: Mutex<Option<oneshot::Receiver<()>>>,
}

/// The writer's end of the way.
pub(super) struct Queue {
    jobs: mpsc::Receiver<Job>,
    end: oneshot::Sender<()>,
}

/// The way to a writer that is yet to be started.
pub(super) fn queue() -> (Handle, Queue) {
    let (sender, jobs) = mpsc::channel(QUEUE);
    let (end, ended) = oneshot::channel();
    let weak = sender.downgrade();
    (Handle { jobs: Mutex::new(Some(sender)), sender: weak, ended: Mutex::new(Some(ended)) }, Queue { jobs, end })
}

impl Queue {
    /// Starts the writer, on a thread of its own: its statements block, and wait for the disk.
    pub(super) fn start(self, mut conn: Lite, store: Weak<Inner>) -> Result<(), StoreError> {
        let runtime = Runtime::current();
        let work = move || {
            runtime.block_on(write(&mut conn, self.jobs, store));
            drop(conn);
            // Nobody may wait for it.
            let _ = self.end.send(());
        };
        thread::Builder::new().name("sqlite-writer".into()).spawn(work)?;
        Ok(())
    }
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
        if let Some(ended) = self.ended.lock().await.take()
            && ended.await.is_err()
        {
            tracing::error!("the writer ended badly");
        }
    }
}

async fn write(conn: &mut Lite, mut queue: mpsc::Receiver<Job>, store: Weak<Inner>) {
    let mut watch = tokio::time::interval(WATCH);
    watch.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut version = None;
    // One client alone waits for its own commit: nothing more would come.
    let mut crowd = false;
    loop {
        tokio::select! {
            first = queue.recv() => {
                let Some(first) = first else { break };
                if crowd && matches!(first.cmd, Cmd::Accept(_)) && store.upgrade().is_some_and(|store| store.nudges.rush.is_on(Instant::now())) {
                    thread::sleep(GATHER);
                }
                let group = gather(first, &mut queue);
                crowd = group.len() > 1;
                let done = run_group(conn, group).await;
                if let Some(store) = store.upgrade() {
                    done.iter().for_each(|cmd| store.nudges.wrote(cmd));
                }
            }
            _ = watch.tick() => foreign(conn, &mut version, &store).await,
        }
    }
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

/// Runs a group and answers everybody; hands the commands back.
async fn run_group(conn: &mut Lite, group: Vec<Job>) -> Vec<Cmd> {
    let outcomes = match together(conn, &group).await {
        Ok(outcomes) => outcomes,
        // Alone they would wait for the other process one after the other.
        Err(error) if group.len() == 1 || matches!(error, StoreError::Busy) => group.iter().map(|_| Err(error.clone())).collect(),
        Err(error) => {
            tracing::warn!(%error, commands = group.len(), "a group of commands failed; each is tried alone");
            return alone(conn, group).await;
        }
    };
    group.into_iter().zip(outcomes).map(|(job, outcome)| job.answered(outcome)).collect()
}

async fn alone(conn: &mut Lite, group: Vec<Job>) -> Vec<Cmd> {
    let mut done = Vec::with_capacity(group.len());
    for job in group {
        let one = std::slice::from_ref(&job);
        let outcome = together(conn, one).await.and_then(|mut o| o.pop().unwrap_or(Err(StoreError::Closed)));
        done.push(job.answered(outcome));
    }
    done
}

/// Runs commands in one transaction. A clean refusal is that command's outcome; any other error undoes all.
///
/// The statements are our own and not sqlx's transaction: SQLite rolls back by itself when the disk is full, and a count
/// of open transactions would never come right again.
async fn together(conn: &mut Lite, group: &[Job]) -> Result<Vec<Result<Outcome, StoreError>>, StoreError> {
    let conn = &mut Conn::Lite(conn);
    conn.control("BEGIN IMMEDIATE").await?;
    let done = match run_all(conn, group).await {
        Ok(_) if passes(group, 0) => Err(StoreError::Busy),
        Ok(outcomes) => conn.control("COMMIT").await.map(|()| outcomes),
        Err(error) => Err(error),
    };
    if done.is_ok() {
        passes(group, 1);
    } else {
        // It fails when SQLite has rolled back already, which is as good.
        let _ = conn.control("ROLLBACK").await;
    }
    done
}

/// Passes the points of a group before (0) or after (1) its commit; says whether it is to fail there.
fn passes(group: &[Job], side: usize) -> bool {
    group.iter().filter_map(|job| job.cmd.points()).filter(|points| failpoint::fails(points[side])).count() > 0
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
async fn foreign(conn: &mut Lite, version: &mut Option<i64>, store: &Weak<Inner>) {
    let found = match Conn::Lite(conn).one("PRAGMA data_version", vec![]).await.and_then(|row| row.int(0)) {
        Ok(found) => found,
        Err(error) => return tracing::warn!(%error, "could not look for changes of other processes"),
    };
    if version.replace(found).is_some_and(|before| before != found)
        && let Some(store) = store.upgrade()
    {
        store.nudges.foreign();
    }
}
