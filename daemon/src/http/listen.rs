//! Listening sockets: TCP and unix.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener, UnixStream};

use crate::config::Listen;

/// Who may connect to a unix socket: our user and group, to which a web server's user can be added.
const SOCKET_MODE: u32 = 0o660;

/// A connection.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A bound address, not yet served.
#[derive(Debug)]
pub struct Listener {
    socket: Socket,
    address: String,
}

#[derive(Debug)]
enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener, PathBuf),
}

/// An address that can't be listened on; temporary only when somebody else gives it up.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {source}")]
pub struct BindError {
    /// As configured.
    pub address: String,
    /// Why not.
    pub source: io::Error,
}

impl Listener {
    /// Binds; connections queue up from now on. A unix socket gets mode 0660, and a stale one in its place is removed.
    ///
    /// # Errors
    /// When the address is taken or not ours to use.
    pub async fn bind(listen: &Listen) -> Result<Self, BindError> {
        let failed = |address: String| move |source| BindError { address, source };
        match listen {
            Listen::Tcp(address) => Self::tcp(TcpListener::bind(address).await).map_err(failed(address.to_string())),
            Listen::TcpOrFree(address) => Self::tcp(bind_or_free(*address).await).map_err(failed(address.to_string())),
            Listen::Unix(path) => {
                let address = format!("unix:{}", path.display());
                let socket = bind_unix(path).await.map_err(failed(address.clone()))?;
                Ok(Self { socket: Socket::Unix(socket, path.clone()), address })
            }
        }
    }

    fn tcp(bound: io::Result<TcpListener>) -> io::Result<Self> {
        let socket = bound?;
        let address = socket.local_addr()?.to_string();
        Ok(Self { socket: Socket::Tcp(socket), address })
    }

    /// The real address, for the ready line: `127.0.0.1:8025` or `unix:/run/ombud/http`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The next connection.
    pub(super) async fn accept(&self) -> io::Result<Box<dyn Stream>> {
        match &self.socket {
            Socket::Tcp(socket) => {
                let (io, _) = socket.accept().await?;
                // Without this option answers only come later.
                let _ = io.set_nodelay(true);
                Ok(Box::new(io))
            }
            Socket::Unix(socket, _) => Ok(Box::new(socket.accept().await?.0)),
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Socket::Unix(_, path) = &self.socket {
            // The next start removes what could not be removed here.
            let _ = fs::remove_file(path);
        }
    }
}

async fn bind_or_free(address: SocketAddr) -> io::Result<TcpListener> {
    match TcpListener::bind(address).await {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => TcpListener::bind((address.ip(), 0)).await,
        bound => bound,
    }
}

async fn bind_unix(path: &Path) -> io::Result<UnixListener> {
    // Only a socket on which nobody answers is stale. Anything else in this place is not ours to remove.
    if fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket()) {
        match UnixStream::connect(path).await {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path)?,
            Ok(_) => return Err(io::ErrorKind::AddrInUse.into()),
            Err(error) => return Err(error),
        }
    }
    let socket = UnixListener::bind(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(SOCKET_MODE))?;
    Ok(socket)
}
