//! Raw file -> checked configuration, all errors at once.
//!
//! `find` says which file, `raw` reads it into a tree that knows its lines, `env` lays the environment over it, the
//! `read_*` files take the keys out through `reader`, `check` looks across the sections.

mod check;
mod env;
mod limits;
mod local;
mod problems;
mod raw;
mod read;
mod read_desk;
mod read_filters;
mod read_imap;
mod read_limits;
mod read_listen;
mod read_mailboxes;
mod read_outbound;
mod reader;
pub mod secret;
pub mod types;
mod values;

#[cfg(test)]
mod tests;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

pub use limits::Limits;
pub use problems::Problems;
pub use secret::Secret;
pub use types::*;
pub(crate) use values::percent_decoded;

use env::Environment;
use raw::{Slip, Table};
use reader::Notes;

/// The configuration of this machine.
const SYSTEM_FILE: &str = "/etc/ombud/ombud.toml";

impl Config {
    /// Where mail in the name of one of our addresses leaves.
    pub fn relay_of(&self, address: &str) -> &Relay {
        let mailbox = self.mailboxes.iter().find(|mailbox| mailbox.address == address);
        mailbox.and_then(|mailbox| mailbox.relay.as_ref()).unwrap_or(&self.outbound.relay)
    }

    /// Whether mail leaves the same way by `other`.
    pub fn leaves_as(&self, other: &Config) -> bool {
        let own = |config: &Config| config.mailboxes.iter().filter_map(|m| Some((m.address.clone(), m.relay.clone()?))).collect::<Vec<_>>();
        self.outbound.relay == other.outbound.relay && own(self) == own(other)
    }
}

/// Reads and checks the configuration: `path` (the caller's `--config`), else `$OMBUD_CONFIG`, else `ombud.toml` in
/// `cwd`, else `/etc/ombud/ombud.toml`, else the built-in local desk in `cwd/ombud-data`.
///
/// `env` is the process's environment (`std::env::vars_os()`); its `OMBUD_SECTION__KEY` override what the file says.
/// Relative paths in a configuration start at the folder of its file, without a file at `cwd`.
///
/// # Errors
/// All that is wrong, one line each. A file that `path` or `$OMBUD_CONFIG` names must exist.
pub fn load<K: AsRef<OsStr>, V: AsRef<OsStr>>(
    path: Option<&Path>,
    env: impl IntoIterator<Item = (K, V)>,
    cwd: &Path,
) -> Result<Config, Problems> {
    let env = Environment::new(env);
    let Some(file) = find(path, &env, cwd, Path::new(SYSTEM_FILE)) else {
        let document = local::document(&cwd.join(local::FOLDER))?;
        return checked(local::NAME, Source { document, syntax: Vec::new(), local: true }, &env, cwd);
    };
    let name = file.display().to_string();
    let file = cwd.join(&file);
    let bytes = std::fs::read(&file).map_err(|error| Problems::of_file(&name, format!("cannot be read: {error}")))?;
    read_bytes(&name, &bytes, &env, file.parent().unwrap_or(cwd))
}

/// The first file of the order that is there. One that was named is taken without a look, so that its absence is an error.
fn find(path: Option<&Path>, env: &Environment, cwd: &Path, system: &Path) -> Option<PathBuf> {
    if let Some(named) = path.or(env.config.as_deref()) {
        return Some(named.to_owned());
    }
    // A file that may not be seen is not absent: taking the next one would silently run another desk.
    let there = |path: &Path| path.try_exists().unwrap_or(true);
    [Path::new("ombud.toml"), system].into_iter().find(|file| there(&cwd.join(file))).map(Path::to_owned)
}

fn read_bytes(name: &str, bytes: &[u8], env: &Environment, base: &Path) -> Result<Config, Problems> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let line = 1 + bytes.iter().take(error.valid_up_to()).filter(|byte| **byte == b'\n').count();
        Problems::of_file(&format!("{name}:{line}"), "is not UTF-8".to_owned())
    })?;
    let (document, syntax) = raw::parse(text);
    checked(name, Source { document, syntax, local: false }, env, base)
}

/// A configuration as written.
struct Source {
    document: Table,
    /// What is wrong with its syntax.
    syntax: Vec<Slip>,
    /// Whether it is the built-in local desk.
    local: bool,
}

/// Lays the environment over a source, reads it and checks it. Relative paths start at `base`.
fn checked(name: &str, mut source: Source, env: &Environment, base: &Path) -> Result<Config, Problems> {
    let mut notes = Notes::new(base);
    env.apply(&mut source.document, &mut notes.problems);
    let mut config = read::config(source.document, source.local, &mut notes);
    check::across(&config, &mut notes);
    let mut problems = notes.problems;
    if !source.syntax.is_empty() {
        // What a slip hides is not missing.
        problems.retain(|problem| !problem.missing && !source.syntax.iter().any(|slip| slip.casts_doubt_on(&problem.origin)));
        problems.extend(source.syntax.into_iter().map(|slip| slip.problem));
    }
    if !problems.is_empty() {
        return Err(Problems::new(name, problems));
    }
    config.warnings = notes.warnings.iter().map(|warning| warning.line(name)).collect();
    Ok(config)
}
