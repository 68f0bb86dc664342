//! Names to addresses.

use std::future::Future;
use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::pin::Pin;
use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

/// What a resolver answers.
pub type Resolving<'a> = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send + 'a>>;

/// Looks names up. Called once a try; what it answers is checked, and only what was checked is dialled.
pub trait Resolve: Send + Sync {
    /// All addresses of `name`, in the order to try them.
    ///
    /// # Errors
    /// `NotFound` when there is none; anything else when nobody could be asked.
    fn resolve<'a>(&'a self, name: &'a str) -> Resolving<'a>;
}

/// Questions to the system at once. One that nobody waits for any more goes on until the system gives it up, and a resolver
/// that hangs must not take all threads for blocking work.
const AT_ONCE: usize = 16;

/// The system's resolver. Clones share its bounds.
#[derive(Clone, Debug)]
pub struct SystemResolver {
    room: Arc<Semaphore>,
}

impl Default for SystemResolver {
    fn default() -> Self {
        Self { room: Arc::new(Semaphore::new(AT_ONCE)) }
    }
}

impl Resolve for SystemResolver {
    fn resolve<'a>(&'a self, name: &'a str) -> Resolving<'a> {
        Box::pin(async move {
            let permit = self.room.clone().acquire_owned().await.map_err(io::Error::other)?;
            let name = name.to_owned();
            let asked = spawn_blocking(move || {
                let _permit = permit;
                (name.as_str(), 0).to_socket_addrs().map(|found| found.map(|address| address.ip()).collect())
            });
            asked.await.map_err(io::Error::other)?.map_err(told_apart)
        })
    }
}

/// The system says only in words whether a name has no address or nobody could be asked: glibc and musl have these for the
/// latter.
fn told_apart(error: io::Error) -> io::Error {
    let words = error.to_string();
    let nobody = error.raw_os_error().is_some() || ["Temporary failure", "Try again", "Non-recoverable"].iter().any(|w| words.contains(w));
    if nobody { error } else { io::ErrorKind::NotFound.into() }
}
