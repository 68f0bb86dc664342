//! What a configuration names and no file says: disks, keys, ports, certificates, the relay, people.

use std::fs::{self, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::time::Duration;

use super::{Report, State};
use crate::app::{Opened, is_served, tls};
use crate::clock::Clock;
use crate::config::{Config, Dkim, Listen, SubmissionListen};
use crate::filter;
use crate::receive::{Listener, Protocol, imap};
use crate::send::dkim;
use crate::send::relay::{Exits, Timeouts};
use crate::store::{free_space, keys};
use crate::verify::{self, Verifier};

/// A person waits for this: no step of asking the relay takes longer.
const PATIENCE: Duration = Duration::from_secs(10);
/// The last bits of a mode that let others than the owner read.
const OTHERS: u32 = 0o077;

/// Data folder: writable, with room, keys for us alone.
pub(super) fn data_folder(config: &Config, report: &mut Report) {
    let data = &config.desk.data;
    report.judge("data folder", writable(data).map(|()| data.display().to_string()));
    report.judge("disk", room(data, config.limits.free_space));
    report.judge("keys", signing_keys(data));
    if config.outbound.dkim != Dkim::Never {
        dkim_keys(config, report);
    }
}

fn writable(data: &Path) -> Result<(), String> {
    let probe = data.join(format!("check-{}.part", std::process::id()));
    let made = OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&probe);
    let done = made.and_then(|file| file.sync_all()).and_then(|()| fs::remove_file(&probe));
    done.map_err(|error| format!("{} cannot be written to: {error}", data.display()))
}

/// What is free on the disk of the data folder; an error when it is less than `least` octets.
pub(in crate::cli) fn room(data: &Path, least: u64) -> Result<String, String> {
    let free = free_space(data).map_err(|error| format!("{} cannot be looked at: {error}", data.display()))?;
    let shown = format!("{} MiB free at {}", free >> 20, data.display());
    if free < least { Err(format!("{shown}; below {} MiB no mail is taken", least >> 20)) } else { Ok(shown) }
}

fn signing_keys(data: &Path) -> Result<String, String> {
    let keys = keys::load(data).map_err(|error| error.to_string())?;
    for key in &keys {
        let path = data.join(format!("keys/sign-{}.key", key.id));
        let mode = fs::metadata(&path).map_err(|error| format!("{}: {error}", path.display()))?.permissions().mode();
        if mode & OTHERS != 0 {
            return Err(format!("others may read {0}: chmod 600 {0}", path.display()));
        }
    }
    Ok(match keys.len() {
        1 => "1 signing key".to_owned(),
        n => format!("{n} signing keys"),
    })
}

/// Keys that sign what leaves: each can be read, and by the desk, too, where it is root who asks.
fn dkim_keys(config: &Config, report: &mut Report) {
    let data = &config.desk.data;
    let is_root = rustix::process::geteuid().is_root();
    for domain in dkim::domains(config) {
        let found = dkim::find(data, Some(&domain));
        for error in &found.unusable {
            report.add("dkim", State::Bad, error.to_string());
        }
        for path in found.keys.iter().map(|key| data.join(key.file())).filter(|path| is_root && !is_alike(path, data)) {
            let path = path.display();
            report.add(
                "dkim",
                State::Note,
                format!("{path} is not of the data folder's owner: a desk that runs as that one cannot read it"),
            );
        }
        if !found.keys.is_empty() {
            report.add("dkim", State::Ok, format!("{domain}: keys {}", found.keys.len()));
        }
    }
}

/// Whether two files have one owner.
fn is_alike(one: &Path, other: &Path) -> bool {
    let owner = |path: &Path| fs::metadata(path).map(|of| of.uid()).ok();
    owner(one) == owner(other)
}

/// Somebody has to answer.
pub(super) async fn agents(opened: &Opened, report: &mut Report) {
    match opened.store.staff().await {
        Ok(staff) => match staff.active().count() {
            0 => report.add("agents", State::Note, "nobody answers mail here yet: see `ombud agent add --help`"),
            1 => report.add("agents", State::Ok, "1 agent"),
            n => report.add("agents", State::Ok, format!("{n} agents")),
        },
        Err(error) => report.add("agents", State::Bad, error.to_string()),
    }
}

/// Ports and sockets: free, or held by the desk that runs on this data folder.
pub(super) async fn listeners(config: &Config, report: &mut Report) {
    let served = is_served(&config.desk.data);
    let sections = [
        ("smtp", config.smtp.as_ref().map(|s| s.listen.clone()).unwrap_or_default()),
        ("lmtp", config.lmtp.as_ref().map(|l| l.listen.clone()).unwrap_or_default()),
        ("http", config.http.as_ref().map(|h| h.listen.clone()).unwrap_or_default()),
        ("submission", config.submission.as_ref().map(|s| submission(&s.listen)).unwrap_or_default()),
    ];
    for (section, listen) in sections.iter().flat_map(|(section, all)| all.iter().map(move |listen| (*section, listen))) {
        report.judge(section, free(listen, served).await);
    }
}

fn submission(listen: &[SubmissionListen]) -> Vec<Listen> {
    listen.iter().map(|listen| Listen::Tcp(listen.address)).collect()
}

async fn free(listen: &Listen, served: bool) -> Result<String, String> {
    // What the listener says when it is bound is not what was configured where port 0 or a free one is meant.
    let (shown, exact) = match listen {
        Listen::Tcp(address) => (address.to_string(), listen.clone()),
        Listen::TcpOrFree(address) => (address.to_string(), Listen::Tcp(*address)),
        Listen::Unix(path) => (format!("unix:{}", path.display()), listen.clone()),
    };
    let error = match Listener::bind(&exact, Protocol::Smtp).await {
        Ok(_) => return Ok(format!("{shown} is free")),
        Err(error) => error.source,
    };
    match (error.kind(), listen) {
        (ErrorKind::AddrInUse, _) if served => Ok(format!("{shown} is in use; this desk is running")),
        (ErrorKind::AddrInUse, Listen::TcpOrFree(_)) => Ok(format!("{shown} is in use; a free port is taken instead")),
        (ErrorKind::AddrInUse, _) => Err(format!("{shown} is in use by another program: stop it, or listen elsewhere")),
        (ErrorKind::PermissionDenied, _) => Err(format!("{shown}: this user may not listen there ({error})")),
        _ => Err(format!("{shown}: {error}")),
    }
}

/// Certificates and their keys.
pub(super) fn certificates(config: &Config, report: &mut Report) {
    let smtp = config.smtp.as_ref().and_then(|s| s.tls.as_ref());
    let submission = config.submission.as_ref().and_then(|s| s.tls.as_ref());
    for (item, files) in [("smtp tls", smtp), ("submission tls", submission)] {
        if let Some(files) = files {
            report.judge(item, tls::load(files).map(|_| files.cert.display().to_string()));
        }
    }
}

/// Whether mail could leave now.
pub(super) async fn relay(config: &Config, report: &mut Report) {
    let exits = match Exits::hurried(config, Timeouts { connect: PATIENCE, reply: PATIENCE, ..Timeouts::default() }) {
        Ok(exits) => exits,
        Err(error) => return report.add("relay", State::Bad, error.to_string()),
    };
    for (mailboxes, exit) in exits.each() {
        let of = if mailboxes.is_empty() { String::new() } else { format!(" of {}", mailboxes.join(", ")) };
        let way = format!("{}{of}", exit.shown());
        match Box::pin(exit.probe()).await {
            Ok(()) => report.add("relay", State::Ok, way),
            Err(error) => report.add("relay", State::Bad, format!("{way}: {error}")),
        }
    }
}

/// Whether the DNS answers, which says who wrote a mail. Without it mail is still taken, but nobody is proven.
pub(super) async fn resolver(config: &Config, report: &mut Report) {
    if verify::at_once(config).is_some() {
        return;
    }
    let server = config.authentication.resolver.map_or_else(|| "the system's".to_owned(), |server| server.to_string());
    let found = Verifier::new(Clock::default()).probe(config).await;
    report.judge("resolver", found.map(|()| format!("{server} answers")).map_err(|why| format!("{server}: {why}; nobody can be verified")));
}

/// Whether content filters answer.
pub(super) async fn filters(config: &Config, report: &mut Report) {
    for configured in &config.filters {
        let name = &configured.name;
        let found = Box::pin(filter::probe(configured)).await;
        report.judge("filter", found.map(|version| format!("{name}: milter {version}")).map_err(|why| format!("{name}: {why}")));
    }
}

/// Whether mail could be fetched now.
pub(super) async fn imap(config: &Config, report: &mut Report) {
    for mailbox in &config.mailboxes {
        let Some(imap) = mailbox.imap.as_ref() else { continue };
        let place = format!("{} at {}:{}", mailbox.address, imap.host, imap.port);
        let found = Box::pin(imap::probe(imap, &config.desk.data)).await;
        report.judge("imap", found.map(|found| format!("{place}: {found}")).map_err(|why| format!("{place}: {why}")));
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[tokio::test]
    async fn a_port_is_free_or_ours_or_somebody_else_s() {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        assert!(free(&Listen::Tcp(address), false).await.unwrap_err().contains("another program"));
        assert!(free(&Listen::Tcp(address), true).await.unwrap().contains("in use"));
        assert!(free(&Listen::TcpOrFree(address), false).await.unwrap().contains("a free port"));
        assert!(free(&Listen::Tcp("127.0.0.1:0".parse().unwrap()), false).await.unwrap().contains("free"));
        assert!(free(&Listen::Unix("/nonexistent/ombud/lmtp".into()), false).await.is_err());
    }

    #[test]
    fn a_disk_has_room_or_says_how_much_is_missing() {
        let folder = std::env::temp_dir();
        assert!(room(&folder, 0).unwrap().contains("MiB free"));
        assert!(room(&folder, u64::MAX).unwrap_err().contains("no mail is taken"));
        assert!(room(Path::new("/nonexistent/ombud"), 0).is_err());
    }
}
