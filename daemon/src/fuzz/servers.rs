//! What servers say to us whom we ask ourselves: IMAP, filters, relays, policies, tokens, the DNS.

use super::pieces::same;
use crate::filter::outside::{frames, judged, kept};
use crate::receive::imap::outside::{granted, responses, written_and_read};
use crate::send::dkim::outside::{key, publishes};
use crate::send::relay::outside::{policy as read_policy, replies};
use crate::verify::outside::{is_open, stated};

/// Most UIDs or words of one response that are taken.
const LIST: usize = 50;
/// Most octets of a mail that is fetched.
const MAIL: u64 = 1_000;
/// Octets of an answer: more are the business of the leash, which counts what was read and not what was used.
const ANSWER: u64 = 60_000;

/// An IMAP server: what it says does not depend on how it comes, is no larger than what came, and lists end.
pub(super) fn imap(data: &[u8]) {
    let data = data.get(..usize::try_from(ANSWER / 2).unwrap_or(0)).unwrap_or(data);
    let Some(said) = same(data, |io, _| responses(Box::new(io), MAIL, ANSWER, LIST)) else { return };
    assert!(said.responses.len() <= data.iter().filter(|b| **b == b'\n').count());
    let shown: usize = said.responses.iter().map(|response| response.shown.len()).sum();
    assert!(shown <= 32 * data.len() + 400 * said.responses.len(), "{shown} of {}", data.len());
    for response in &said.responses {
        assert!(response.uids.as_ref().is_none_or(|uids| uids.len() <= LIST) && response.words.len() <= LIST);
    }
    assert!(said.responses.iter().filter(|response| response.streamed).count() <= 1, "one mail was asked for");
    let body = &said.body;
    assert!(body.len() <= usize::try_from(MAIL).unwrap_or(0));
    assert!(body.is_empty() || data.windows(body.len()).any(|window| window == body), "the mail is what came");

    let mut uids: Vec<u32> = data.chunks_exact(2).map(|two| u32::from_le_bytes([two[0], two[1], 0, 0])).collect();
    uids.sort_unstable();
    uids.dedup();
    assert!(uids.is_empty() || written_and_read(&uids).as_ref() == Some(&uids));
}

/// An endpoint for tokens: what it gives can be sent, and what it says of trouble holds no secret.
pub(super) fn oauth(data: &[u8]) {
    const SECRET: &str = "geheim-77";
    let (head, body) = data.split_first_chunk::<2>().map_or((&[0, 200], data), |(head, body)| (head, body));
    let status = 100 + u16::from_be_bytes(*head) % 500;
    let words = String::from_utf8_lossy(body);
    let telling = serde_json::json!({"error": words, "error_description": format!("{words}{SECRET} {SECRET}{words}")}).to_string();
    for (status, body) in [(status, body), (200, body), (status, telling.as_bytes())] {
        match granted(status, body, SECRET) {
            Ok((access, refresh, life)) => {
                assert!((200..300).contains(&status) && (1..=86_400).contains(&life));
                assert!(
                    std::iter::once(&access).chain(&refresh).all(|token| token.bytes().all(|b| b.is_ascii_graphic()) && !token.is_empty())
                );
            }
            Err(shown) => {
                assert!(!shown.contains(SECRET) && !shown.chars().any(char::is_control) && shown.chars().count() < 1_000, "{shown}");
            }
        }
    }
}

/// A content filter: frames and what is kept of them, by themselves and in a conversation.
pub(super) fn milter(data: &[u8]) {
    let Some((found, _)) = same(data, |io, _| frames(io)) else { return };
    assert!(found.iter().map(|(_, data)| data.len() + 5).sum::<usize>() <= data.len());
    for (code, data) in &found {
        assert!(kept(*code, data).ok().flatten().is_none_or(|text| is_line(&text)));
    }
    // Whatever it begins with, once as an answer to the negotiation.
    let wants = data.first_chunk::<4>().map_or(0, |four| u32::from_be_bytes(*four)) & 0x1f_f7ff;
    let agreed = [&[0, 0, 0, 13, b'O', 0, 0, 0, 6, 0, 0, 1, 0xff][..], &wants.to_be_bytes(), data].concat();
    for said in [data, &agreed] {
        let told = same(said, |io, _| async { judged(io, b"From: ann@customer.test\r\nSubject: one\r\n two\r\n\r\nHello\r\n").await });
        if let Some(Ok((_, why, tags))) = told {
            assert!(tags.len() <= 20 && tags.iter().chain(&why).all(|text| is_line(text)));
        }
    }
}

/// One line of printable ASCII, not too long.
fn is_line(text: &str) -> bool {
    (1..=200).contains(&text.len()) && text.bytes().all(|b| (b' '..=b'~').contains(&b))
}

/// A server that mail is sent to: replies do not depend on how they come, are one harmless line when shown, and are read again as
/// they are written.
pub(super) fn relay(data: &[u8]) {
    let read = |data: &[u8]| {
        same(data, |io, _| async {
            let (replies, error) = replies(io).await;
            (replies.into_iter().map(|said| (said.code, said.lines, said.shown, said.mechanisms)).collect::<Vec<_>>(), error)
        })
    };
    let Some((replies, _)) = read(data) else { return };
    let mut again = String::new();
    for (code, lines, shown, mechanisms) in &replies {
        assert!((200..560).contains(code) && !lines.is_empty() && *mechanisms <= lines.iter().map(String::len).sum::<usize>());
        assert!(shown.starts_with(&code.to_string()) && shown.chars().count() <= 2_010 && !shown.chars().any(char::is_control), "{shown}");
        for (n, line) in lines.iter().enumerate() {
            again.push_str(&format!("{code}{}{line}\r\n", if n + 1 == lines.len() { ' ' } else { '-' }));
        }
    }
    // Octets that are no UTF-8 become longer.
    if !again.contains('\u{fffd}') {
        assert_eq!(read(again.as_bytes()).map(|(replies, _)| replies), Some(replies));
    }
}

/// A policy of MTA-STS: either line end says the same, what it names is named, and it is read again as it is written.
pub(super) fn policy(data: &[u8]) {
    let found = read_policy(data);
    if !data.contains(&b'\r') {
        let wide: Vec<u8> = data.iter().flat_map(|b| if *b == b'\n' { vec![b'\r', b'\n'] } else { vec![*b] }).collect();
        assert_eq!(read_policy(&wide), found);
    }
    let Ok((mode, mx, age, is_named)) = found else { return };
    assert!(is_named && age <= 31_557_600 && (mode == "none" || !mx.is_empty()));
    assert!(mx.iter().all(|server| !server.is_empty() && !server.bytes().any(|b| b.is_ascii_uppercase())), "{mx:?}");
    let servers: String = mx.iter().map(|server| format!("mx: {server}\n")).collect();
    let again = format!("version: STSv1\nmode: {mode}\n{servers}max_age: {age}\n");
    assert_eq!(read_policy(again.as_bytes()), Ok((mode, mx, age, true)));
}

/// A key of DKIM, or a record in the DNS: a key is published by its own record and by no cut one; whoever adds tags of theirs changes
/// nothing.
pub(super) fn dkim(data: &[u8]) {
    if let Some((record, public)) = key(data) {
        assert!(publishes(record.as_bytes(), &public));
        assert!(!publishes(record.get(..record.len() - 1).unwrap_or_default().as_bytes(), &public));
        let spaced: Vec<u8> = record.bytes().flat_map(|b| [b' ', b]).collect();
        assert!(publishes(&spaced, &public));
    }
    let before = [data, b"; p=ABCD="].concat();
    let behind = [b"v=DKIM1; p=ABCD=;", data].concat();
    assert!(publishes(&before, "ABCD=") && publishes(&behind, "ABCD="));
    assert!(!publishes(data, " "), "white space is no part of a key");
}

/// A relay's word on who wrote a mail: comments say nothing, and nobody ends somebody else's quotation.
pub(super) fn results(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let text: String = text.chars().take(2_000).collect();
    match stated(&text) {
        // What was opened takes in all that follows; a backslash at the end only the next character.
        None => assert!(!is_open(&text) || text.ends_with('\\') || stated(&format!("{text}; dmarc=pass header.from=x.test")).is_none()),
        Some((by, statements)) => {
            assert!(statements.len() <= 100 && by.as_ref().is_none_or(|by| !by.chars().any(char::is_whitespace)));
            for (method, _, properties) in &statements {
                // Signs that part statements stand only in a name that was coded, and so is none of those that count.
                let coded = method.contains(['"', '\\']);
                assert!((coded || !method.contains([';', '='])) && properties.len() <= text.len());
            }
            assert_eq!(stated(&format!("{text} (dmarc=pass)")), Some((by, statements)));
        }
    }
}
