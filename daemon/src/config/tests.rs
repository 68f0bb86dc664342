//! The room as a whole: files in, configurations or lines of problems out.

#![expect(clippy::unwrap_used, reason = "tests")]

mod annotated;
mod problems;
mod sources;

use std::path::{Path, PathBuf};

use super::{Config, Problems};

/// A configuration of the fewest keys, in 5 lines.
const SMALL: &str = "[desk]\nname = \"Acme\"\nhostname = \"desk.example.com\"\n[[mailboxes]]\naddress = \"support@example.com\"\n";

const NO_ENV: [(&str, &str); 0] = [];

/// An empty folder, gone when dropped.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let count = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("ombud-config-{}-{count}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    fn path(&self) -> &Path {
        &self.0
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).unwrap();
    }
}

fn load_with(text: &str, env: &[(&str, &str)]) -> Result<Config, Problems> {
    let folder = Folder::new();
    folder.write("ombud.toml", text);
    super::load(None, env.iter().copied(), folder.path())
}

fn load(text: &str) -> Result<Config, Problems> {
    load_with(text, &NO_ENV)
}

/// The problems of a text, one line each.
fn problems(text: &str) -> Vec<String> {
    load(text).unwrap_err().lines().to_vec()
}
