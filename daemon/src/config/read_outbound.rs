//! `[outbound]` and `[authentication]`: where mail leaves, and whose word is believed.

use std::time::Duration;

use super::reader::Section;
use super::types::{Authentication, Net, Outbound, Relay, Require, TrustedRelay};
use super::values;

const HOUR: Duration = Duration::from_secs(3_600);

/// Reads `[outbound]`.
pub(super) fn outbound(s: &mut Section<'_>) -> Outbound {
    let given = s.has("relay");
    let relay = s.parsed("relay", values::relay).unwrap_or(Relay::Mx);
    if !given {
        s.warn("relay", "none is set, and sending straight to the recipients' servers is not built yet; mail waits until one is set");
    }
    let undo = s.duration("undo", Duration::ZERO..=HOUR).unwrap_or(Duration::ZERO);
    Outbound { relay: relay_with_log_in(s, relay), undo }
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
            ignored(s, with_password, with_ca);
            Relay::Maildir(s.resolve(folder))
        }
        Relay::Mx => {
            ignored(s, with_password, with_ca);
            Relay::Mx
        }
    }
}

/// A relay that was exchanged for the day, say by an environment variable, need not take the rest of the section with it.
fn ignored(s: &mut Section<'_>, with_password: bool, with_ca: bool) {
    s.text("ca");
    for (key, given) in [("password", with_password), ("ca", with_ca)] {
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
