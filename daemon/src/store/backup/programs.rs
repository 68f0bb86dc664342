//! PostgreSQL's own programs, told in their environment where the database is: arguments can be seen by everybody.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::str::FromStr as _;

use sqlx::ConnectOptions as _;
use sqlx::postgres::{PgConnectOptions, PgSslMode};

use super::BackupError;
use crate::config::percent_decoded;
use crate::model::text::one_line;

/// Where Debian keeps them, a folder for each version.
const DEBIAN: &str = "/usr/lib/postgresql";
/// Of what a program says, so many characters are told.
const LONGEST: usize = 400;

/// One of PostgreSQL's programs, set up for the database of an address.
pub(super) fn command(name: &str, url: &str) -> Result<Command, BackupError> {
    let mut command = Command::new(find(name)?);
    let unreadable = || BackupError::Refused("[database] url is no PostgreSQL address: like postgres://user@host/database".into());
    let options = PgConnectOptions::from_str(url).map_err(|_| unreadable())?;
    let mut set = |name: &str, value: &str| {
        command.env(name, value);
    };
    match options.get_socket() {
        Some(socket) => set("PGHOST", &socket.to_string_lossy()),
        None => set("PGHOST", options.get_host()),
    }
    set("PGPORT", &options.get_port().to_string());
    set("PGUSER", options.get_username());
    set("PGDATABASE", options.get_database().unwrap_or(options.get_username()));
    if let Some(extra) = options.get_options() {
        set("PGOPTIONS", extra);
    }
    let mode = ssl_word(options.get_ssl_mode());
    set("PGSSLMODE", mode);
    // libpq knows the system's roots by this name, as we do without one.
    if mode == "verify-full" {
        set("PGSSLROOTCERT", "system");
    }
    let url = url.parse().map_err(|_| unreadable())?;
    // Read here once more for the type of `url`, and for what the options do not tell.
    PgConnectOptions::from_url(&url).map_err(|_| unreadable())?;
    if let Some(password) = url.password().and_then(percent_decoded) {
        set("PGPASSWORD", &password);
    }
    for (key, value) in url.query_pairs() {
        match &*key {
            "password" => set("PGPASSWORD", &value),
            "sslrootcert" | "ssl-root-cert" | "ssl-ca" => set("PGSSLROOTCERT", &value),
            "sslcert" | "ssl-cert" => set("PGSSLCERT", &value),
            "sslkey" | "ssl-key" => set("PGSSLKEY", &value),
            _ => {}
        }
    }
    set("PGAPPNAME", "ombud");
    set("PGCONNECT_TIMEOUT", "10");
    set("LC_ALL", "C");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    Ok(command)
}

fn ssl_word(mode: PgSslMode) -> &'static str {
    match mode {
        PgSslMode::Disable => "disable",
        PgSslMode::Allow => "allow",
        PgSslMode::Prefer => "prefer",
        PgSslMode::Require => "require",
        PgSslMode::VerifyCa => "verify-ca",
        PgSslMode::VerifyFull => "verify-full",
    }
}

/// The first in `PATH`, else the newest of Debian's.
fn find(name: &str) -> Result<PathBuf, BackupError> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut debian: Vec<(u32, PathBuf)> = std::fs::read_dir(DEBIAN)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .collect();
    debian.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
    let folders = std::env::split_paths(&path).filter(|folder| folder.is_absolute()).chain(debian.into_iter().map(|(_, bin)| bin));
    folders.map(|folder| folder.join(name)).find(|program| program.is_file()).ok_or_else(|| {
        BackupError::Program(format!("{name} is not in PATH: install PostgreSQL's client programs, of the server's version or newer"))
    })
}

/// The first line in which a program says what is wrong. Later ones may show rows.
pub(super) fn complaint(said: &[u8]) -> String {
    let said = String::from_utf8_lossy(said);
    let line = said.lines().find(|line| line.contains("error:")).or_else(|| said.lines().next()).unwrap_or("it said nothing");
    one_line(line, LONGEST)
}

/// Whether a program ran out of disk.
pub(super) fn is_full(said: &[u8]) -> bool {
    let said = String::from_utf8_lossy(said);
    said.contains("No space left on device") || said.contains("Disk quota exceeded")
}

/// What a program that could not be started says.
pub(super) fn not_started(program: &Path, error: &std::io::Error) -> BackupError {
    BackupError::Program(format!("{} cannot be run: {error}", program.display()))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::ffi::OsStr;

    use super::*;

    #[test]
    fn nothing_secret_is_an_argument() {
        let url = "postgres://us%40er:s%2Fecret@db.test:5433/desk?sslmode=verify-full&sslrootcert=/a%20b.pem&statement-cache-capacity=3";
        let command = command("sh", url).unwrap();
        assert_eq!(command.get_args().count(), 0);
        let env = |name: &str| command.get_envs().find(|(key, _)| *key == OsStr::new(name)).and_then(|(_, v)| v).unwrap().to_str().unwrap();
        assert_eq!([env("PGHOST"), env("PGPORT"), env("PGUSER"), env("PGDATABASE")], ["db.test", "5433", "us@er", "desk"]);
        assert_eq!([env("PGPASSWORD"), env("PGSSLMODE"), env("PGSSLROOTCERT")], ["s/ecret", "verify-full", "/a b.pem"]);
    }

    #[test]
    fn a_complaint_shows_no_row() {
        let said =
            b"pg_restore: while PROCESSING TOC:\npg_restore: error: COPY failed for table \"x\"\nCONTEXT:  COPY x, line 1: \"private\"\n";
        assert_eq!(complaint(said), "pg_restore: error: COPY failed for table \"x\"");
        assert_eq!(complaint(b""), "it said nothing");
    }
}
