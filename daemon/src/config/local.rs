//! The built-in local desk: a working desk without any configuration.

use std::path::Path;

use super::env::Environment;
use super::problems::{Origin, Problems};
use super::raw::{Item, Table, Value};
use super::types::Config;
use super::{Source, checked};

/// What a report about it is headed with.
pub(super) const NAME: &str = "built-in local desk";

/// Its folder below the working directory.
pub(super) const FOLDER: &str = "ombud-data";

impl Config {
    /// A local desk whose data stand in `dir`: loopback only, ports 2525, 2424 and 8025 or free ones, mailbox
    /// `support@desk.localhost`, outgoing mail in the Maildir `dir/outgoing`.
    ///
    /// Fails only if the path of `dir` is not UTF-8 or names a file. A relative `dir` starts at the process's folder.
    pub fn local(dir: &Path) -> Result<Config, Problems> {
        let source = Source { document: document(dir)?, syntax: Vec::new(), local: true };
        checked(NAME, source, &Environment::default(), Path::new(""))
    }
}

/// The local desk as if it had been written in a file.
pub(super) fn document(dir: &Path) -> Result<Table, Problems> {
    let Some(dir) = dir.to_str() else {
        return Err(Problems::of_file(NAME, format!("the folder's name {} is not UTF-8", dir.display())));
    };
    let mailbox = section([("address", text("support@desk.localhost"))]);
    Ok(table([
        ("desk", section([("name", text("Acme")), ("hostname", text("desk.localhost")), ("data", text(dir))])),
        ("database", section([("url", text(format!("sqlite:{dir}/ombud.db")))])),
        ("smtp", section([("listen", list([text("127.0.0.1:2525")]))])),
        ("lmtp", section([("listen", list([text("127.0.0.1:2424")]))])),
        ("http", section([("listen", list([text("127.0.0.1:8025")]))])),
        ("outbound", section([("relay", text(format!("maildir:{dir}/outgoing")))])),
        ("authentication", section([("require", text("none"))])),
        ("mailboxes", list([mailbox])),
    ]))
}

fn table<const N: usize>(entries: [(&str, Value); N]) -> Table {
    entries.into_iter().map(|(key, value)| (key.to_owned(), item(value))).collect()
}

fn section<const N: usize>(entries: [(&str, Value); N]) -> Value {
    Value::Table(table(entries))
}

fn list<const N: usize>(values: [Value; N]) -> Value {
    Value::Array(values.into_iter().map(item).collect())
}

fn text(text: impl Into<String>) -> Value {
    Value::String(text.into())
}

fn item(value: Value) -> Item {
    Item { value, origin: Origin::BuiltIn }
}
