//! `[outbound]` and `[authentication]`: where mail leaves, and whose word is believed.

use std::time::Duration;

use super::reader::Section;
use super::types::{Authentication, Dkim, Net, Outbound, Relay, Require, Straight, TrustedRelay};
use super::values;

const HOUR: Duration = Duration::from_secs(3_600);
/// Connections at once to one destination.
const CONNECTIONS: usize = 5;
/// Mails a second to one destination: what relays that count let through.
const RATE: u32 = 20;

/// Reads `[outbound]`.
pub(super) fn outbound(s: &mut Section<'_>) -> Outbound {
    let straight = straight(s);
    let relay = s.parsed("relay", values::relay).unwrap_or(Relay::Mx(straight));
    let undo = s.duration("undo", Duration::ZERO..=HOUR).unwrap_or(Duration::ZERO);
    let connections = s.number("connections", 1..=100).and_then(|n| n.try_into().ok()).unwrap_or(CONNECTIONS);
    let rate = s.number("rate", 0..=100_000).and_then(|n| n.try_into().ok()).unwrap_or(RATE);
    let dkim = s.word("dkim", &[("published", Dkim::Published), ("always", Dkim::Always), ("never", Dkim::Never)]);
    Outbound { relay: relay_with_log_in(s, relay), undo, connections, rate, dkim: dkim.unwrap_or(Dkim::Published) }
}

/// The relay of one mailbox, as in `[outbound]`, if it has one of its own.
pub(super) fn of_mailbox(s: &mut Section<'_>) -> Option<Relay> {
    let given = s.has("relay");
    let relay = s.parsed("relay", values::relay);
    if relay.is_some() {
        return relay.map(|relay| relay_with_log_in(s, relay));
    }
    let keys = ["password", "password_file", "ca"].map(|key| (key, s.has(key)));
    for (key, there) in keys {
        s.text(key);
        if there && !given {
            s.warn(key, "is not used without a relay of this mailbox");
        }
    }
    None
}

/// What counts without a relay. Other ports and networks than those of the internet are for who has a mail system of their own.
fn straight(s: &mut Section<'_>) -> Straight {
    let allow_networks = s.list("allow_networks", values::net).unwrap_or_default().into_iter().map(|(net, _)| net).collect();
    let usual = Straight::default();
    let port = s.number("mx_port", 1..=65_535).and_then(|n| n.try_into().ok()).unwrap_or(usual.port);
    let policy_port = s.number("mta_sts_port", 1..=65_535).and_then(|n| n.try_into().ok()).unwrap_or(usual.policy_port);
    Straight { port, policy_port, allow_networks, ca: None }
}

/// Puts password and roots to the relay, which are keys of their own.
fn relay_with_log_in(s: &mut Section<'_>, relay: Relay) -> Relay {
    let with_password = s.has("password") || s.has("password_file");
    let password = s.secret("password", "password_file");
    let with_ca = s.has("ca");
    match relay {
        Relay::Smtp(mut server) => {
            match (&server.user, with_password) {
                (Some(_), false) => s.missing("password_file", "a relay with a user needs password_file, or password"),
                (None, true) => s.bad("relay", "names no user for the password; write smtp://USER@HOST"),
                _ => {}
            }
            server.password = password;
            server.ca = s.file("ca");
            Relay::Smtp(server)
        }
        Relay::Maildir(folder) => {
            s.text("ca");
            ignored(s, &[("password", with_password), ("ca", with_ca)]);
            Relay::Maildir(s.resolve(folder))
        }
        Relay::Mx(mut straight) => {
            ignored(s, &[("password", with_password)]);
            straight.ca = s.file("ca");
            Relay::Mx(straight)
        }
    }
}

/// A relay that was exchanged for the day, say by an environment variable, need not take the rest of the section with it.
fn ignored(s: &mut Section<'_>, keys: &[(&str, bool)]) {
    for &(key, given) in keys {
        if given {
            s.warn(key, "is not used without an smtp:// or smtps:// relay");
        }
    }
}

/// Reads `[authentication]`.
pub(super) fn authentication(s: &mut Section<'_>) -> Authentication {
    let require = s.word("require", &[("aligned", Require::Aligned), ("none", Require::None)]).unwrap_or(Require::Aligned);
    let resolver = s.parsed("resolver", values::resolver);
    let relays = s.sections("trusted_relays", "[[authentication.trusted_relays]]", trusted_relay);
    Authentication { require, resolver, trusted_relays: relays.unwrap_or_default().into_iter().flatten().collect() }
}

fn trusted_relay(s: &mut Section<'_>) -> Option<TrustedRelay> {
    let net: Option<Net> = s.parsed("net", values::net);
    if net.is_none() {
        s.require("net", "the relay's network, like net = \"10.0.0.0/8\"");
    }
    let trust = s.parsed("trust", values::one_line);
    let submission = s.boolean("submission").unwrap_or(false);
    Some(TrustedRelay { net: net?, trust, submission })
}
