//! A server on loopback with a thread for each connection, until it is dropped.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

/// What the servers of the tests have in common.
pub(crate) struct Listening {
    pub(crate) address: SocketAddr,
    closed: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Listening {
    /// Listens on this port (0: a free one). A session ends when it has nothing to say any more, with or without a reason.
    pub(crate) fn on(port: u16, session: impl Fn(TcpStream) -> Option<()> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).expect("a port for a server of the test");
        let address = listener.local_addr().expect("its address");
        let (closed, session) = (Arc::new(AtomicBool::new(false)), Arc::new(session));
        let over = Arc::clone(&closed);
        let thread = thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if over.load(Ordering::SeqCst) {
                    return;
                }
                let session = Arc::clone(&session);
                thread::spawn(move || session(stream));
            }
        });
        Self { address, closed, thread: Some(thread) }
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
    }
}
