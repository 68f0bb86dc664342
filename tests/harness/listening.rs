//! A server on loopback with a thread for each connection, until it is dropped.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use crate::wait::wait_for;

/// What the servers of the tests have in common.
pub(crate) struct Listening {
    pub(crate) address: SocketAddr,
    closed: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    panics: Arc<Mutex<Vec<String>>>,
}

impl Listening {
    /// Listens on this port (0: a free one). A session ends when it has nothing to say any more, with or without a reason.
    pub(crate) fn on(port: u16, session: impl Fn(TcpStream) -> Option<()> + Send + Sync + 'static) -> Self {
        Self::at(SocketAddr::from(([127, 0, 0, 1], port)), session)
    }

    /// The same at this address.
    pub(crate) fn at(address: SocketAddr, session: impl Fn(TcpStream) -> Option<()> + Send + Sync + 'static) -> Self {
        // A port that was free a moment ago may be the near end of somebody's connection now.
        let listener = wait_for("a port for a server of the test", || TcpListener::bind(address).ok());
        let address = listener.local_addr().expect("its address");
        let (closed, session) = (Arc::new(AtomicBool::new(false)), Arc::new(session));
        let (over, panics) = (Arc::clone(&closed), Arc::<Mutex<Vec<String>>>::default());
        let seen = Arc::clone(&panics);
        let thread = thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if over.load(Ordering::SeqCst) {
                    return;
                }
                let (session, seen) = (Arc::clone(&session), Arc::clone(&seen));
                thread::spawn(move || {
                    let ended = catch_unwind(AssertUnwindSafe(|| session(stream)));
                    if let Err(panic) = ended {
                        let words = panic.downcast_ref::<String>().cloned();
                        let words = words.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
                        seen.lock().unwrap().push(words.unwrap_or_default());
                    }
                });
            }
        });
        Self { address, closed, thread: Some(thread), panics }
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::SeqCst);
        // Wakes the thread up, which then sees that it is over.
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        // What a session found wrong is the test's to fail by.
        let panics = self.panics.lock().unwrap().clone();
        assert!(panics.is_empty() || thread::panicking(), "a session of the test's server: {panics:?}");
    }
}
