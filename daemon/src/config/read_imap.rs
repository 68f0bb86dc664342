//! `[mailboxes.imap]`.

use std::time::Duration;

use super::reader::{Account, Section};
use super::types::{Imap, OAuth};
use super::values;

const POLL: Duration = Duration::from_secs(60);
/// A SELECT, SEARCH or MOVE in a large folder may take minutes.
const PATIENCE: Duration = Duration::from_secs(5 * 60);
const PAUSE: Duration = Duration::from_secs(5);
const HOUR: Duration = Duration::from_secs(3_600);
/// To read the mail of who has signed in, and to be let in again tomorrow.
const MICROSOFT_SCOPE: &str = "https://outlook.office.com/IMAP.AccessAsUser.All offline_access";

/// Who gives tokens.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Provider {
    Google,
    Microsoft,
}

/// Reads one `[mailboxes.imap]`.
pub(super) fn imap(s: &mut Section<'_>) -> Option<Imap> {
    let server = s.parsed("server", values::imap_server);
    if server.is_none() {
        s.require("server", "like server = \"imaps://imap.example.com\"");
    }
    let user = s.parsed("user", values::one_line);
    if user.is_none() {
        s.require("user", "the name to log in with");
    }
    let with_password = s.has("password") || s.has("password_file");
    let password = s.secret("password", "password_file");
    let with_oauth = s.has("oauth");
    let oauth = s.section("oauth", "[mailboxes.imap.oauth]", oauth).flatten();
    match (with_password, with_oauth) {
        (false, false) => s.require("password_file", "password_file, password or oauth is needed to log in"),
        (true, true) => s.bad("oauth", "stands beside a password; keep one of the two"),
        _ => {}
    }
    let words = [("now", "now"), ("all", "all")];
    let imap = Imap {
        host: String::new(),
        port: 0,
        implicit_tls: true,
        user: String::new(),
        password,
        oauth,
        folders: folders(s),
        after: s.parsed("after", after).unwrap_or_else(|| "keep".to_owned()),
        start: s.word("start", &words).unwrap_or("now").to_owned(),
        trust: s.parsed("trust", values::one_line),
        ca: s.file("ca"),
        poll: s.duration("poll", Duration::from_secs(1)..=HOUR).unwrap_or(POLL),
        patience: s.duration("patience", Duration::from_secs(1)..=HOUR).unwrap_or(PATIENCE),
        pause: s.duration("pause", Duration::from_secs(1)..=HOUR).unwrap_or(PAUSE),
    };
    if let Some(target) = imap.after.strip_prefix("move:")
        && imap.folders.iter().any(|folder| same_folder(folder, target.trim()))
    {
        s.bad("after", format!("moves mail into \"{}\", which is fetched itself", target.trim()));
    }
    let (host, port, implicit_tls) = server?;
    let user = user?;
    let name = (host.to_ascii_lowercase(), port, user.clone());
    s.note_account(Account { name, folders: imap.folders.clone() }, "server");
    Some(Imap { host, port, implicit_tls, user, ..imap })
}

fn folders(s: &mut Section<'_>) -> Vec<String> {
    let both = s.has("folder") && s.has("folders");
    let one = s.parsed("folder", values::one_line);
    let many = s.list("folders", values::one_line);
    if both {
        s.bad("folders", "stands beside folder; keep one of the two");
    }
    match (one, many) {
        (Some(folder), _) => vec![folder],
        (None, Some(list)) if !list.is_empty() => {
            let folders: Vec<String> = list.into_iter().map(|(folder, _)| folder).collect();
            let twice = folders.iter().enumerate().find(|(at, folder)| folders.iter().take(*at).any(|other| same_folder(other, folder)));
            if let Some((_, folder)) = twice {
                s.bad("folders", format!("names \"{folder}\" twice"));
            }
            folders
        }
        (None, Some(_)) => {
            s.bad("folders", "must name at least one folder");
            Vec::new()
        }
        (None, None) => vec!["INBOX".to_owned()],
    }
}

/// INBOX is the same in any case (RFC 9051 §5.1); whether other names are is for the server to say.
pub(super) fn same_folder(one: &str, other: &str) -> bool {
    one == other || one.eq_ignore_ascii_case("INBOX") && other.eq_ignore_ascii_case("INBOX")
}

fn after(text: &str) -> Result<String, String> {
    let folder = text.strip_prefix("move:");
    if matches!(text, "keep" | "seen" | "delete") || folder.is_some_and(|folder| values::one_line(folder).is_ok()) {
        Ok(text.to_owned())
    } else {
        Err(format!("\"{text}\" is not one of \"keep\", \"seen\", \"move:FOLDER\", \"delete\""))
    }
}

fn oauth(s: &mut Section<'_>) -> Option<OAuth> {
    let provider = s.word("provider", &[("google", Provider::Google), ("microsoft", Provider::Microsoft)]);
    let tenant = s.parsed("tenant", values::tenant);
    let own_url = s.parsed("token_url", values::token_url);
    let own_scope = s.parsed("scope", values::one_line);
    let client_id = s.parsed("client_id", values::one_line);
    let client_secret = s.secret("client_secret", "client_secret_file");
    let refresh_token = s.secret("refresh_token", "refresh_token_file");
    if client_id.is_none() {
        s.require("client_id", "the name of this program at the provider");
    }
    if refresh_token.is_none() && !s.asked("refresh_token_file") {
        s.require("refresh_token", "or refresh_token_file: what the provider gave when a person signed in");
    }
    if tenant.is_some() && provider == Some(Provider::Google) {
        s.bad("tenant", "is for provider = \"microsoft\" alone");
    }
    let (token_url, scope) = match (provider, own_url) {
        (Some(_), Some(_)) => {
            s.bad("token_url", "stands beside provider, which has its own; keep one of the two");
            return None;
        }
        (Some(Provider::Google), None) => {
            if client_secret.is_none() && !s.asked("client_secret_file") {
                s.require("client_secret", "or client_secret_file: Google wants it");
            }
            ("https://oauth2.googleapis.com/token".to_owned(), None)
        }
        (Some(Provider::Microsoft), None) => {
            if tenant.is_none() {
                s.require("tenant", "the directory's id or domain, or \"common\"");
            }
            (format!("https://login.microsoftonline.com/{}/oauth2/v2.0/token", tenant?), Some(MICROSOFT_SCOPE.to_owned()))
        }
        (None, Some(url)) => (url, None),
        (None, None) => {
            if !s.asked("provider") && !s.asked("token_url") {
                s.require("provider", "\"google\" or \"microsoft\", or token_url for another one");
            }
            return None;
        }
    };
    let scope = own_scope.or(scope);
    Some(OAuth { token_url, scope, client_id: client_id?, client_secret, refresh_token: refresh_token? })
}
