//! Whatever is found in the folder, the index comes back the same.

use std::fs;
use std::path::{Path, PathBuf};

use ombud_indexer::Doc;

use crate::feed::{Memory, ask, found, start, ticket};

const QUERIES: [&str; 5] = ["red", "wor*", "\"red fox\"", "-red", "is:unassigned word7"];

fn feed() -> Memory {
    let feed = Memory::default();
    for n in 0..60 {
        let text = format!("word{} {}", n % 11, if n % 2 == 0 { "red fox" } else { "blue hen" });
        feed.put(Doc { updated_at: n * 1000, ..ticket(n as u64, &format!("title {n}"), &[&text]) });
    }
    feed
}

/// Starts, waits, answers all queries and stops.
async fn answers(feed: &Memory, dir: &Path) -> Vec<(String, u64)> {
    let running = start(feed, dir);
    running.caught_up(feed).await;
    let answers = QUERIES.map(|query| (found(&running.searcher, query), ask(&running.searcher, query).total)).to_vec();
    running.stop().await;
    answers
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files.extend(self::files(&path)) } else { files.push(path) }
    }
    files.sort();
    files
}

fn copy(from: &Path, to: &Path) {
    for file in files(from) {
        let target = to.join(file.strip_prefix(from).unwrap());
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(file, target).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_to_any_file_is_found_and_mended() {
    let (dir, feed) = (tempfile::tempdir().unwrap(), feed());
    let whole = answers(&feed, dir.path()).await;
    assert!(whole.iter().all(|(_, total)| *total > 0), "{whole:?}");
    let files = files(dir.path());
    assert!(files.len() > 6, "{files:?}");
    for file in &files {
        for damage in ["cut", "flipped", "garbage", "gone", "empty"] {
            let broken = tempfile::tempdir().unwrap();
            copy(dir.path(), broken.path());
            let victim = broken.path().join(file.strip_prefix(dir.path()).unwrap());
            let mut bytes = fs::read(&victim).unwrap();
            let third = bytes.len() / 3;
            match damage {
                "cut" => bytes.truncate(bytes.len() / 2),
                "flipped" => bytes.iter_mut().skip(third).step_by(7).for_each(|byte| *byte ^= 0x55),
                "garbage" => bytes = (0..bytes.len().max(100)).map(|n| (n * 31 % 251) as u8).collect(),
                _ => bytes.clear(),
            }
            if damage == "gone" {
                fs::remove_file(&victim).unwrap()
            } else {
                fs::write(&victim, bytes).unwrap()
            }
            assert_eq!(answers(&feed, broken.path()).await, whole, "{damage} {}", file.display());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn folders_left_by_a_kill_are_swept_and_do_no_harm() {
    let (dir, feed) = (tempfile::tempdir().unwrap(), feed());
    let whole = answers(&feed, dir.path()).await;
    for (left, content) in [("gen-99/meta.json", "{"), ("gen-2/half", ""), ("current.new", "gen-99")] {
        let path = dir.path().join(left);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    feed.0.lock().unwrap().asked.clear();
    assert_eq!(answers(&feed, dir.path()).await, whole);
    assert!(feed.0.lock().unwrap().asked.is_empty(), "nothing had to be read again");
    assert!(!dir.path().join("gen-99").exists() && !dir.path().join("gen-2").exists());
}

/// Copies the folder again and again while it is written: each copy is what a kill at that moment would leave, and some
/// are worse, as their files are of different moments.
#[tokio::test(flavor = "multi_thread")]
async fn a_kill_at_any_moment_leaves_what_opens_or_is_built_anew() {
    let (dir, feed) = (tempfile::tempdir().unwrap(), Memory::default());
    let running = start(&feed, dir.path());
    running.caught_up(&feed).await;
    let mut left = Vec::new();
    for n in 0..40_u64 {
        feed.put(ticket(n % 15, "red fox", &[&format!("word{n}")]));
        if n % 13 == 12 {
            feed.0.lock().unwrap().epoch += 1;
        }
        running.nudge.notify_one();
        let copied = tempfile::tempdir().unwrap();
        // Files come and go meanwhile.
        std::panic::catch_unwind(|| copy(dir.path(), copied.path())).ok();
        left.push(copied);
    }
    running.caught_up(&feed).await;
    running.stop().await;
    assert!(left.iter().any(|copied| copied.path().join("current").exists()), "no copy holds an index");
    let whole = answers(&feed, tempfile::tempdir().unwrap().path()).await;
    for copied in &left {
        assert_eq!(answers(&feed, copied.path()).await, whole);
    }
}
