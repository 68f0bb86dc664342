//! LMTP (A16 of the threat catalogue): a recipient's trouble is no other's, and a unix socket is for whom it is meant.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use ombud_tests::smtp::stuffed;
use ombud_tests::{Desk, Options, Smtp, wait_for, wait_until};

use crate::{ANN, SUPPORT, from_ann};

#[test]
fn a16_each_recipient_has_its_reply_and_all_share_one_mail() {
    let desk = Desk::prepare(Options::default());
    desk.configure(&format!("{}\n[[mailboxes]]\naddress = \"sales@desk.test\"\n", desk.configuration()));
    let desk = desk.running();
    let mail = from_ann("To three", "to two of you");
    let mut lmtp = Smtp::lmtp(desk.ports().lmtp);
    assert_eq!(lmtp.ask(&format!("MAIL FROM:<{ANN}>")).code, 250);
    let codes = [SUPPORT, "nobody@desk.test", "sales@desk.test"].map(|to| lmtp.ask(&format!("RCPT TO:<{to}>")).code);
    assert_eq!(codes, [250, 550, 250]);
    assert_eq!(lmtp.ask("DATA").code, 354);
    lmtp.send(&stuffed(&mail.bytes()));
    let replies = [lmtp.reply(), lmtp.reply()].map(|reply| reply.expect("a reply for each").line);
    assert!(replies[0].starts_with("250 2.6.0 ") && replies[0] == replies[1], "{replies:?}");
    // A client that has lost the second reply sends that one again.
    let again = lmtp.mail(ANN, &["sales@desk.test"], &mail.bytes()).expect("a reply");
    assert_eq!(again.code, 250, "{}", again.line);
    desk.settle();
    let kinds: Vec<_> = desk.fates(&mail.id).into_iter().map(|row| row["fate"]["kind"].clone()).collect();
    assert_eq!(kinds.iter().filter(|kind| *kind == "ticket").count(), 1, "{kinds:?}");
    assert_eq!(desk.list("/api/v1/tickets").len(), 1);
}

#[test]
fn a16_what_cannot_be_kept_is_refused_to_each_and_kept_once_later() {
    let desk = Desk::start(Options { more: "[limits]\nfree_space = \"1024 GiB\"\n", ..Options::default() });
    let mut lmtp = Smtp::lmtp(desk.ports().lmtp);
    assert!(lmtp.ask(&format!("MAIL FROM:<{ANN}>")).line.starts_with("452 4.3.1 "));
    desk.configure(&desk.configuration().replace("1024 GiB", "1 MiB"));
    desk.signal("HUP");
    let mail = from_ann("At last", "there is room");
    let tagged = "support+shop@desk.test";
    wait_until("room", || lmtp.mail(ANN, &[SUPPORT, tagged], &mail.bytes()).is_some_and(|reply| reply.is_yes()));
    assert!(lmtp.reply().is_some_and(|reply| reply.is_yes()), "the second recipient's");
    desk.settle();
    assert_eq!((desk.fates(&mail.id).len(), desk.list("/api/v1/tickets").len()), (1, 1));
}

/// All that an LMTP listener on a unix socket says to this.
fn over_unix(path: &Path, words: &str) -> String {
    let mut line = wait_for("somebody on the socket", || UnixStream::connect(path).ok());
    line.set_read_timeout(Some(Duration::from_secs(30))).expect("a time limit");
    line.write_all(words.as_bytes()).expect("it listens");
    let mut said = String::new();
    line.read_to_string(&mut said).expect("it closes");
    said
}

#[test]
fn a16_a_unix_socket_is_for_us_and_our_group_and_comes_back_after_a_crash() {
    let mut desk = Desk::prepare(Options::default());
    let path = desk.path("lmtp");
    desk.listens_at(&path);
    desk.serve(&[]);
    let mode = || fs::metadata(&path).expect("the socket").permissions().mode() & 0o7777;
    assert_eq!(mode(), 0o660);
    let words = |id: &str| {
        format!(
            "LHLO mta.test\r\nMAIL FROM:<{ANN}>\r\nRCPT TO:<{SUPPORT}>\r\nDATA\r\nMessage-ID: <{id}@client.test>\r\nFrom: {ANN}\r\n\r\nhi\r\n.\r\nQUIT\r\n"
        )
    };
    assert!(over_unix(&path, &words("one")).ends_with("221 2.0.0 Bye\r\n"));
    assert_eq!(desk.fate("one@client.test")["kind"], "ticket");
    desk.kill();
    assert!(fs::metadata(&path).is_ok_and(|found| found.file_type().is_socket()), "a stale socket is in the way");
    desk.serve(&[]);
    assert_eq!(mode(), 0o660);
    assert!(over_unix(&path, &words("two")).ends_with("221 2.0.0 Bye\r\n"));
    assert_eq!(desk.fate("two@client.test")["kind"], "ticket");
    desk.stop();
    assert!(!path.exists(), "it goes with us");
}
