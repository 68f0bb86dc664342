//! The worker between a queue in memory and receivers over real sockets.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod support;

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ombud_webhooks::{Claimed, Outcome, Queue, Reason, Settings, SignedHeaders, TOLERANCE, run, verify};
use support::{NOW, OK, PATIENT, Receiver, answering, client, close, delivery, header, open, receiver, request, secret};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

type Settled = (u64, u32, Outcome);

/// First in, first out; what is to be tried again goes to the end and is due at once. It keeps no promise about endpoints.
struct Memory {
    due: Mutex<VecDeque<Claimed>>,
    settled: mpsc::UnboundedSender<Settled>,
    claims: AtomicUsize,
    fails: Fails,
}

#[derive(PartialEq)]
enum Fails {
    Never,
    Claims,
    Settles,
    /// The settling of delivery 1 ends in a panic.
    Badly,
}

impl Queue for Memory {
    type Error = io::Error;

    async fn claim(&self, limit: usize) -> io::Result<Vec<Claimed>> {
        self.claims.fetch_add(1, Ordering::SeqCst);
        if self.fails == Fails::Claims {
            return Err(io::Error::other("no claims today"));
        }
        let mut due = self.due.lock().unwrap();
        let many = limit.min(due.len());
        Ok(due.drain(..many).collect())
    }

    async fn settle(&self, mut delivery: Claimed, outcome: Outcome) -> io::Result<()> {
        assert!(self.fails != Fails::Badly || delivery.id != 1, "settled badly");
        self.settled.send((delivery.id, delivery.attempts, outcome.clone())).unwrap();
        if let Outcome::Retry { reason, .. } = outcome {
            delivery.attempts += u32::from(reason.counts() && self.fails == Fails::Never);
            self.due.lock().unwrap().push_back(delivery);
        }
        if self.fails == Fails::Settles { Err(io::Error::other("no settling today")) } else { Ok(()) }
    }
}

struct Running {
    queue: Arc<Memory>,
    settled: mpsc::UnboundedReceiver<Settled>,
    nudge: Arc<Notify>,
    cancel: CancellationToken,
    task: JoinHandle<()>,
}

fn start(fails: Fails, due: Vec<Claimed>, change: impl FnOnce(&mut Settings)) -> Running {
    let (tell, settled) = mpsc::unbounded_channel();
    let queue = Arc::new(Memory { due: Mutex::new(due.into()), settled: tell, claims: AtomicUsize::new(0), fails });
    let mut settings = Settings { poll: Duration::from_millis(10), ..Settings::new(Arc::new(|| NOW * 1000 + 999)) };
    change(&mut settings);
    let (nudge, cancel) = (Arc::new(Notify::new()), CancellationToken::new());
    let client = Arc::new(client(open(), PATIENT));
    let task = tokio::spawn(run(queue.clone(), client, settings, nudge.clone(), cancel.clone()));
    Running { queue, settled, nudge, cancel, task }
}

impl Running {
    /// The next that is settled, other than as busy.
    async fn next(&mut self) -> Settled {
        loop {
            match self.settled.recv().await.unwrap() {
                (_, _, Outcome::Retry { reason: Reason::Busy, ms: 0, .. }) => {}
                settled => return settled,
            }
        }
    }

    async fn stop(self) {
        self.cancel.cancel();
        self.task.await.unwrap();
    }
}

fn to(receiver: &Receiver, id: u64, endpoint: u64) -> Claimed {
    Claimed { id, endpoint, ..delivery(receiver.url()) }
}

async fn hanging() -> Receiver {
    receiver(|_, stream| async move {
        let _open = stream;
        std::future::pending().await
    })
    .await
}

async fn answer(mut stream: TcpStream, with: &[u8]) -> io::Result<()> {
    stream.write_all(with).await?;
    close(stream).await
}

#[tokio::test]
async fn what_fails_first_is_tried_again_with_the_same_id_and_body() {
    let (tell, mut told) = mpsc::unbounded_channel();
    let receiver = receiver(move |n, mut stream| {
        let tell = tell.clone();
        async move {
            tell.send(request(&mut stream).await?).unwrap();
            answer(stream, if n == 0 { b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n" } else { OK }).await
        }
    })
    .await;
    let mut running = start(Fails::Never, vec![to(&receiver, 1, 1)], |_| {});
    let (1, 1, Outcome::Retry { after, reason: Reason::Status(500), .. }) = running.next().await else { panic!("not tried again") };
    assert!((5000..=5500).contains(&after.as_millis()), "{after:?}");
    let done = running.next().await;
    assert!(matches!(done, (1, 2, Outcome::Delivered { status: 200, .. })), "{done:?}");
    for _ in 0..2 {
        let (head, body) = told.recv().await.unwrap();
        let headers = SignedHeaders::read(|name| header(&head, name)).unwrap();
        assert_eq!((headers.id, headers.timestamp, &*body), ("msg_1", NOW.to_string().as_str(), &*delivery("").body));
        assert_eq!(verify(&[secret()], &headers, body.as_bytes(), NOW, TOLERANCE), Ok(()));
    }
    running.stop().await;
}

#[tokio::test]
async fn gone_is_final() {
    let receiver = answering("HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n").await;
    let mut running = start(Fails::Never, vec![to(&receiver, 1, 1)], |_| {});
    let settled = running.next().await;
    assert!(matches!(settled, (1, 1, Outcome::Failed { reason: Reason::Status(410), .. })), "{settled:?}");
    running.stop().await;
}

#[tokio::test]
async fn a_nudge_saves_the_wait() {
    let receiver = answering(OK).await;
    let mut running = start(Fails::Never, Vec::new(), |settings| settings.poll = Duration::from_secs(3600));
    for id in 1..=3 {
        running.queue.due.lock().unwrap().push_back(to(&receiver, id, 1));
        running.nudge.notify_one();
        assert_eq!(running.next().await.0, id);
    }
    running.stop().await;
}

#[tokio::test]
async fn without_a_nudge_it_looks_by_itself() {
    let receiver = answering(OK).await;
    let mut running = start(Fails::Never, Vec::new(), |_| {});
    running.queue.due.lock().unwrap().push_back(to(&receiver, 1, 1));
    assert_eq!(running.next().await.0, 1);
    running.stop().await;
}

#[tokio::test]
async fn an_endpoint_that_hangs_does_not_hold_up_the_others() {
    let (slow, fast) = (hanging().await, answering(OK).await);
    let mut due: Vec<_> = (1..=40).map(|id| to(&slow, id, 1)).collect();
    due.extend((100..110).map(|id| to(&fast, id, 2)));
    let mut running = start(Fails::Never, due, |settings| {
        (settings.in_flight, settings.per_endpoint, settings.grace) = (8, 2, Duration::ZERO);
    });
    for _ in 100..110 {
        let (id, attempts, outcome) = running.next().await;
        assert!(id >= 100 && attempts == 1 && matches!(outcome, Outcome::Delivered { .. }), "{id} {outcome:?}");
    }
    assert!(slow.hits() <= 2, "{}", slow.hits());
    running.stop().await;
}

#[tokio::test]
async fn stopping_lets_tries_end_and_claims_no_more() {
    let (arrived, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (tell, wait) = (arrived.clone(), go.clone());
    let receiver = receiver(move |_, mut stream| {
        let (tell, wait) = (tell.clone(), wait.clone());
        async move {
            request(&mut stream).await?;
            tell.notify_one();
            wait.notified().await;
            answer(stream, OK).await
        }
    })
    .await;
    let mut running = start(Fails::Never, vec![to(&receiver, 1, 1)], |settings| settings.grace = Duration::from_secs(60));
    arrived.notified().await;
    running.cancel.cancel();
    running.queue.due.lock().unwrap().push_back(to(&receiver, 2, 2));
    go.notify_one();
    let done = running.next().await;
    assert!(matches!(done, (1, 1, Outcome::Delivered { .. })), "{done:?}");
    running.task.await.unwrap();
    assert_eq!((running.queue.due.lock().unwrap().len(), receiver.hits()), (1, 1));
}

#[tokio::test]
async fn stopping_gives_up_what_does_not_end() {
    let arrived = Arc::new(Notify::new());
    let tell = arrived.clone();
    let receiver = receiver(move |_, mut stream| {
        let tell = tell.clone();
        async move {
            request(&mut stream).await?;
            tell.notify_one();
            std::future::pending().await
        }
    })
    .await;
    let mut running = start(Fails::Never, vec![to(&receiver, 1, 1)], |settings| settings.grace = Duration::ZERO);
    arrived.notified().await;
    running.cancel.cancel();
    let given_up = running.next().await;
    assert!(matches!(given_up, (1, 1, Outcome::Retry { reason: Reason::Stopped, .. })), "{given_up:?}");
    running.task.await.unwrap();
}

#[tokio::test]
async fn a_settling_that_panics_frees_its_place() {
    let receiver = answering(OK).await;
    let due = vec![to(&receiver, 1, 1), to(&receiver, 2, 1)];
    let mut running = start(Fails::Badly, due, |settings| (settings.in_flight, settings.per_endpoint) = (1, 1));
    assert_eq!(running.next().await.0, 2);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_fails_is_asked_less_and_less() {
    let running = start(Fails::Claims, Vec::new(), |_| {});
    for _ in 0..1000 {
        running.nudge.notify_one();
        tokio::time::sleep(Duration::from_millis(600)).await;
    }
    // 1 + 2 + 4 + 8 + 16 s, then one in 30 s: 10 minutes are 24 or 25 looks.
    let claims = running.queue.claims.load(Ordering::SeqCst);
    assert!((20..=26).contains(&claims), "{claims}");
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_can_not_be_settled_is_not_tried_in_a_circle() {
    // An URL that fails without a socket: time stands still here.
    let mut running = start(Fails::Settles, vec![Claimed { url: "ftp://x".to_owned(), ..delivery("") }], |_| {});
    tokio::time::sleep(Duration::from_secs(600)).await;
    let mut tries = 0;
    while running.settled.try_recv().is_ok() {
        tries += 1;
    }
    assert!((20..=26).contains(&tries), "{tries}");
}
