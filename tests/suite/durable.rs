//! What `250` is worth: the mail is on disk before it is said. The kernel's own record of the system calls is the witness.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use ombud_tests::places::{lacks, skip};
use ombud_tests::{Desk, Options, postgres, wait_for};

use crate::faults::noise;
use crate::from_ann;

const CALLS: &str = "trace=read,readv,recvfrom,recvmsg,write,writev,sendto,sendmsg,pwrite64,fsync,fdatasync,rename";

/// One system call: where in the record it began and where it ended.
struct Call {
    begun: usize,
    ended: usize,
    text: String,
}

/// The calls of a record of `strace -f`: what was interrupted by another thread is put together again.
fn calls(record: &str) -> Vec<Call> {
    let (mut calls, mut open) = (Vec::new(), Vec::<(String, usize, String)>::new());
    for (at, line) in record.lines().enumerate() {
        let Some((thread, rest)) = line.trim_start().split_once(' ') else { continue };
        let rest = rest.trim_start();
        if let Some(head) = rest.strip_suffix("<unfinished ...>") {
            open.push((thread.to_owned(), at, head.trim_end().to_owned()));
        } else if let Some(tail) = rest.strip_prefix("<... ") {
            let Some(place) = open.iter().position(|(of, ..)| of == thread) else { continue };
            let (_, begun, head) = open.remove(place);
            let tail = tail.split_once("resumed>").map_or("", |(_, tail)| tail);
            calls.push(Call { begun, ended: at, text: head + tail });
        } else {
            calls.push(Call { begun: at, ended: at, text: rest.to_owned() });
        }
    }
    calls
}

impl Call {
    fn is(&self, names: &[&str]) -> bool {
        names.iter().any(|name| self.text.strip_prefix(name).is_some_and(|rest| rest.starts_with('(')))
    }

    /// What it is about, by number.
    fn descriptor(&self) -> Option<&str> {
        self.text.split_once('(')?.1.split(['<', ',']).next()
    }

    fn has_succeeded(&self) -> bool {
        self.text.rsplit_once(" = ").is_some_and(|(_, result)| !result.starts_with('-'))
    }
}

/// The call that said `250`, once the record has all of it.
fn said(calls: &[Call]) -> Option<&Call> {
    let writes = ["write", "writev", "sendto", "sendmsg"];
    calls.iter().find(|call| call.is(&writes) && call.text.contains("250 2.6.0 Queued") && call.has_succeeded())
}

/// Whether every file of `files` was written and then synced between the last octet of the mail and the `250`.
///
/// # Errors
/// What is missing.
fn judge(record: &str, files: &[&str]) -> Result<(), String> {
    let calls = calls(record);
    let said = said(&calls).ok_or("no 250 in the record")?;
    // The client waits for the reply: what was read last from its connection is the end of the mail, however it came in pieces.
    let mut reads = calls.iter().filter(|call| call.is(&["read", "readv", "recvfrom", "recvmsg"]) && call.has_succeeded());
    let read = reads.rfind(|call| call.ended < said.begun && call.descriptor() == said.descriptor());
    let read = read.filter(|call| call.text.contains(".\\r\\n\"")).ok_or("no end of the mail in the record")?;
    for file in files {
        let of = |call: &&Call| call.text.contains(file) && call.begun > read.ended && call.ended < said.begun && call.has_succeeded();
        let mut syncs = calls.iter().filter(of).filter(|call| call.is(&["fsync", "fdatasync"]));
        let synced = syncs.next_back().ok_or(format!("{file} was not synced between the last octet and the 250"))?;
        let mut writes = calls.iter().filter(|call| call.text.contains(file) && call.begun > read.ended && call.begun < said.begun);
        // The first write: the pipeline may begin with the next commit before the reply has left.
        let written = writes.find(|call| call.is(&["write", "writev", "pwrite64"]));
        let is_folder = written.is_none() && *file == FOLDER;
        if !is_folder && written.is_none_or(|written| written.ended > synced.begun) {
            return Err(format!("{file} was not written and then synced"));
        }
    }
    Ok(())
}

/// The folder of a body's file, as it ends in the record.
const FOLDER: &str = "/data/blobs/";
const LOG: &str = "ombud.db-wal>";

/// What the system calls of a desk were while it took a mail.
fn recorded(body: usize, preload: Option<&str>) -> String {
    let mut desk = Desk::prepare(Options::default());
    let file = desk.path("calls");
    let path = file.display().to_string();
    let mut words = vec!["strace", "-D", "-f", "-y", "-s", "400000", "-e", CALLS, "-o", &path];
    let variable = preload.map(|library| format!("LD_PRELOAD={library}"));
    if let Some(variable) = &variable {
        words.extend(["-E", variable]);
    }
    assert!(desk.serve_under(&words, &[]), "{}", desk.log());
    let mut mail = from_ann("On disk", "Is it on disk?");
    if body > 0 {
        mail = mail.attach("noise.bin", &noise(body, 7));
    }
    assert!(desk.send(&mail).is_yes());
    wait_for("the record of the 250", || fs::read_to_string(&file).ok().filter(|record| said(&calls(record)).is_some()))
}

/// Whether this machine lets one process watch another.
fn may_watch(test: &str) -> bool {
    if postgres::is_meant() {
        skip(test, "with PostgreSQL its server is the one that syncs");
        return false;
    }
    match Command::new("strace").args(["-o", "/dev/null", "true"]).stderr(Stdio::null()).status() {
        Ok(status) if status.success() => return true,
        Ok(_) => skip(test, "no right to trace a process here"),
        Err(_) => lacks(test, "no strace here"),
    }
    false
}

#[test]
fn the_mail_is_on_disk_before_250_is_said() {
    if !may_watch("the_mail_is_on_disk_before_250_is_said") {
        return;
    }
    assert_eq!(judge(&recorded(0, None), &[LOG]), Ok(()));
    assert_eq!(judge(&recorded(90_000, None), &[".part>", FOLDER, LOG]), Ok(()), "a large body, in a file");
}

/// The judge would see it: the same program, and a library that swallows every sync.
#[test]
fn a_desk_that_syncs_nothing_is_found_out() {
    let test = "a_desk_that_syncs_nothing_is_found_out";
    let library = ["x86_64-linux-gnu", "aarch64-linux-gnu"].map(|triple| format!("/usr/lib/{triple}/libeatmydata.so"));
    let Some(library) = library.iter().find(|path| Path::new(path).exists()) else {
        return lacks(test, "no libeatmydata here");
    };
    if !may_watch(test) {
        return;
    }
    let verdict = judge(&recorded(0, Some(library)), &[LOG]);
    assert_eq!(verdict, Err(format!("{LOG} was not synced between the last octet and the 250")));
}
