//! The configuration of a test's desk.

use std::path::{Path, PathBuf};
use std::process;

/// What is not the same in every test.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// `[authentication] require`; `none` when empty.
    pub require: &'static str,
    /// `[authentication] resolver`.
    pub resolver: Option<std::net::SocketAddr>,
    /// `[outbound] relay`; a Maildir in the test's folder when absent; `mx:PORT` for none, where other servers listen at this port of
    /// loopback.
    pub relay: Option<String>,
    /// Further lines for `[outbound]`.
    pub outbound: String,
    /// The data folder, when it must be elsewhere.
    pub data: Option<PathBuf>,
    /// Address of the database; a file in the data folder when absent, or a fresh one on the server where this run of the
    /// suites is one on PostgreSQL.
    pub database: Option<String>,
    /// Lines for `[desk]`.
    pub desk: &'static str,
    /// Lines for the mailbox.
    pub mailbox: &'static str,
    /// Further sections.
    pub more: &'static str,
}

/// What a desk listens for.
#[derive(Clone, Copy, Debug)]
pub enum Listener {
    /// `[smtp]`.
    Smtp = 1,
    /// `[lmtp]`.
    Lmtp = 2,
    /// `[http]`.
    Http = 3,
}

impl Listener {
    /// Its line of the configuration.
    ///
    /// Each listens on a loopback address of this process that no other process has: the port of a desk that was killed
    /// is soon another's, and whoever still sends there would send to a stranger.
    pub fn line(self) -> String {
        let [high, middle, low] = [16, 8, 0].map(|bits| process::id() >> bits & 0xff);
        format!("listen = [\"127.{}.{middle}.{low}:0\"]", (self as u32) << 6 | high & 0x3f)
    }
}

impl Options {
    /// The text of the configuration file in a folder.
    pub fn configuration(&self, folder: &Path) -> String {
        let data = self.data.clone().unwrap_or_else(|| folder.join("data"));
        let relay = self.relay.clone().unwrap_or_else(|| format!("maildir:{}", folder.join("out").display()));
        let outbound = match relay.strip_prefix("mx:") {
            Some(port) => format!("mx_port = {port}\nmta_sts_port = {port}\nallow_networks = [\"127.0.0.0/8\"]"),
            None => format!("relay = \"{relay}\""),
        };
        let require = if self.require.is_empty() { "none" } else { self.require };
        let resolver = self.resolver.map_or_else(String::new, |address| format!("resolver = \"{address}\"\n"));
        let database = self.database.clone().unwrap_or_else(|| format!("sqlite:{}/ombud.db", data.display()));
        let [smtp, lmtp, http] = [Listener::Smtp, Listener::Lmtp, Listener::Http].map(Listener::line);
        format!(
            "[desk]\nname = \"Acme\"\nhostname = \"desk.test\"\ndata = \"{data}\"\n{desk}\n\
             [database]\nurl = \"{database}\"\n[smtp]\n{smtp}\n[lmtp]\n{lmtp}\n[http]\n{http}\n\
             [outbound]\n{rate}{outbound}\n{more_outbound}\n[authentication]\nrequire = \"{require}\"\n{resolver}{more}\n\
             [[mailboxes]]\naddress = \"support@desk.test\"\nname = \"Acme Support\"\n{mailbox}\n",
            data = data.display(),
            desk = self.desk,
            // No test waits for a server of its own to be spared.
            rate = if self.outbound.contains("rate =") { "" } else { "rate = 0\n" },
            more_outbound = self.outbound,
            more = self.more,
            mailbox = self.mailbox,
        )
    }
}
