//! What clients say to our SMTP, submission and LMTP.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::pieces::{pieces, same};
use crate::receive::Protocol;
use crate::receive::smtp::outside::{Content, Verb, command as read, content as contents, lines, named, session};
use crate::send::relay::outside::written;

/// Longest lines, so short that small inputs are longer.
const LINE: usize = 32;
const AUTH: usize = 64;

/// One command line: what is taken is written down again as the same command, and SMTPUTF8 takes nothing away.
pub(super) fn command(data: &[u8]) {
    let line: Vec<u8> = data.iter().copied().filter(|octet| !b"\r\n".contains(octet)).collect();
    for utf8 in [false, true] {
        let again = match read(&line, utf8) {
            Err(reply) => {
                assert!((500..560).contains(&reply.code) && reply.text.bytes().all(|b| (b' '..=b'~').contains(&b)), "{reply:?}");
                continue;
            }
            Ok(Verb::Mail(path, size, utf8)) => {
                let size = size.map_or(String::new(), |n| format!(" SIZE={n}"));
                format!("MAIL FROM:<{path}>{size}{}", if utf8 { " SMTPUTF8" } else { "" })
            }
            Ok(Verb::Rcpt(path)) => format!("RCPT TO:<{path}>"),
            Ok(Verb::Hello(name)) => {
                assert!(name.bytes().all(|b| b.is_ascii_graphic()) && name.len() <= 255);
                continue;
            }
            Ok(Verb::Other(_)) => continue,
        };
        assert!(again.len() <= 320 && !again.chars().any(char::is_control), "{again:?}");
        assert_eq!(read(again.as_bytes(), utf8), read(&line, utf8));
        assert_eq!(read(&line, true), read(&line, utf8), "with SMTPUTF8 before it");
    }
}

/// Command lines: only CRLF ends one, however the octets come.
pub(super) fn line(data: &[u8]) {
    let found = same(data, |io, _| lines(Box::new(io), LINE, AUTH));
    assert_eq!(found, Some(in_one(data)));
}

/// The same where all of it is there.
fn in_one(mut rest: &[u8]) -> (Vec<Option<Vec<u8>>>, String) {
    let mut lines = Vec::new();
    while let Some(at) = rest.iter().position(|b| b"\r\n".contains(b)) {
        match (rest.get(at..at + 2), rest.split_at(at).0) {
            (Some(b"\r\n"), line) => {
                let most = if line.get(..5).is_some_and(|verb| verb.eq_ignore_ascii_case(b"AUTH ")) { AUTH } else { LINE };
                lines.push((line.len() + 2 <= most).then(|| line.to_vec()));
            }
            // Half of what may come.
            (None, _) if rest.get(at) == Some(&b'\r') => break,
            _ => return (lines, "Stray".to_owned()),
        }
        rest = rest.get(at + 2..).unwrap_or_default();
    }
    (lines, "Wire(Gone)".to_owned())
}

/// Content behind DATA: only CRLF.CRLF ends it, in whatever pieces it comes, and what is stuffed comes back. Our own way of writing
/// a mail is read by it as exactly that mail.
pub(super) fn content(data: &[u8]) {
    let mut all = pieces(data).map(|pieces| contents(pieces.into_iter(), 10));
    let found = all.next().unwrap_or_default();
    assert!(all.all(|other| other == found), "pieces make a difference");

    let framed = [b"\r\n", data].concat();
    let end = framed.windows(5).position(|five| five == b"\r\n.\r\n").map(|at| at + 3);
    assert_eq!((found.used, found.ended), (end.unwrap_or(data.len()), end.is_some()));
    if let Some(end) = end.filter(|_| !found.stray) {
        assert!(is_clean(&found.octets));
        let lines = data.get(..end - 3).unwrap_or_default().split_inclusive(|b| *b == b'\n');
        let plain: Vec<u8> = lines.flat_map(|line| line.strip_prefix(b".").unwrap_or(line)).copied().collect();
        assert_eq!(found.octets, plain);
    }

    let (normal, wire) = written(data);
    let taken = contents([wire.as_slice()].into_iter(), usize::MAX);
    let stray = taken.stray && data.contains(&0);
    assert_eq!(taken, Content { octets: normal, used: wire.len(), ended: true, stray, long_line: false });
}

/// Whether each line end is CRLF.
fn is_clean(mail: &[u8]) -> bool {
    let pairs = mail.windows(2).filter(|pair| pair == b"\r\n").count();
    mail.iter().filter(|b| **b == b'\r').count() == pairs && mail.iter().filter(|b| **b == b'\n').count() == pairs
}

/// Whole sessions: replies and mails do not depend on how the octets come, no mail is taken that has no end of its own, and none with
/// a stray line end.
pub(super) fn sessions(data: &[u8]) {
    for protocol in [Protocol::Smtp, Protocol::Submission] {
        for (_, mail) in conversation(data, protocol) {
            assert!(is_clean(&mail), "a stray line end was taken over SMTP");
        }
    }
}

/// The same over LMTP: a reply for each recipient.
pub(super) fn lmtp(data: &[u8]) {
    conversation(data, Protocol::Lmtp);
}

fn conversation(data: &[u8], protocol: Protocol) -> Vec<(Vec<String>, Vec<u8>)> {
    let talked = same(data, |io, heard| async move {
        let kept = session(Box::new(io), protocol).await;
        (kept.into_iter().map(|(envelope, mail)| (envelope.recipients, envelope.auth_user, mail)).collect::<Vec<_>>(), heard.octets())
    });
    let Some((kept, heard)) = talked else { return Vec::new() };
    let heard = String::from_utf8(heard).unwrap_or_else(|_| "\0".to_owned());
    for line in heard.split_terminator("\r\n") {
        let (code, rest) = line.split_at_checked(3).unwrap_or_default();
        assert!((200..560).contains(&code.parse().unwrap_or(0)) && rest.starts_with([' ', '-']), "{line:?}");
        assert!(line.len() <= 510 && line.bytes().all(|b| (b' '..=b'~').contains(&b)), "{line:?}");
    }
    let said = heard.matches(" Queued as ").count();
    let owed = |recipients: &[String]| if protocol == Protocol::Lmtp { recipients.len() } else { 1 };
    assert_eq!(said, kept.iter().map(|(recipients, ..)| owed(recipients)).sum::<usize>(), "a reply for each mail that was taken");
    let ends = [b"\r\n", data].concat().windows(5).filter(|five| five == b"\r\n.\r\n").count();
    assert!(kept.len() <= ends && kept.len() <= heard.matches("354 ").count(), "a mail without an end");
    let known = |recipients: &[String]| !recipients.is_empty() && !recipients.iter().any(|r| r.starts_with("nobody@"));
    assert!(kept.iter().all(|(recipients, user, _)| known(recipients) && user.is_some() == (protocol == Protocol::Submission)));
    kept.into_iter().map(|(recipients, _, mail)| (recipients, mail)).collect()
}

/// What a load balancer says first: exactly its header is read, and what is written is read.
pub(super) fn proxy(data: &[u8]) {
    let found = same(data, |io, _| async { named(io).await.ok() });
    if let Some(Some((client, rest))) = found {
        let (header, behind) = data.split_at(data.len() - rest.len());
        assert_eq!(behind, rest);
        assert_eq!(once(header), Some((client, Vec::new())));
        assert_eq!(once(header.split_last().map_or(header, |(_, less)| less)), None, "more was read than is needed");
    }
    let Some((octets, port)) = data.split_first_chunk::<16>().zip(data.last()).map(|((octets, _), port)| (*octets, *port)) else { return };
    let v4 = Ipv4Addr::from(octets.first_chunk::<4>().copied().unwrap_or_default());
    let v6 = Ipv6Addr::from(octets);
    for (ip, text) in [(IpAddr::V4(v4), "TCP4 "), (IpAddr::V6(v6), "TCP6 ")] {
        let line = format!("PROXY {text}{ip} {ip} {port} 25\r\n");
        assert_eq!(once(&[line.as_bytes(), data].concat()), Some((Some(ip), data.to_vec())), "{line}");
        let (family, length) = if ip.is_ipv4() { (0x11, 12) } else { (0x21, 36) };
        let body: Vec<u8> =
            octets.iter().take(if ip.is_ipv4() { 4 } else { 16 }).copied().chain(std::iter::repeat(port)).take(length).collect();
        let head = [&b"\r\n\r\n\0\r\nQUIT\n\x21"[..], &[family, 0, u8::try_from(length).unwrap_or(0)], &body, data].concat();
        assert_eq!(once(&head), Some((Some(ip), data.to_vec())), "{ip}");
    }
}

fn once(octets: &[u8]) -> Option<(Option<IpAddr>, Vec<u8>)> {
    super::pieces::run(named(octets)).and_then(Result::ok)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mail_is_taken_in_these_sessions() {
        let mail = |to: &str| format!("MAIL FROM:<a@x.test>\r\nRCPT TO:<{to}>\r\nDATA\r\n..b\r\n.\r\n");
        let two = format!("AUTH PLAIN AGphbmUAcmlnaHQ=\r\n{}{}", mail("support@desk.localhost"), mail("sales@desk.localhost"));
        for protocol in [Protocol::Smtp, Protocol::Submission, Protocol::Lmtp] {
            let taken = conversation(two.as_bytes(), protocol);
            assert_eq!(taken.iter().map(|(_, mail)| mail.as_slice()).collect::<Vec<_>>(), [b".b\r\n", b".b\r\n"], "{protocol:?}");
        }
    }

    #[test]
    fn a_header_of_a_load_balancer_is_read() {
        assert_eq!(once(b"PROXY TCP4 192.0.2.1 192.0.2.9 1 25\r\nx"), Some((Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1))), b"x".to_vec())));
    }
}
