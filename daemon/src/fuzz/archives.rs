//! Archives of other programs.

use std::{env, fs, process};

use crate::archive::Archive;

/// Larger than any that is tried.
const MOST: u64 = 1 << 30;
/// Mails of an archive that we write ourselves.
const MAILS: usize = 8;

/// An mbox file with this content, looked through; `None` when it is none.
fn looked_through(content: &[u8]) -> Option<Archive> {
    let path = env::temp_dir().join(format!("ombud-fuzz-mbox-{}", process::id()));
    let written = fs::write(&path, content);
    let archive = Archive::open(&path, MOST, &|_, _, _| 0).ok();
    let removed = fs::remove_file(&path);
    assert!(written.is_ok() && removed.is_ok(), "{written:?}, {removed:?}");
    archive
}

/// Each mail that is found can be read, and no octet is in two of them; mails that were written as mboxrd come back as they
/// were, in their order.
pub(super) fn mbox(data: &[u8]) {
    if let Some(archive) = looked_through(data) {
        let mut octets = 0;
        for n in 0..archive.len() {
            let size = archive.size(n);
            assert!(archive.read(n).is_ok_and(|old| old.bytes.len() as u64 <= size), "mail {n}");
            octets += size;
        }
        assert!(octets <= data.len() as u64, "{octets} octets of {}", data.len());
    }

    let mails: Vec<Vec<u8>> = data.splitn(MAILS, |b| *b == 0).map(|piece| [b"Subject: one\n\n", piece, b"\n"].concat()).collect();
    let mut file = Vec::new();
    for mail in &mails {
        file.extend_from_slice(b"From ann@customer.test Sat Nov 21 12:00:00 2026\n");
        for line in mail.split_inclusive(|b| *b == b'\n') {
            if line.iter().position(|b| *b != b'>').and_then(|at| line.get(at..)).is_some_and(|rest| rest.starts_with(b"From ")) {
                file.push(b'>');
            }
            file.extend_from_slice(line);
        }
        file.push(b'\n');
    }
    let found = looked_through(&file);
    assert_eq!(found.as_ref().map(Archive::len), Some(mails.len()));
    for (n, mail) in mails.iter().enumerate() {
        let old = found.as_ref().and_then(|archive| archive.read(n).ok());
        assert!(old.is_some_and(|old| old.bytes == *mail && old.sender.as_deref() == Some("ann@customer.test")), "mail {n}");
    }
}
