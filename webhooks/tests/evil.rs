//! Receivers that do what they shouldn't, over real sockets.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod support;

use std::time::{Duration, Instant};

use ombud_webhooks::{Reason, SignedHeaders, TOLERANCE, verify};
use support::{NOW, OK, PATIENT, SHORT, answering, attempt, close, delivery, header, receiver, request, secret};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;

#[tokio::test]
async fn an_honest_one_gets_a_signed_request() {
    let (tell, mut told) = mpsc::unbounded_channel();
    let receiver = receiver(move |_, mut stream| {
        let tell = tell.clone();
        async move {
            tell.send(request(&mut stream).await?).unwrap();
            stream.write_all(OK).await?;
            close(stream).await
        }
    })
    .await;
    let done = attempt(receiver.url() + "?a=b", PATIENT).await;
    assert_eq!((done.result, done.retry_after), (Ok(200), None));
    let (head, body) = told.recv().await.unwrap();
    assert!(head.starts_with("POST /hook?a=b HTTP/1.1\r\n"), "{head}");
    assert_eq!(header(&head, "host"), Some(&*receiver.address.to_string()));
    assert_eq!(header(&head, "user-agent"), Some(concat!("Ombud/", env!("CARGO_PKG_VERSION"))));
    assert_eq!(header(&head, "content-type"), Some("application/json"));
    assert_eq!(header(&head, "content-length"), Some(&*body.len().to_string()));
    assert_eq!(body, delivery("").body);
    let headers = SignedHeaders::read(|name| header(&head, name)).unwrap();
    assert_eq!((headers.id, headers.timestamp), ("msg_1", NOW.to_string().as_str()));
    assert_eq!(verify(&[secret()], &headers, body.as_bytes(), NOW, TOLERANCE), Ok(()));
}

#[tokio::test]
async fn a_hanging_one_ends_by_the_limit() {
    let receiver = receiver(|_, mut stream| async move {
        request(&mut stream).await?;
        std::future::pending().await
    })
    .await;
    let began = Instant::now();
    assert_eq!(attempt(receiver.url(), SHORT).await.result, Err(Reason::Timeout));
    assert!(began.elapsed() >= SHORT.whole, "{:?}", began.elapsed());
}

#[tokio::test]
async fn one_that_drips_its_head_ends_by_the_limit() {
    let receiver = receiver(|_, mut stream| async move {
        request(&mut stream).await?;
        for byte in OK.iter().cycle() {
            stream.write_all(&[*byte]).await?;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok(())
    })
    .await;
    assert_eq!(attempt(receiver.url(), SHORT).await.result, Err(Reason::Timeout));
}

#[tokio::test]
async fn one_that_drips_its_body_has_succeeded_and_is_not_waited_for() {
    let receiver = receiver(|_, mut stream| async move {
        request(&mut stream).await?;
        stream.write_all(b"HTTP/1.1 202 Accepted\r\nContent-Length: 1000\r\n\r\n").await?;
        loop {
            stream.write_all(b".").await?;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    let limits = ombud_webhooks::Limits { drain: Duration::from_millis(100), ..PATIENT };
    let began = Instant::now();
    assert_eq!(attempt(receiver.url(), limits).await.result, Ok(202));
    assert!(began.elapsed() < PATIENT.drain, "{:?}", began.elapsed());
}

/// What a receiver could write before it was cut off, when it writes `head` and then `more` for ever.
async fn flood(head: &'static [u8], more: Vec<u8>) -> (Result<u16, Reason>, usize) {
    let (tell, mut told) = mpsc::unbounded_channel();
    let receiver = receiver(move |_, mut stream| {
        let (tell, more) = (tell.clone(), more.clone());
        async move {
            request(&mut stream).await?;
            stream.write_all(head).await?;
            let mut written = 0;
            while stream.write_all(&more).await.is_ok() {
                written += more.len();
            }
            tell.send(written).unwrap();
            Ok(())
        }
    })
    .await;
    let result = attempt(receiver.url(), PATIENT).await.result;
    (result, told.recv().await.unwrap())
}

/// What we may read, and what the two kernels may have buffered beside it.
const CUT_OFF: usize = 16 << 20;

#[tokio::test]
async fn a_gigabyte_is_cut_off_and_the_status_stands() {
    let (result, written) = flood(b"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n", vec![b'x'; 1 << 16]).await;
    assert_eq!(result, Ok(200));
    assert!(written < CUT_OFF, "{written}");
    let (result, written) = flood(b"HTTP/1.1 500 No\r\n\r\n", vec![b'x'; 1 << 16]).await;
    assert_eq!(result, Err(Reason::Status(500)));
    assert!(written < CUT_OFF, "{written}");
}

#[tokio::test]
async fn chunked_bombs_are_cut_off_and_the_status_stands() {
    let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let extension = [b"1;a=".as_slice(), &[b'x'; 4000], b"\r\n.\r\n"].concat();
    for more in [b"1\r\n.\r\n".repeat(1000), extension, vec![b'0'; 1 << 16], b"FFFFFFFFFFFFFFFFFF\r\n".to_vec()] {
        let (result, written) = flood(chunked, more).await;
        assert_eq!(result, Ok(200));
        assert!(written < CUT_OFF, "{written}");
    }
}

#[tokio::test]
async fn endless_headers_are_too_large() {
    for more in [b"X-More: of the same\r\n".repeat(100), vec![b'x'; 1 << 16]] {
        let (result, written) = flood(b"HTTP/1.1 200 OK\r\n", more).await;
        assert_eq!(result, Err(Reason::TooLarge));
        assert!(written < CUT_OFF, "{written}");
    }
}

#[tokio::test]
async fn a_flood_of_interim_answers_is_too_large() {
    for interim in [b"HTTP/1.1 100 Continue\r\n\r\n".as_slice(), b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"] {
        let (result, written) = flood(b"", interim.repeat(1000)).await;
        assert_eq!(result, Err(Reason::TooLarge));
        assert!(written < CUT_OFF, "{written}");
    }
}

#[tokio::test]
async fn a_few_interim_answers_are_skipped() {
    let receiver = answering([b"HTTP/1.1 100 Continue\r\n\r\n".repeat(3).as_slice(), OK].concat()).await;
    assert_eq!(attempt(receiver.url(), PATIENT).await.result, Ok(200));
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let trap = answering(OK).await;
    for (status, location) in [
        (301, trap.url()),
        (302, "http://169.254.169.254/latest/meta-data/".to_owned()),
        (303, "/other".to_owned()),
        (307, format!("//{}/", trap.address)),
        (308, "file:///etc/passwd".to_owned()),
        (304, String::new()),
    ] {
        let receiver = answering(format!("HTTP/1.1 {status} Elsewhere\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n")).await;
        assert_eq!(attempt(receiver.url(), PATIENT).await.result, Err(Reason::Redirect(status)));
        assert_eq!(receiver.hits(), 1);
    }
    assert_eq!(trap.hits(), 0);
}

#[tokio::test]
async fn one_that_closes_at_once_has_not_answered() {
    let silent = receiver(|_, stream| async move {
        drop(stream);
        Ok(())
    })
    .await;
    assert_eq!(attempt(silent.url(), PATIENT).await.result, Err(Reason::Closed));
    for half in ["", "HTTP/1.1 200 OK\r\nContent-", "HTTP/1.1 100 Continue\r\n\r\n"] {
        let receiver = answering(half).await;
        assert_eq!(attempt(receiver.url(), PATIENT).await.result, Err(Reason::Closed), "{half}");
    }
}

#[tokio::test]
async fn garbage_is_no_answer() {
    for garbage in [
        "220 mx.example ESMTP\r\n",
        "SSH-2.0-OpenSSH_9.9\r\n",
        "\0\u{1}\u{2}\u{3}\r\n\r\n",
        "HTTP/1.1 2x0 OK\r\n\r\n",
        "HTTP/1.1 99 Low\r\n\r\n",
        "HTTP/2.0 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        "HTTP/1.1 200 OK\r\nNo colon\r\n\r\n",
    ] {
        let receiver = answering(garbage).await;
        assert_eq!(attempt(receiver.url(), PATIENT).await.result, Err(Reason::Protocol), "{garbage:?}");
    }
}

#[tokio::test]
async fn nobody_there_is_no_connection() {
    let gone = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    assert_eq!(attempt(format!("http://{gone}/"), PATIENT).await.result, Err(Reason::ConnectRefused));
}

#[tokio::test]
async fn retry_after_is_heard_of_429_and_503_alone() {
    for (status, after, heard) in
        [(429, "120", Some(120)), (503, "Tue, 14 Nov 2023 22:14:20 GMT", Some(60)), (500, "120", None), (503, "x", None)]
    {
        let receiver = answering(format!("HTTP/1.1 {status} Later\r\nRetry-After: {after}\r\nContent-Length: 0\r\n\r\n")).await;
        let attempt = attempt(receiver.url(), PATIENT).await;
        assert_eq!(attempt.result, Err(Reason::Status(status)));
        assert_eq!(attempt.retry_after, heard.map(Duration::from_secs), "{status} {after}");
    }
}

#[tokio::test]
async fn an_answer_before_the_request_was_read_counts() {
    let receiver = receiver(|_, mut stream| async move {
        stream.read_u8().await?;
        stream.write_all(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n").await?;
        while stream.read(&mut [0; 4096]).await? > 0 {}
        Ok(())
    })
    .await;
    assert_eq!(attempt(receiver.url(), PATIENT).await.result, Err(Reason::Status(413)));
}

#[tokio::test]
async fn what_can_not_be_signed_is_not_sent() {
    let receiver = answering(OK).await;
    let client = support::client(support::open(), PATIENT);
    let mut unsigned = delivery(receiver.url());
    unsigned.secrets.clear();
    let mut nameless = delivery(receiver.url());
    nameless.message.clear();
    let mut split = delivery(receiver.url());
    split.message = "msg\r\nX-Other: 1".to_owned();
    for delivery in [unsigned, nameless, split] {
        assert_eq!(client.attempt(&delivery, NOW).await.result, Err(Reason::Unsendable));
    }
    assert_eq!(receiver.hits(), 0);
}
