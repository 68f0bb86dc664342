//! `[desk]` and `[database]`.

use std::time::Duration;

use super::reader::Section;
use super::types::{Database, DeskConfig};
use super::values;

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);
const MONTH: Duration = Duration::from_secs(30 * 86_400);
const TEN_YEARS: Duration = Duration::from_secs(3_650 * 86_400);

/// Where a desk lives that does not say where.
const DATA: &str = "/var/lib/ombud";

/// Reads `[desk]`.
pub(super) fn desk(s: &mut Section<'_>) -> DeskConfig {
    let name = s.parsed("name", values::one_line);
    if name.is_none() {
        s.require("name", "the desk's name as customers see it, like name = \"Acme\"");
    }
    let hostname = s.parsed("hostname", values::hostname);
    if hostname.is_none() {
        s.require("hostname", "this machine's name in the DNS, like hostname = \"desk.example.com\"");
    }
    let data = s.parsed("data", values::one_line).unwrap_or_else(|| DATA.to_owned());
    let data = s.resolve(data);
    if data.is_file() {
        s.bad("data", format!("{} is a file; a folder is needed", data.display()));
    }
    DeskConfig {
        name: name.unwrap_or_default(),
        hostname: hostname.unwrap_or_default(),
        data,
        close_after: s.duration("close_after", MINUTE..=TEN_YEARS).unwrap_or(MONTH),
        reopen_within: s.duration("reopen_within", MINUTE..=TEN_YEARS).unwrap_or(MONTH),
        digest_every: s.duration("digest_every", MINUTE..=DAY).unwrap_or(15 * MINUTE),
        spam_hold: s.duration("spam_hold", Duration::ZERO..=TEN_YEARS).unwrap_or(MONTH),
    }
}

/// Reads `[database]`; without `url` the database stands in the data folder. An address may hold a password.
pub(super) fn database(s: &mut Section<'_>, desk: &DeskConfig) -> Database {
    let Some(url) = s.secret("url", "url_file") else { return Database::Sqlite(desk.data.join("ombud.db")) };
    match values::database(url.reveal()) {
        Ok(Database::Sqlite(path)) => Database::Sqlite(s.resolve(path)),
        Ok(server) => server,
        Err(why) => {
            s.bad("url", why);
            Database::Sqlite(desk.data.join("ombud.db"))
        }
    }
}
