//! Archives as other programs write them.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::Path;

use proptest::prelude::*;

use super::*;

const MOST: u64 = 1_000;

/// The number after "n" in the header is the time; the "From " line's when there is none.
fn dating(header: &[u8], line: Option<&[u8]>, _: Option<i64>) -> i64 {
    let text = String::from_utf8_lossy(header).into_owned();
    let time = text.lines().find_map(|l| l.strip_prefix("n: ")?.trim().parse().ok());
    time.unwrap_or_else(|| i64::try_from(line.map_or(0, <[u8]>::len)).unwrap())
}

fn mbox(bytes: &[u8]) -> Result<Archive, ArchiveError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("old.mbox");
    fs::write(&path, bytes).unwrap();
    Archive::open(&path, MOST, &dating)
}

fn mails(archive: &Archive) -> Vec<String> {
    (0..archive.len()).map(|n| String::from_utf8_lossy(&archive.read(n).unwrap().bytes).into_owned()).collect()
}

const LINE: &str = "From ann@x.test Sat Nov 21 10:00:00 2026\n";

#[test]
fn a_from_line_counts_at_the_start_and_after_an_empty_line() {
    let text = format!("{LINE}n: 1\n\nHello\nFrom ann@x.test Sat Nov 21 10:00:00 2026\nbye\n\n{LINE}n: 2\n\nTwo\n\n\n{LINE}n: 3\n\n");
    let archive = mbox(text.as_bytes()).unwrap();
    assert_eq!(mails(&archive), [&format!("n: 1\n\nHello\n{LINE}bye\n")[..], "n: 2\n\nTwo\n\n", "n: 3\n"]);
    assert_eq!(archive.read(0).unwrap().sender.as_deref(), Some("ann@x.test"));
    assert!(archive.left_out().is_empty());
}

#[test]
fn lines_end_with_crlf_too() {
    let text = format!("{LINE}n: 1\n\nHello\n>From here\n\n{LINE}n: 2\n\nTwo\n\n").replace('\n', "\r\n");
    assert_eq!(mails(&mbox(text.as_bytes()).unwrap()), ["n: 1\r\n\r\nHello\r\nFrom here\r\n", "n: 2\r\n\r\nTwo\r\n"]);
}

#[test]
fn one_mark_is_taken_off_a_quoted_from_line() {
    let text = format!("{LINE}n: 1\n\n>From a\n>>From b\n> From c\nx >From d\n>Fromage\n");
    assert_eq!(mails(&mbox(text.as_bytes()).unwrap()), ["n: 1\n\nFrom a\n>From b\n> From c\nx >From d\n>Fromage\n"]);
}

#[test]
fn what_a_person_wrote_begins_no_mail() {
    let text = format!("{LINE}n: 1\n\nHello\n\nFrom now on we pay at 10:00.\nAnn\n\nFrom ann\nn: 2\n\nAn undated one\n\nFrom the end");
    let first = "n: 1\n\nHello\n\nFrom now on we pay at 10:00.\nAnn\n";
    assert_eq!(mails(&mbox(text.as_bytes()).unwrap()), [first, "n: 2\n\nAn undated one\n\nFrom the end"]);
}

#[test]
fn mails_are_read_in_the_order_of_their_time() {
    let text = format!("{LINE}n: 3\n\nc\n\n{LINE}n: 1\n\na\n\n{LINE}n: 3\n\nd\n\n{LINE}n: 2\n\nb\n");
    assert_eq!(mails(&mbox(text.as_bytes()).unwrap()), ["n: 1\n\na\n", "n: 2\n\nb\n", "n: 3\n\nc\n", "n: 3\n\nd\n"]);
}

#[test]
fn what_is_no_mbox_file_says_where() {
    let foreign = |text: &[u8]| mbox(text).unwrap_err().to_string();
    assert!(foreign(b"\n\nSubject: x\n\nHello\n").ends_with("old.mbox is no mbox file: line 3 does not begin with \"From \""));
    assert!(foreign(&[0; 100_000]).ends_with("line 1 does not begin with \"From \""));
    assert!(mbox(b"").unwrap().is_empty());
    assert!(mbox(b"\n\n").unwrap().is_empty());
}

#[test]
fn a_mail_that_cannot_be_taken_is_named_and_the_others_are_taken() {
    let large = "x".repeat(2_000);
    let text = format!("{LINE}n: 1\n\na\n\n{LINE}n: 2\n\n{large}\n\n{LINE}\x00\x01 garbage\n\n{LINE}\n\n{LINE}n: 3\n\nc\n");
    let archive = mbox(text.as_bytes()).unwrap();
    assert_eq!(mails(&archive), ["n: 1\n\na\n", "n: 3\n\nc\n"]);
    let named: Vec<_> = archive.left_out().iter().map(|l| (l.place.rsplit('/').next().unwrap(), l.why.as_str())).collect();
    let too_large = "it is larger than 1000 octets ([limits] message_size)";
    let second = LINE.len() + 9;
    let third = second + LINE.len() + 6 + 2_002;
    let fourth = third + LINE.len() + 12;
    let place = |at: usize| format!("old.mbox at octet {at}");
    let places = [place(second), place(third), place(fourth)];
    assert_eq!(named, [(&places[0][..], too_large), (&places[1], "it has no header"), (&places[2], "it has no header")]);
}

fn put(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

#[test]
fn a_maildir_is_read_without_its_folders() {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), "cur/b:2,S", "n: 1\n\na\n");
    put(folder.path(), "new/a", "n: 2\r\n\r\nb\r\n");
    put(folder.path(), "cur/a:2,ST", "n: 0\n\ndeleted\n");
    put(folder.path(), "cur/c:2,D", "n: 0\n\na draft\n");
    put(folder.path(), "cur/d", "garbage");
    put(folder.path(), "cur/e", &format!("n: 4\n\n{}", "x".repeat(2_000)));
    put(folder.path(), "cur/.hidden", "n: 5\n\nx\n");
    put(folder.path(), "tmp/f", "n: 6\n\nnot there yet\n");
    put(folder.path(), ".Sent/cur/g", "n: 7\n\nx\n");
    let archive = Archive::open(folder.path(), MOST, &dating).unwrap();
    assert_eq!(mails(&archive), ["n: 1\n\na\n", "n: 2\r\n\r\nb\r\n"]);
    assert_eq!((archive.passed_by(), archive.left_out().len()), (2, 2));
    let sent = Archive::open(&folder.path().join(".Sent"), MOST, &dating).unwrap();
    assert_eq!(mails(&sent), ["n: 7\n\nx\n"]);
    let error = Archive::open(&folder.path().join("tmp"), MOST, &dating).unwrap_err().to_string();
    assert!(error.ends_with("tmp is no Maildir: it has neither a folder cur nor new"), "{error}");
    assert!(matches!(Archive::open(&folder.path().join("none"), MOST, &dating), Err(ArchiveError::Unreadable(..))));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_bytes_are_read_or_refused(parts in prop::collection::vec(prop_oneof![
        Just(LINE.as_bytes().to_vec()), Just(b"\n".to_vec()), Just(b"\r\n".to_vec()), Just(b">From x\n".to_vec()),
        Just(b"From x\n".to_vec()), Just(b"n: 1\n".to_vec()), prop::collection::vec(any::<u8>(), 0..40),
    ], 0..30)) {
        if let Ok(archive) = mbox(&parts.concat()) {
            for n in 0..archive.len() {
                prop_assert!(archive.read(n).unwrap().bytes.len() as u64 <= MOST);
            }
        }
    }

    /// What mboxrd writes is read back octet for octet.
    #[test]
    fn mboxrd_is_read_back(bodies in prop::collection::vec("(>{0,2}(From )?[a-z ]{0,9}\n){0,8}", 1..6)) {
        let mails_in: Vec<String> = bodies.iter().map(|body| format!("n: 1\n\n{body}")).collect();
        let quote = |mail: &String| mail.split_inclusive('\n').map(|line| {
            let is_from = line.trim_start_matches('>').starts_with("From ");
            format!("{}{line}", if is_from { ">" } else { "" })
        }).collect::<String>();
        let text: String = mails_in.iter().map(|mail| format!("{LINE}{}\n", quote(mail))).collect();
        prop_assert_eq!(mails(&mbox(text.as_bytes()).unwrap()), mails_in);
    }
}
