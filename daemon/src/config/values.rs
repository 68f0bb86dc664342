//! The small grammars of values: durations, sizes, networks, addresses to listen on, URLs.
//!
//! An error is the rest of a sentence that begins with the key. None repeats a URL, because people put passwords there.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use super::secret::Secret;
use super::types::{Database, FilterAddress, Listen, Net, Relay, SmtpRelay, SubmissionListen};
use crate::model::address;

/// Octets of a reply token (44 letters of base32).
const TOKEN: usize = 44;
/// Where a token stands in a reply pattern.
const TOKEN_MARK: &str = "{token}";
/// Longest local part (RFC 5321 §4.5.3.1.1).
const LOCAL_PART: usize = 64;

/// `"60s"`, `"15m"`, `"24h"`, `"30d"`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("\"{text}\" is no duration; write a number and s, m, h or d, like \"90s\" or \"30d\"");
    let (number, unit) = split_unit(text).ok_or_else(wrong)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err(wrong()),
    };
    number.checked_mul(seconds).map(Duration::from_secs).ok_or_else(wrong)
}

/// `"50 MiB"`, `"512 KiB"`, `"1 GiB"`, `"500 B"`, in octets.
pub(super) fn size(text: &str) -> Result<u64, String> {
    let wrong = || format!("\"{text}\" is no size; write octets or a number and KiB, MiB or GiB, like \"50 MiB\"");
    let (number, unit) = split_unit(text).ok_or_else(wrong)?;
    let octets = match unit {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return Err(wrong()),
    };
    number.checked_mul(octets).ok_or_else(wrong)
}

fn split_unit(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    Some((number.parse().ok()?, unit.trim_start()))
}

/// A duration as one would write it: in the largest unit that leaves no rest.
pub(super) fn show_duration(value: Duration) -> String {
    let seconds = value.as_secs();
    let units = [(86_400, "d"), (3_600, "h"), (60, "m")];
    let unit = units.into_iter().find(|(length, _)| seconds > 0 && seconds.is_multiple_of(*length));
    let (length, name) = unit.unwrap_or((1, "s"));
    format!("{}{name}", seconds / length)
}

/// A size as one would write it: in the largest unit that leaves no rest.
pub(super) fn show_size(octets: u64) -> String {
    let units = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    match units.into_iter().find(|(length, _)| octets > 0 && octets.is_multiple_of(*length)) {
        Some((length, name)) => format!("{} {name}", octets / length),
        None => octets.to_string(),
    }
}

/// `10.0.0.0/8`, `fd00::/8`, or one address.
pub(super) fn net(text: &str) -> Result<Net, String> {
    let wrong = || format!("\"{text}\" is no network; write it like \"10.0.0.0/8\" or \"192.0.2.7\"");
    let (ip, prefix) = text.split_once('/').map_or((text, None), |(ip, prefix)| (ip, Some(prefix)));
    let address: IpAddr = ip.parse().map_err(|_| wrong())?;
    if address.to_canonical() != address {
        return Err(format!("\"{text}\" is IPv4 written as IPv6; write the IPv4 network"));
    }
    let longest = if address.is_ipv4() { 32 } else { 128 };
    let prefix = prefix.map_or(Ok(longest), str::parse).map_err(|_| wrong())?;
    if prefix > longest { Err(wrong()) } else { Ok(Net { address, prefix }) }
}

/// `127.0.0.1:2525`, `[::1]:25` or `unix:/run/ombud/lmtp`.
pub(super) fn listen(text: &str) -> Result<Listen, String> {
    if let Some(path) = text.strip_prefix("unix:") {
        return if path.is_empty() { Err("unix: needs the path of a socket".to_owned()) } else { Ok(Listen::Unix(path.into())) };
    }
    let wrong = |_| format!("\"{text}\" is nothing to listen on; write \"IP:PORT\", \"[IPv6]:PORT\" or \"unix:PATH\"");
    text.parse().map(Listen::Tcp).map_err(wrong)
}

/// `tls:0.0.0.0:465` or `starttls:0.0.0.0:587`, as written.
pub(super) fn submission_listen(text: &str) -> Result<SubmissionListen, String> {
    let (kind, address) = text.split_once(':').unwrap_or_default();
    match (kind, address.parse()) {
        ("tls" | "starttls", Ok(address)) => Ok(SubmissionListen { address, implicit_tls: kind == "tls" }),
        _ => Err(format!("\"{text}\" must be \"tls:IP:PORT\" or \"starttls:IP:PORT\"")),
    }
}

/// `127.0.0.1:53`, or an address whose port is 53.
pub(super) fn resolver(text: &str) -> Result<SocketAddr, String> {
    let bare = text.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, 53));
    bare.or_else(|_| text.parse()).map_err(|_| format!("\"{text}\" must be \"IP\" or \"IP:PORT\""))
}

/// A domain, made lower case.
pub(super) fn hostname(text: &str) -> Result<String, String> {
    let name = text.to_ascii_lowercase();
    if is_host(&name) && name.parse::<IpAddr>().is_err() {
        Ok(name)
    } else {
        Err(format!("\"{text}\" must be a domain name, like \"desk.example.com\""))
    }
}

fn is_host(name: &str) -> bool {
    name.is_ascii() && !name.contains('@') && address::is_plain(&format!("x@{name}"))
}

/// A mail address, folded.
pub(super) fn mail_address(text: &str) -> Result<String, String> {
    if address::is_plain(text) {
        Ok(address::fold(text))
    } else {
        Err(format!("\"{text}\" must be a mail address, like \"support@example.com\""))
    }
}

/// A reply pattern, folded: `{token}` once before the `@`, and room for a token.
pub(super) fn reply_pattern(text: &str) -> Result<String, String> {
    let pattern = address::fold(text);
    let (local, domain) = address::split(&pattern).unwrap_or_default();
    if local.matches(TOKEN_MARK).count() != 1 || domain.contains(TOKEN_MARK) {
        return Err(format!("\"{text}\" must have {TOKEN_MARK} once before the @, like \"{TOKEN_MARK}@reply.example.com\""));
    }
    let rest = local.len() - TOKEN_MARK.len();
    if rest + TOKEN > LOCAL_PART {
        let room = LOCAL_PART - TOKEN;
        return Err(format!("\"{text}\" leaves no room for a token of {TOKEN} octets: {rest} beside it are more than {room}"));
    }
    let example = pattern.replace(TOKEN_MARK, &"a".repeat(TOKEN));
    if address::is_plain(&example) { Ok(pattern) } else { Err(format!("\"{text}\" with a token in it is no mail address")) }
}

/// The reply pattern of a mailbox that sets none: `support+{token}@example.com`.
pub(super) fn default_reply_pattern(mailbox: &str) -> Result<String, String> {
    let (local, domain) = address::split(mailbox).unwrap_or_default();
    reply_pattern(&format!("{local}+{TOKEN_MARK}@{domain}")).map_err(|_| {
        let room = LOCAL_PART - TOKEN - "+".len();
        format!(
            "the name before the @ has {} octets and leaves no room for reply tokens (at most {room}); \
             set `reply` to addresses that reach us, like reply = \"{TOKEN_MARK}@reply.{domain}\"",
            local.len()
        )
    })
}

/// Text for a header field: not empty, on one line.
pub(super) fn one_line(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() {
        Err("must not be empty".to_owned())
    } else if text.chars().any(char::is_control) {
        Err("must be one line without control characters".to_owned())
    } else {
        Ok(text.to_owned())
    }
}

/// Text of any number of lines.
pub(super) fn lines(text: &str) -> Result<String, String> {
    if text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
        return Err("must not hold control characters".to_owned());
    }
    Ok(text.replace("\r\n", "\n").trim_end().to_owned())
}

/// `sqlite:PATH`, the path as written, or `postgres://USER@HOST/NAME`.
pub(super) fn database(url: &str) -> Result<Database, String> {
    if let Some(rest) = url.strip_prefix("postgres://").or_else(|| url.strip_prefix("postgresql://")) {
        let name = rest.split_once('/').map_or("", |(_, name)| name.split('?').next().unwrap_or(""));
        if name.is_empty() || url.chars().any(|c| c.is_control() || c == ' ') {
            return Err("must be \"postgres://USER@HOST/NAME\" with the name of a database".to_owned());
        }
        return Ok(Database::Postgres(Secret::new(url)));
    }
    let path = url.strip_prefix("sqlite:").ok_or("must be \"sqlite:PATH\" or \"postgres://USER@HOST/NAME\"")?;
    let path = path.strip_prefix("//").unwrap_or(path);
    if path.is_empty() || path.starts_with(':') || path.contains('?') {
        return Err("must be \"sqlite:PATH\" with the path of a file and nothing after it".to_owned());
    }
    Ok(Database::Sqlite(PathBuf::from(path)))
}

/// `smtp://[user@]host[:port]`, `smtps://…` or `maildir:DIR`. Password and roots come from other keys.
pub(super) fn relay(url: &str) -> Result<Relay, String> {
    if let Some(folder) = url.strip_prefix("maildir:") {
        return if folder.is_empty() { Err("maildir: needs a folder".to_owned()) } else { Ok(Relay::Maildir(folder.into())) };
    }
    let (rest, implicit_tls) = match (url.strip_prefix("smtp://"), url.strip_prefix("smtps://")) {
        (Some(rest), _) => (rest, false),
        (_, Some(rest)) => (rest, true),
        _ => return Err("must begin with smtp://, smtps:// or maildir:".to_owned()),
    };
    let (user, server) = rest.rsplit_once('@').map_or((None, rest), |(user, server)| (Some(user), server));
    let user = user.map(user_name).transpose()?;
    let port = match (implicit_tls, &user) {
        (true, _) => 465,
        (false, Some(_)) => 587,
        (false, None) => 25,
    };
    let (host, port) = host_port(server, port)?;
    Ok(Relay::Smtp(SmtpRelay { host, port, implicit_tls, user, password: None, ca: None }))
}

fn user_name(text: &str) -> Result<String, String> {
    if text.contains(':') {
        return Err("must not hold a password; put it into password_file (a `:` in a user name is written %3A)".to_owned());
    }
    percent_decoded(text)
        .filter(|user| !user.is_empty() && !user.chars().any(char::is_control))
        .ok_or_else(|| "has a user name that cannot be read (a % in it is written %25)".to_owned())
}

/// Text with its `%XX` taken apart; none when that is no text.
pub(crate) fn percent_decoded(text: &str) -> Option<String> {
    let mut parts = text.split('%');
    let mut octets = parts.next()?.as_bytes().to_vec();
    for part in parts {
        let (code, rest) = part.split_at_checked(2)?;
        octets.push(u8::from_str_radix(code, 16).ok().filter(|_| !code.starts_with('+'))?);
        octets.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8(octets).ok()
}

/// `unix:PATH`, the path as written, or `host:port`.
pub(super) fn filter_address(text: &str) -> Result<FilterAddress, String> {
    match text.strip_prefix("unix:") {
        Some("") => Err("unix: needs the path of a socket".to_owned()),
        Some(path) => Ok(FilterAddress::Unix(path.into())),
        None => match host_port(text, 0) {
            Ok((host, port)) if port > 0 => Ok(FilterAddress::Tcp(host, port)),
            _ => Err(format!("\"{text}\" must be \"unix:PATH\" or \"HOST:PORT\"")),
        },
    }
}

/// `X-Spam: Yes`: the name and the value of a header field.
pub(super) fn header_field(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').unwrap_or_default();
    let is_name = !name.is_empty() && name.bytes().all(|b| b.is_ascii_graphic());
    if is_name && !value.chars().any(char::is_control) {
        Ok((name.to_owned(), value.trim().to_owned()))
    } else {
        Err(format!("\"{text}\" is no header field; write it like \"X-Spam: Yes\""))
    }
}

/// `imap://host[:port]` or `imaps://host[:port]`: host, port, TLS from the first octet.
pub(super) fn imap_server(url: &str) -> Result<(String, u16, bool), String> {
    let (rest, port, implicit_tls) = match (url.strip_prefix("imap://"), url.strip_prefix("imaps://")) {
        (Some(rest), _) => (rest, 143, false),
        (_, Some(rest)) => (rest, 993, true),
        _ => return Err("must begin with imaps:// or imap://".to_owned()),
    };
    if rest.contains('@') {
        return Err("must hold neither user nor password; they are keys of their own".to_owned());
    }
    host_port(rest, port).map(|(host, port)| (host, port, implicit_tls))
}

/// `https://…`, or `http://` to this very machine: a token must not be read on the way.
pub(super) fn token_url(url: &str) -> Result<String, String> {
    let (rest, plain) = match (url.strip_prefix("https://"), url.strip_prefix("http://")) {
        (Some(rest), _) => (rest, false),
        (_, Some(rest)) => (rest, true),
        _ => return Err("must begin with https://".to_owned()),
    };
    if rest.contains(['@', '#']) || !rest.bytes().all(|b| b.is_ascii_graphic()) {
        return Err("must hold neither a user nor a fragment nor spaces".to_owned());
    }
    let server = rest.split(['/', '?']).next().unwrap_or_default();
    let (host, _) = host_port(server, 443).map_err(|_| "must name a host, like https://login.example.com/token".to_owned())?;
    let here = host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
    if plain && !here { Err("must begin with https://; http:// is for this very machine alone".to_owned()) } else { Ok(url.to_owned()) }
}

/// A directory of Microsoft's: its id, its domain, or a word like `common`.
pub(super) fn tenant(text: &str) -> Result<String, String> {
    let fits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.'));
    if fits { Ok(text.to_owned()) } else { Err("must be the directory's id or domain, or \"common\"".to_owned()) }
}

/// `host`, `host:port`, `[IPv6]`, `[IPv6]:port`, with at most a slash behind.
fn host_port(text: &str, default_port: u16) -> Result<(String, u16), String> {
    let wrong = || "must name a host and perhaps a port, like smtp://relay.example.com:587".to_owned();
    let text = text.strip_suffix('/').unwrap_or(text);
    let (host, port) = if let Some(rest) = text.strip_prefix('[') {
        let (host, port) = rest.split_once(']').ok_or_else(wrong)?;
        host.parse::<std::net::Ipv6Addr>().map_err(|_| wrong())?;
        (host.to_owned(), port)
    } else {
        let (host, port) = text.split_at(text.find(':').unwrap_or(text.len()));
        if !is_host(host) {
            return Err(wrong());
        }
        (host.to_ascii_lowercase(), port)
    };
    let port = match port.strip_prefix(':') {
        Some(port) => port.parse().ok().filter(|port| *port > 0).ok_or_else(wrong)?,
        None if port.is_empty() => default_port,
        None => return Err(wrong()),
    };
    Ok((host, port))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

    use super::*;

    fn server(url: &str) -> SmtpRelay {
        match relay(url) {
            Ok(Relay::Smtp(server)) => server,
            other => panic!("{url}: {other:?}"),
        }
    }

    #[test]
    fn tokens_are_had_over_tls_or_on_this_machine() {
        for url in [
            "https://login.example.com/a/token?b=c",
            "https://[2001:db8::1]:8443/",
            "http://127.0.0.1:81/t",
            "http://localhost/t",
            "http://[::1]:5/",
        ] {
            assert_eq!(token_url(url).as_deref(), Ok(url));
        }
        for url in [
            "",
            "ftp://a.example/",
            "http://a.example/",
            "http://127.0.0.1.example.com/",
            "https://u@a.example/",
            "https:///t",
            "https://a.example/ b",
            "https://a.example/#x",
        ] {
            assert!(token_url(url).is_err(), "{url}");
        }
        assert!(tenant("common").is_ok() && tenant("a/../b").is_err() && tenant("").is_err());
    }

    #[test]
    fn relays_have_the_port_of_their_kind() {
        let parts = |url| {
            let server = server(url);
            (server.host, server.port, server.implicit_tls, server.user.unwrap_or_default())
        };
        let expected = |host: &str, port, tls, user: &str| (host.to_owned(), port, tls, user.to_owned());
        assert_eq!(parts("smtp://Relay.Example.com"), expected("relay.example.com", 25, false, ""));
        assert_eq!(parts("smtp://ann@relay.example.com/"), expected("relay.example.com", 587, false, "ann"));
        assert_eq!(parts("smtps://ann@example.com@relay.example.com"), expected("relay.example.com", 465, true, "ann@example.com"));
        assert_eq!(parts("smtp://a%40b%3a@127.0.0.1:2525"), expected("127.0.0.1", 2525, false, "a@b:"));
        assert_eq!(parts("smtp://[::1]:26"), expected("::1", 26, false, ""));
        for bad in [
            "smtp://",
            "smtp://@h",
            "smtp://h:",
            "smtp://h:99999",
            "smtp://[::1",
            "smtp://[x]",
            "smtp://a%4@h",
            "smtp://a%+1@h",
            "smtp://a b",
        ] {
            assert!(relay(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn durations_and_sizes_are_read_as_they_are_shown() {
        for text in ["0s", "90s", "15m", "36h", "30d"] {
            assert_eq!(show_duration(duration(text).unwrap()), text);
        }
        for (text, octets) in [("500", 500), ("64 KiB", 65_536), ("50 MiB", 52_428_800), ("1 GiB", 1_073_741_824)] {
            assert_eq!((size(text).unwrap(), show_size(octets).as_str()), (octets, text));
        }
        for bad in ["", "5", "s", "-5s", "1h30m", "5 weeks", "18446744073709551615d"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
        for bad in ["", "MiB", "-1", "1 MB", "1.5 MiB", "18446744073709551615 KiB"] {
            assert!(size(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn networks_hold_their_addresses() {
        let holds = |network: &str, ip: &str| net(network).unwrap().contains(ip.parse().unwrap());
        assert!(holds("10.0.0.0/8", "10.255.0.1") && !holds("10.0.0.0/8", "11.0.0.1"));
        assert!(holds("10.0.0.0/8", "::ffff:10.0.0.1"), "IPv4 over an IPv6 socket");
        assert!(holds("192.0.2.7", "192.0.2.7") && !holds("192.0.2.7", "192.0.2.8"));
        assert!(holds("0.0.0.0/0", "8.8.8.8") && holds("::/0", "fd00::1") && !holds("::/0", "8.8.8.8"));
        assert!(holds("fd00::/8", "fdff::1") && !holds("fd00::/8", "fe80::1"));
    }

    #[test]
    fn reply_patterns_leave_room_for_a_token() {
        assert_eq!(default_reply_pattern("support@example.com").unwrap(), "support+{token}@example.com");
        let longest = "a".repeat(19);
        assert!(default_reply_pattern(&format!("{longest}@example.com")).is_ok());
        assert!(default_reply_pattern(&format!("{longest}a@example.com")).is_err());
        assert_eq!(reply_pattern("{Token}@Reply.Example.com").unwrap(), "{token}@reply.example.com");
        for bad in ["{token}{token}@x.example", "support@x.example", "{token}", "a b{token}@x.example", "{token}.@x.example"] {
            assert!(reply_pattern(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn databases_are_files_or_servers() {
        assert_eq!(database("sqlite:./x.db").unwrap(), Database::Sqlite("./x.db".into()));
        assert_eq!(database("sqlite:///var/x.db").unwrap(), Database::Sqlite("/var/x.db".into()));
        let url = "postgres://ombud:geheim@db.example.com:5433/desk?sslmode=verify-full";
        assert_eq!(database(url).unwrap(), Database::Postgres(Secret::new(url)));
        assert!(matches!(database("postgresql:///desk?host=%2Frun%2Fpostgresql"), Ok(Database::Postgres(_))));
        for bad in
            ["", "sqlite:", "sqlite::memory:", "sqlite:x?mode=ro", "mysql://h/d", "postgres://h", "postgres://h/", "postgres://h/a b"]
        {
            assert!(database(bad).is_err(), "{bad}");
        }
    }
}
