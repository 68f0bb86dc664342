//! The grammar of command lines (RFC 5321 §4.1): pure, octets in, a command or the refusing reply out.

use super::path::{self, PathError};
use crate::model::Reply;

/// One command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Command {
    Ehlo(String),
    Helo(String),
    Lhlo(String),
    Mail(Mail),
    /// The recipient as written: a mailbox, or `Postmaster` without a domain.
    Rcpt(String),
    Data,
    Rset,
    Noop,
    Quit,
    Vrfy,
    Expn,
    Help,
    StartTls,
    /// `AUTH mechanism [initial-response]`: the mechanism in capitals, the response as written.
    Auth(String, Option<String>),
    Bdat,
    /// Another protocol talks to us: an HTTP request line, or no letter at the start.
    Foreign,
}

/// `MAIL FROM:<…>` and its parameters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Mail {
    /// The reverse-path without brackets; empty for the null one.
    pub(super) from: String,
    /// `SIZE=` (RFC 1870 §6).
    pub(super) size: Option<u64>,
    /// `SMTPUTF8` (RFC 6531 §3.4).
    pub(super) utf8: bool,
}

const NO_COMMAND: Reply = Reply::new(500, "5.5.1", "Command not recognized");
const NO_ARGUMENT: Reply = Reply::new(501, "5.5.4", "This command takes no argument");
const ODD_OCTETS: Reply = Reply::new(501, "5.5.2", "Arguments must be text without control characters");
const BAD_NAME: Reply = Reply::new(501, "5.5.4", "Give a domain or address literal as your name");
const MAIL_SYNTAX: Reply = Reply::new(501, "5.5.4", "Write MAIL FROM:<address>");
const RCPT_SYNTAX: Reply = Reply::new(501, "5.5.4", "Write RCPT TO:<address>");
const AUTH_SYNTAX: Reply = Reply::new(501, "5.5.4", "Write AUTH and one mechanism");
const BAD_VALUE: Reply = Reply::new(501, "5.5.4", "Parameter with a bad value, or given twice");
const NO_PARAMETER: Reply = Reply::new(555, "5.5.4", "Parameter not recognized");

/// Words that begin an HTTP request.
const HTTP: [&str; 10] = ["GET", "POST", "PUT", "HEAD", "DELETE", "OPTIONS", "CONNECT", "TRACE", "PATCH", "PRI"];

/// Reads one line, which came without its CRLF. `utf8` says whether the mail in hand was announced with SMTPUTF8.
pub(super) fn parse(line: &[u8], utf8: bool) -> Result<Command, Reply> {
    if line.first().is_some_and(|first| !first.is_ascii_alphabetic()) {
        return Ok(Command::Foreign);
    }
    let (verb, argument) = match line.iter().position(|b| *b == b' ') {
        Some(at) => line.split_at(at),
        None => (line, &[][..]),
    };
    let verb = String::from_utf8_lossy(verb).to_ascii_uppercase();
    let argument = text(argument);
    match verb.trim_ascii_end() {
        "EHLO" => Ok(Command::Ehlo(name(argument?)?)),
        "HELO" => Ok(Command::Helo(name(argument?)?)),
        "LHLO" => Ok(Command::Lhlo(name(argument?)?)),
        "MAIL" => mail(argument?),
        "RCPT" => rcpt(argument?, utf8),
        "DATA" => bare(argument?, Command::Data),
        "RSET" => bare(argument?, Command::Rset),
        "QUIT" => bare(argument?, Command::Quit),
        "STARTTLS" => bare(argument?, Command::StartTls),
        "NOOP" => Ok(Command::Noop),
        "VRFY" => Ok(Command::Vrfy),
        "EXPN" => Ok(Command::Expn),
        "HELP" => Ok(Command::Help),
        "AUTH" => auth(argument?),
        "BDAT" => Ok(Command::Bdat),
        // Whoever may speak the PROXY protocol has done so before anything else.
        "PROXY" => Ok(Command::Foreign),
        other if HTTP.contains(&other) => Ok(Command::Foreign),
        _ => Err(NO_COMMAND),
    }
}

/// White space after a command is to be borne (RFC 5321 §4.1.1), control characters are not.
fn text(argument: &[u8]) -> Result<&str, Reply> {
    let text = std::str::from_utf8(argument.trim_ascii()).map_err(|_| ODD_OCTETS)?;
    if text.chars().any(char::is_control) { Err(ODD_OCTETS) } else { Ok(text) }
}

fn bare(argument: &str, command: Command) -> Result<Command, Reply> {
    if argument.is_empty() { Ok(command) } else { Err(NO_ARGUMENT) }
}

/// The client's name. Clients misname themselves in every way, so all that could stand in a log or a header will do.
fn name(argument: &str) -> Result<String, Reply> {
    let good = |b: u8| b.is_ascii_graphic() && !br#"<>()"\,;@"#.contains(&b);
    let is_name = !argument.is_empty() && argument.len() <= 255 && argument.bytes().all(good);
    if is_name { Ok(argument.to_owned()) } else { Err(BAD_NAME) }
}

fn mail(argument: &str) -> Result<Command, Reply> {
    let (from, parameters) = bracketed(argument, "FROM:").ok_or(MAIL_SYNTAX)?.map_err(sender)?;
    let mut mail = Mail { from: from.to_owned(), ..Mail::default() };
    let mut body = false;
    for parameter in parameters.split_ascii_whitespace() {
        let (keyword, value) = parameter.split_once('=').map_or((parameter, None), |(keyword, value)| (keyword, Some(value)));
        let fresh = match (keyword.to_ascii_uppercase().as_str(), value) {
            ("SIZE", Some(value)) => mail.size.replace(octets(value).ok_or(BAD_VALUE)?).is_none(),
            ("BODY", Some(value)) if ["7BIT", "8BITMIME"].iter().any(|word| value.eq_ignore_ascii_case(word)) => {
                !std::mem::replace(&mut body, true)
            }
            ("SMTPUTF8", None) => !std::mem::replace(&mut mail.utf8, true),
            ("SIZE" | "BODY" | "SMTPUTF8", _) => false,
            _ => return Err(NO_PARAMETER),
        };
        if !fresh {
            return Err(BAD_VALUE);
        }
    }
    if !from.is_empty() {
        path::check(from, mail.utf8).map_err(sender)?;
    }
    Ok(Command::Mail(mail))
}

/// RFC 4954 §4.
fn auth(argument: &str) -> Result<Command, Reply> {
    let mut words = argument.split_ascii_whitespace();
    match (words.next(), words.next(), words.next()) {
        (Some(mechanism), initial, None) => Ok(Command::Auth(mechanism.to_ascii_uppercase(), initial.map(str::to_owned))),
        _ => Err(AUTH_SYNTAX),
    }
}

fn rcpt(argument: &str, utf8: bool) -> Result<Command, Reply> {
    let (to, parameters) = bracketed(argument, "TO:").ok_or(RCPT_SYNTAX)?.map_err(recipient)?;
    // RFC 5321 §4.1.1.3: the one recipient that needs no domain.
    if !to.eq_ignore_ascii_case("postmaster") {
        path::check(to, utf8).map_err(recipient)?;
    }
    // We offer no extension that has a parameter here.
    if parameters.trim_ascii().is_empty() { Ok(Command::Rcpt(to.to_owned())) } else { Err(NO_PARAMETER) }
}

/// A path and what follows it.
type Bracketed<'a> = Result<(&'a str, &'a str), PathError>;

/// `KEYWORD<path>` and the parameters behind it. A space after the colon is wrong but common, and harmless.
fn bracketed<'a>(argument: &'a str, keyword: &str) -> Option<Bracketed<'a>> {
    let (head, rest) = argument.split_at_checked(keyword.len())?;
    let rest = rest.trim_ascii_start();
    if !head.eq_ignore_ascii_case(keyword) || !rest.starts_with('<') {
        return None;
    }
    Some(
        path::split(rest)
            .and_then(|(path, rest)| if rest.is_empty() || rest.starts_with(' ') { Ok((path, rest)) } else { Err(PathError::Syntax) }),
    )
}

fn octets(value: &str) -> Option<u64> {
    // RFC 1870 §3: up to 20 digits, so some sizes are more than a u64 can hold; all of those are too large.
    let digits = (1..=20).contains(&value.len()) && value.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| value.parse().unwrap_or(u64::MAX))
}

fn sender(error: PathError) -> Reply {
    refused(error, "5.1.7")
}

fn recipient(error: PathError) -> Reply {
    refused(error, "5.1.3")
}

fn refused(error: PathError, enhanced: &'static str) -> Reply {
    match error {
        PathError::Syntax => Reply::new(501, enhanced, "Bad address syntax"),
        PathError::Route => Reply::new(501, enhanced, "Source routes are not supported, write the address alone"),
        PathError::Long => Reply::new(501, enhanced, "Address too long"),
        PathError::NotAscii => Reply::new(501, "5.6.7", "This address needs SMTPUTF8 at MAIL"),
    }
}

#[cfg(test)]
#[expect(clippy::panic, reason = "tests")]
mod tests;
