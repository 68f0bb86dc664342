//! Where things are: the repository, the binary, the corpora.

use std::env;
use std::path::{Path, PathBuf};

/// The root of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests stand in the repository").to_path_buf()
}

/// The binary under test: `$OMBUD_BIN`, else the one in the target folder of this very test.
///
/// # Panics
/// When it has not been built.
pub fn binary() -> PathBuf {
    if let Some(path) = env::var_os("OMBUD_BIN") {
        return path.into();
    }
    let here = env::current_exe().expect("the path of this test");
    let profile = here.parent().and_then(Path::parent).expect("target/PROFILE/deps");
    let path = profile.join("ombud");
    assert!(path.is_file(), "{} is missing: run `cargo build` first, or tests/run", path.display());
    path
}

/// The folder of real mail beside the repository, if there is one: `$OMBUD_CORPORA`, else `../shared/corpora`.
pub fn corpora() -> Option<PathBuf> {
    let path = env::var_os("OMBUD_CORPORA").map_or_else(|| root().join("../shared/corpora"), PathBuf::from);
    path.is_dir().then_some(path)
}

/// Says that a test lacks something that `tests/run` installs or starts. Elsewhere it is skipped; where all are to be run it fails.
///
/// # Panics
/// When `CI` is set.
#[track_caller]
pub fn lacks(test: &str, what: &str) {
    assert!(env::var_os("CI").is_none(), "{test}: {what}");
    skip(test, &format!("{what} (see tests/run)"));
}

/// Says that a test can't be run here, and why, so that nobody takes it for a success.
pub fn skip(test: &str, why: &str) {
    eprintln!("SKIPPED {test}: {why}");
}
