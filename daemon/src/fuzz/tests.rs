//! Every seed, and some damage to each, on a small stack. `OMBUD_TEST_FUZZ=100` damages each so often.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr, reason = "tests")]

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::{env, fs, thread};

use super::{TARGETS, run};

/// Of larger seeds this much is read: what a parser does not bear stands in fewer octets.
const LARGEST: usize = 32 << 10;
/// So often each seed is damaged when nobody says how often.
const FEW: usize = 40;
/// The stack of a thread that understands, in octets.
const STACK: usize = 2 << 20;

/// xorshift: the same damage in every run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % n.max(1) as u64).unwrap()
    }
}

/// Cuts, doubles, swaps and flips.
fn damaged(seed: &[u8], chance: &mut Chance) -> Vec<u8> {
    const SPLINTERS: [&[u8]; 24] = [
        b"\r\n",
        b"\n\n",
        b"=?",
        b"?=",
        b"\"",
        b"(",
        b";",
        b"<",
        b">",
        b"\0",
        b"\xff",
        b"Content-Type: message/rfc822\r\n\r\n",
        b"\r",
        b"\n",
        b"\r\n.\r\n",
        b"\n.\n",
        b".",
        b" ",
        b":",
        b"@",
        b"9",
        b"{5}\r\n",
        b"DATA\r\n",
        b"* ",
    ];
    let mut out = seed.to_vec();
    for _ in 0..=chance.below(6) {
        let (from, to) = (chance.below(out.len() + 1), chance.below(out.len() + 1));
        let (from, to) = (from.min(to), from.max(to));
        match chance.below(5) {
            0 => drop(out.drain(from..to.min(from + 64))),
            1 => out.truncate(to),
            2 => {
                let piece = out[from..to.min(from + 256)].to_vec();
                out.splice(to..to, piece);
            }
            3 if from < out.len() => out[from] ^= 1 << chance.below(8),
            _ => drop(out.splice(to..to, SPLINTERS[chance.below(SPLINTERS.len())].iter().copied())),
        }
    }
    out
}

/// Our own seeds of a target, and for whole mails the real ones beside the repository.
fn seeds(name: &str) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf();
    let mut folders = vec![root.join("tests/fuzz/seeds").join(name)];
    let corpora = env::var_os("OMBUD_CORPORA").map_or_else(|| root.join("../shared/corpora"), PathBuf::from);
    let wanted: fn(&Path) -> bool = match name {
        "mail" => |path| !path.ends_with("xss/files") && !path.ends_with("search/files"),
        "html" => |path| path.ends_with("xss/files"),
        _ => |_| false,
    };
    match fs::read_dir(corpora) {
        Ok(families) => folders.extend(families.flatten().map(|family| family.path().join("files")).filter(|path| wanted(path))),
        Err(_) if wanted(Path::new("xss/files")) => eprintln!("SKIPPED the real mails of {name}: there is no folder ../shared/corpora"),
        Err(_) => {}
    }
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            match entry.path().is_dir() {
                true => folders.push(entry.path()),
                false => found.push(entry.path()),
            }
        }
    }
    found.sort();
    found
}

fn replay(name: &'static str) {
    // The real mails are many.
    let few = if ["mail", "html"].contains(&name) { 1 } else { FEW };
    let times = env::var("OMBUD_TEST_FUZZ").map_or(few, |n| n.parse().expect("a number"));
    let paths = seeds(name);
    assert!(!paths.is_empty(), "{name} has no seeds");
    let mut chance = Chance(0x9e37_79b9_7f4a_7c15);
    for path in &paths {
        let mut seed = fs::read(path).unwrap();
        seed.truncate(LARGEST);
        let last = Arc::new(Mutex::new(seed.clone()));
        let (mut own, now) = (Chance(chance.0), Arc::clone(&last));
        let all = move || {
            run(name, &seed);
            for _ in 0..times {
                let case = damaged(&seed, &mut own);
                now.lock().unwrap().clone_from(&case);
                run(name, &case);
            }
        };
        let done = thread::Builder::new().stack_size(STACK).spawn(all).unwrap().join();
        chance.below(2);
        if done.is_err() {
            let to = env::temp_dir().join(format!("ombud-fuzz-{name}"));
            fs::write(&to, &*last.lock().unwrap_or_else(PoisonError::into_inner)).unwrap();
            panic!("{name}, {} or what came of it: the bytes are in {}", path.display(), to.display());
        }
    }
}

macro_rules! replays {
    ($($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                replay(stringify!($name));
            }
        )*

        #[test]
        fn every_target_is_replayed() {
            assert_eq!(TARGETS.map(|(name, _)| name), [$(stringify!($name)),*]);
            let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("tests/fuzz/targets");
            for (name, _) in TARGETS {
                let target = fs::read_to_string(root.join(format!("{name}.rs"))).unwrap();
                assert!(target.contains(&format!("run(\"{name}\"")), "{name}");
            }
        }
    };
}

replays! {
    mail headers text html_mail html bounce calendar tnef query token
    smtp_command smtp_line smtp_content smtp lmtp proxy
    imap oauth milter relay policy dkim results
    address commands request mbox
}
