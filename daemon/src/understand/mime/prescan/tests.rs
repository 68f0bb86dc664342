#![expect(clippy::unwrap_used, reason = "tests")]

use super::*;

fn scan(raw: &[u8]) -> Result<Scan, Refusal> {
    prescan(raw, &Limits::default())
}

#[test]
fn nested_mails_are_refused() {
    assert_eq!(scan(&b"Content-Type: message/rfc822\r\n\r\n".repeat(22_000)), Err(Refusal::Depth(20)));
    let twenty = [b"Content-Type: message/rfc822\r\n\r\n".repeat(20), b"A: b\r\n\r\nx".to_vec()].concat();
    assert_eq!(scan(&twenty).unwrap().depth, 20);
}

#[test]
fn nested_multiparts_are_refused() {
    let raw: String = (0..25_000).map(|n| format!("Content-Type: multipart/mixed; boundary=b{n}\r\n\r\n--b{n}\r\n")).collect();
    assert_eq!(scan(raw.as_bytes()), Err(Refusal::Depth(20)));
}

#[test]
fn a_second_content_type_counts_too() {
    let raw = "Content-Type: text/plain\r\nContent-Type: message/rfc822\r\n\r\n".repeat(100);
    assert_eq!(scan(raw.as_bytes()), Err(Refusal::Depth(20)));
}

#[test]
fn two_million_parts_are_refused() {
    let raw = [b"Content-Type: multipart/mixed; boundary=b\r\n\r\n".to_vec(), b"--b\r\n\r\n".repeat(2_000_000)].concat();
    assert_eq!(scan(&raw), Err(Refusal::Parts(500)));
    let digest = [b"Content-Type: multipart/digest; boundary=b\r\n\r\n".to_vec(), b"--b\r\n\r\nA: b\r\n\r\n".repeat(1000)].concat();
    assert_eq!(scan(&digest), Err(Refusal::Parts(500)));
}

#[test]
fn headers_are_bounded() {
    assert_eq!(scan(&b"A: b\r\n".repeat(500_000)), Err(Refusal::HeaderFields(1000)));
    assert_eq!(scan(&[b"A: b\r\n".to_vec(), b" c\r\n".repeat(1_000_000)].concat()), Err(Refusal::HeaderField(64 << 10)));
    let big = [b"A: ".to_vec(), vec![b'x'; 60_000], b"\r\n".to_vec()].concat().repeat(10);
    assert_eq!(scan(&big), Err(Refusal::HeaderSize(256 << 10)));
    assert_eq!(scan(&b"Received: by x\r\n".repeat(51)), Err(Refusal::Hops(50)));
    assert_eq!(Refusal::Hops(50).reply().enhanced, "5.4.6");
    assert_eq!((Refusal::Parts(500).reply().code, Refusal::Parts(500).reply().enhanced), (554, "5.6.0"));
}

#[test]
fn froms_of_the_top_header_are_counted() {
    assert_eq!(scan(b"From: a@x.test\r\nfrom : b@x.test\r\n\r\nFrom: c@x.test\r\n").unwrap().from_fields, 2);
    assert_eq!(scan(b"hello\r\nFrom: c@x.test\r\n").unwrap().from_fields, 0);
}

#[test]
fn odd_octets_are_seen() {
    assert!(scan(b"A: b\r\n\r\nx\0y\r\n").unwrap().nul && scan(b"A: \0\r\n\r\nx").unwrap().nul);
    assert!(!scan(b"A: b\r\n\r\nx\ry").unwrap().nul);
}

#[test]
fn parts_are_counted_between_other_dashes() {
    let body = "--\r\n--a\r\n--b\r\nC: d\r\n\r\n--\r\n-- b\r\n --b\r\n--b\r\n\r\nx --b\n--b--\n--b\nmore\n";
    assert_eq!(scan(format!("Content-Type: multipart/mixed; boundary=b\r\n\r\n{body}").as_bytes()).unwrap().parts, 2);
    assert_eq!(scan(format!("Content-Type: multipart/mixed; boundary=b\r\n\r\n{body}--b").as_bytes()).unwrap().parts, 2);
    assert_eq!(scan("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\n\n--b".as_bytes()).unwrap().parts, 2);
}

#[test]
fn a_long_text_is_no_header() {
    assert!(scan(&b"word: and more of it\r\n".repeat(10)).is_ok());
    assert!(scan(&[b"just text\r\n".to_vec(), b"word: and more of it\r\n".repeat(100_000)].concat()).is_ok());
}
