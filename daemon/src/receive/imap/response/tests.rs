#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use proptest::prelude::*;

use super::*;

fn text(line: &str) -> Vec<Piece> {
    vec![Piece::Text(line.as_bytes().to_vec())]
}

fn data(line: &str) -> Data {
    match parse(text(line)) {
        Some(Response::Data(data)) => data,
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn statuses_have_a_code_and_a_text() {
    let status = |line| match parse(text(line)) {
        Some(Response::Status { tag, status, code, text }) => (tag, status, code, text),
        other => panic!("{line}: {other:?}"),
    };
    assert_eq!(status("* OK [UIDVALIDITY 7] UIDs valid"), (None, Status::Ok, "UIDVALIDITY 7".into(), "UIDs valid".into()));
    assert_eq!(status("a1 no [AUTHENTICATIONFAILED] No."), (Some("a1".into()), Status::No, "AUTHENTICATIONFAILED".into(), "No.".into()));
    assert_eq!(status("* BYE"), (None, Status::Bye, String::new(), String::new()));
    assert_eq!(status("a1 BAD [ odd"), (Some("a1".into()), Status::Bad, String::new(), "[ odd".into()));
    for none in ["", "*", "a1", "a1 WHAT", "hello there", "\u{1}"] {
        assert_eq!(parse(text(none)), None, "{none:?}");
    }
    assert_eq!(parse(text("+ idling")), Some(Response::Continue));
}

#[test]
fn a_literal_is_announced_at_the_end_of_what_is_no_status() {
    assert_eq!(announced(b"* 1 FETCH (BODY[] {12}"), Some((18, 12)));
    assert_eq!(announced(b"* 1 FETCH (BINARY[] ~{12+}"), Some((20, 12)));
    assert_eq!(announced(b"* 1 FETCH (BODY[] {4294967296}"), Some((18, 4_294_967_296)));
    for none in [&b"* OK see {12}"[..], b"a1 NO {1}", b"* 1 FETCH {}", b"* 1 FETCH {-1}", b"* 1 FETCH {99999999999999999999}", b"}", b"{x}"]
    {
        assert_eq!(announced(none), None, "{}", String::from_utf8_lossy(none));
    }
    assert!(before_body(b"* 1 FETCH (UID 5 Body[] ") && !before_body(b"* 1 FETCH (BODY[1] ") && !before_body(b""));
}

#[test]
fn a_fetch_is_read_in_any_order() {
    let fetch = |line| data(line).fetch();
    let sized = fetch("* 4 FETCH (FLAGS (\\Seen $x (odd)) RFC822.SIZE 812 UID 17)").unwrap();
    assert_eq!((sized.uid, sized.size, sized.body), (Some(17), Some(812), None));
    assert_eq!(fetch("* 4 FETCH (INTERNALDATE \" 1-nov-2026 09:00:00 +0000\")").unwrap().day.unwrap(), "1-Nov-2026");
    let at = |date: &str| data(&format!("* 4 FETCH (INTERNALDATE \"{date}\")")).fetch().unwrap().at;
    assert_eq!((at("21-Nov-2026 10:00:00 +0000"), at(" 1-nov-2026 09:00:00 +0130")), (Some(1_795_255_200), Some(1_793_518_200)));
    assert_eq!((at("31-Feb-2026 10:00:00 +0000"), at("21-Nov-2026")), (None, None));
    assert_eq!(fetch("* 4 FETCH (INTERNALDATE NIL UID 1)").unwrap().day, None);
    assert_eq!(fetch("* 4 FETCH (BODY[] NIL UID 1)").unwrap().body, Some(Body::Nil));
    assert_eq!(fetch("* 4 FETCH (BODY[] \"a\\\"b\" UID 1)").unwrap().body, Some(Body::Here(b"a\"b".to_vec())));
    assert_eq!(fetch("* 4 FETCH (BODY[HEADER.FIELDS (TO CC)] \"x\" UID 3)").unwrap().uid, Some(3));
    for bad in ["* 4 FETCH", "* 4 FETCH (", "* 4 FETCH (UID)", "* 4 FETCH (UID x)", "* 4 FETCH (UID 5) more", "* 4 FETCH (UID 99999999999)"]
    {
        assert_eq!(fetch(bad), None, "{bad}");
    }
    let pieces = vec![Piece::Text(b"* 4 FETCH (BODY[] ".to_vec()), Piece::Streamed(900), Piece::Text(b" UID 17)".to_vec())];
    let Some(Response::Data(streamed)) = parse(pieces) else { panic!("no data") };
    assert_eq!(streamed.fetch().map(|f| (f.uid, f.body)), Some((Some(17), Some(Body::Streamed))));
}

#[test]
fn uids_come_in_both_forms_and_no_more_than_asked() {
    assert_eq!(data("* SEARCH 3 1 2").uids(10), Some(vec![3, 1, 2]));
    assert_eq!(data("* SEARCH").uids(10), Some(vec![]));
    assert_eq!(data("* SEARCH 1 x").uids(10), None);
    assert_eq!(data("* ESEARCH (TAG \"a1\") UID ALL 5:3,9").uids(10), Some(vec![3, 4, 5, 9]));
    assert_eq!(data("* ESEARCH (TAG \"a1\") UID").uids(10), Some(vec![]));
    assert_eq!(data("* ESEARCH UID ALL 1:4294967295").uids(10).map(|u| u.len()), Some(10));
    assert_eq!(data("* CAPABILITY IMAP4rev1 idle").words(1), ["IMAP4REV1"]);
    assert_eq!(data("* 5 EXISTS").number, Some(5));
}

#[test]
fn a_deep_list_is_counted_and_not_climbed() {
    let deep = format!("* 1 FETCH (BODYSTRUCTURE {}{} UID 5)", "(".repeat(400_000), ")".repeat(400_000));
    assert_eq!(data(&deep).fetch().and_then(|f| f.uid), Some(5));
    assert_eq!(data(&format!("* 1 FETCH (X {}", "(".repeat(400_000))).fetch(), None);
}

proptest! {
    #[test]
    fn any_octets_have_an_answer(pieces in prop::collection::vec((0u8..3, prop::collection::vec(any::<u8>(), 0..60)), 0..5)) {
        judge(pieces.into_iter().map(|(kind, octets)| piece(kind, octets)).collect());
    }

    #[test]
    fn any_words_have_an_answer(words in prop::collection::vec("\\* |[0-9]{1,11} |FETCH |SEARCH |ESEARCH |ALL |UID |\\(|\\)|\"|BODY\\[\\] |NIL |:|,|\\{[0-9]{1,3}\\}|OK |\\[|\\]", 0..16)) {
        judge(text(&words.concat()));
    }
}

fn piece(kind: u8, octets: Vec<u8>) -> Piece {
    match kind {
        0 => Piece::Text(octets),
        1 => Piece::Literal(octets),
        _ => Piece::Streamed(octets.len() as u64),
    }
}

fn judge(pieces: Vec<Piece>) {
    if let Some(Piece::Text(line)) = pieces.first() {
        let _ = (announced(line), before_body(line));
    }
    if let Some(Response::Data(data)) = parse(pieces) {
        let _ = (data.fetch(), data.words(10));
        assert!(data.uids(10).is_none_or(|uids| uids.len() <= 10));
    }
}
