//! Listeners: real sockets, caps and shutdown.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpStream, UnixStream};

use super::fakes::{Desk, limits, loopback};
use crate::config::{Limits, Listen};
use crate::receive::smtp::serve_through;
use crate::receive::{Listener, Protocol};

#[tokio::test]
async fn smtp_over_tcp_until_shutdown() {
    let desk = Desk::plain();
    let listener = Listener::bind(&Listen::Tcp(loopback()), Protocol::Smtp).await.unwrap();
    let address = listener.address().to_owned();
    let serving = tokio::spawn(serve_through(listener, Arc::clone(&desk.shared), desk.cancel.clone()));
    let mut client = BufReader::new(TcpStream::connect(&address).await.unwrap());
    let mut line = String::new();
    client.read_line(&mut line).await.unwrap();
    assert_eq!(line, "220 desk.localhost ESMTP Ombud\r\n");
    assert_eq!(desk.shared.counters().open.load(Relaxed), 1);
    desk.cancel.cancel();
    let mut rest = String::new();
    client.read_to_string(&mut rest).await.unwrap();
    assert!(rest.starts_with("421 4.3.2 "), "{rest}");
    drop(client);
    serving.await.unwrap();
    assert!(TcpStream::connect(&address).await.is_err());
    let counters = desk.shared.counters();
    assert_eq!((counters.open.load(Relaxed), counters.sessions.load(Relaxed)), (0, 1));
    assert_eq!(counters.replies.each_ref().map(|class| class.load(Relaxed)), [1, 0, 1, 0]);
}

#[tokio::test]
async fn lmtp_over_a_unix_socket() {
    let desk = Desk::plain();
    let path = std::env::temp_dir().join(format!("ombud-serving-{}", std::process::id()));
    let listener = Listener::bind(&Listen::Unix(path.clone()), Protocol::Lmtp).await.unwrap();
    assert_eq!(listener.address(), format!("unix:{}", path.display()));
    let serving = tokio::spawn(serve_through(listener, Arc::clone(&desk.shared), desk.cancel.clone()));
    let mut client = UnixStream::connect(&path).await.unwrap();
    client.write_all(b"LHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<support@desk.localhost>\r\nDATA\r\nHi\r\n.\r\nQUIT\r\n").await.unwrap();
    let mut replies = String::new();
    client.read_to_string(&mut replies).await.unwrap();
    assert!(replies.ends_with("\r\n250 2.6.0 Queued as 1\r\n221 2.0.0 Bye\r\n"), "{replies}");
    assert_eq!(desk.kept()[0].0.peer, None);
    desk.cancel.cancel();
    serving.await.unwrap();
    assert!(!path.exists());
}

#[tokio::test]
async fn a_full_house_says_so() {
    let desk = Desk::with(Limits { connections: 1, ..limits() });
    let listener = Listener::bind(&Listen::Tcp(loopback()), Protocol::Smtp).await.unwrap();
    let address = listener.address().to_owned();
    tokio::spawn(serve_through(listener, Arc::clone(&desk.shared), desk.cancel.clone()));
    let mut first = BufReader::new(TcpStream::connect(&address).await.unwrap());
    let mut line = String::new();
    first.read_line(&mut line).await.unwrap();
    let mut refused = String::new();
    TcpStream::connect(&address).await.unwrap().read_to_string(&mut refused).await.unwrap();
    assert!(refused.starts_with("421 4.7.0 "), "{refused}");
    assert_eq!(desk.shared.counters().refused.load(Relaxed), 1);
}
