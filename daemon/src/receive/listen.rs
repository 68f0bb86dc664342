//! Listening sockets, TCP and unix, for mail and for HTTP.

use std::fs;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener, UnixStream};

use crate::config::Listen;

/// Who may connect to a unix socket: our user and group, to which a mail server's user can be added.
const SOCKET_MODE: u32 = 0o660;

/// A connection of any kind.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// A bound address, not yet served.
#[derive(Debug)]
pub struct Listener {
    socket: Socket,
    address: String,
    /// Removed with the listener.
    _file: Option<SocketFile>,
}

#[derive(Debug)]
enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener),
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
    /// Binds; connections queue up from now on. A unix socket gets mode 0660, and a stale file in its place is removed.
    pub async fn bind(listen: &Listen) -> Result<Self, BindError> {
        let failed = |address: String| move |source| BindError { address, source };
        match listen {
            Listen::Tcp(address) => Self::tcp(TcpListener::bind(address).await).map_err(failed(address.to_string())),
            Listen::TcpOrFree(address) => Self::tcp(bind_or_free(*address).await).map_err(failed(address.to_string())),
            Listen::Unix(path) => {
                let address = format!("unix:{}", path.display());
                let socket = bind_unix(path).await.map_err(failed(address.clone()))?;
                Ok(Self { socket: Socket::Unix(socket), address, _file: Some(SocketFile(path.clone())) })
            }
        }
    }

    fn tcp(bound: io::Result<TcpListener>) -> io::Result<Self> {
        let socket = bound?;
        let address = socket.local_addr()?.to_string();
        Ok(Self { socket: Socket::Tcp(socket), address, _file: None })
    }

    /// The real address, for the ready line: `127.0.0.1:2525` or `unix:/run/ombud/lmtp`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The next connection and where it comes from.
    pub async fn accept(&self) -> io::Result<(Box<dyn Stream>, Option<IpAddr>)> {
        match &self.socket {
            Socket::Tcp(socket) => {
                let (io, peer) = socket.accept().await?;
                // Replies are small and the client waits for each. Without this option they only come later.
                let _ = io.set_nodelay(true);
                Ok((Box::new(io), Some(peer.ip())))
            }
            Socket::Unix(socket) => {
                let (io, _) = socket.accept().await?;
                Ok((Box::new(io), None))
            }
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

/// The file of a unix socket, gone when nobody listens any more.
#[derive(Debug)]
struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        // The next start removes what could not be removed here.
        let _ = fs::remove_file(&self.0);
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_taken_port_is_an_error_or_a_free_one() {
        let first = Listener::bind(&Listen::Tcp("127.0.0.1:0".parse().unwrap())).await.unwrap();
        let taken: SocketAddr = first.address().parse().unwrap();
        let error = Listener::bind(&Listen::Tcp(taken)).await.unwrap_err();
        assert!(error.to_string().starts_with(&format!("cannot listen on {taken}: ")), "{error}");
        let free = Listener::bind(&Listen::TcpOrFree(taken)).await.unwrap();
        assert_ne!(free.address(), first.address());
    }

    #[tokio::test]
    async fn a_unix_socket_replaces_only_a_stale_one() {
        let folder = std::env::temp_dir().join(format!("ombud-listen-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("lmtp");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        let listen = Listen::Unix(path.clone());
        let socket = Listener::bind(&listen).await.unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, SOCKET_MODE);
        assert_eq!(Listener::bind(&listen).await.unwrap_err().source.kind(), io::ErrorKind::AddrInUse);
        drop(socket);
        assert!(!path.exists());
        fs::write(&path, "precious").unwrap();
        assert!(Listener::bind(&listen).await.is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
        fs::remove_dir_all(&folder).unwrap();
    }
}
