//! Which file, the environment, secrets, the local desk.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use super::{Folder, NO_ENV, SMALL, load_with};
use crate::config::env::Environment;
use crate::config::{Config, Database, Http, Listen, Relay, Require, SmtpRelay, find, load};

#[test]
fn the_first_file_of_the_order_is_taken() {
    let folder = Folder::new();
    let system = folder.write("etc/ombud.toml", "");
    let named = Environment::new([("OMBUD_CONFIG", "env.toml")]);
    let empty = Environment::new([("OMBUD_CONFIG", "")]);
    let found = |path: Option<&str>, env: &Environment| find(path.map(Path::new), env, folder.path(), &system);
    assert_eq!(found(Some("flag.toml"), &named).as_deref(), Some(Path::new("flag.toml")));
    assert_eq!(found(None, &named).as_deref(), Some(Path::new("env.toml")));
    assert_eq!(found(None, &empty).as_deref(), Some(system.as_path()));
    folder.write("ombud.toml", "");
    assert_eq!(found(None, &empty).as_deref(), Some(Path::new("ombud.toml")));
    let nowhere = find(None, &empty, &folder.path().join("etc/none"), Path::new("/nonexistent/ombud.toml"));
    assert_eq!(nowhere, None);
}

#[test]
fn a_named_file_must_exist() {
    let folder = Folder::new();
    folder.write("ombud.toml", SMALL);
    let error = load(Some(Path::new("none.toml")), NO_ENV, folder.path()).unwrap_err().to_string();
    assert!(error.starts_with("none.toml: cannot be read: "), "{error}");
    let error = load(None, [("OMBUD_CONFIG", "none.toml")], folder.path()).unwrap_err().to_string();
    assert!(error.starts_with("none.toml: cannot be read: "), "{error}");
}

#[test]
fn paths_start_at_the_file() {
    let folder = Folder::new();
    let text = SMALL.replacen("[desk]", "[desk]\ndata = \"./data\"", 1)
        + "[database]\nurl = \"sqlite:x.db\"\n[outbound]\nrelay = \"maildir:out\"\n[lmtp]\nlisten = [\"unix:lmtp\"]\n";
    let file = folder.write("etc/own.toml", text);
    let config = load(Some(&file), NO_ENV, Path::new("/")).unwrap();
    let etc = folder.path().join("etc");
    assert_eq!(config.desk.data, etc.join("data"));
    assert_eq!(config.database, Database::Sqlite(etc.join("x.db")));
    assert_eq!(config.outbound.relay, Relay::Maildir(etc.join("out")));
    assert_eq!(config.lmtp.unwrap().listen, [Listen::Unix(etc.join("lmtp"))]);
}

#[test]
fn without_a_file_there_is_a_local_desk() {
    let config = Config::local(Path::new("/desk/here")).unwrap();
    let tcp = |port: u16| vec![Listen::TcpOrFree(([127, 0, 0, 1], port).into())];
    assert!(config.local && config.warnings.is_empty(), "{:?}", config.warnings);
    assert_eq!((config.desk.name.as_str(), config.desk.hostname.as_str()), ("Acme", "desk.localhost"));
    assert_eq!(config.desk.data, Path::new("/desk/here"));
    assert_eq!(config.database, Database::Sqlite("/desk/here/ombud.db".into()));
    assert_eq!(config.smtp.unwrap().listen, tcp(2525));
    assert_eq!(config.lmtp.unwrap().listen, tcp(2424));
    assert_eq!(config.http.unwrap(), Http { listen: tcp(8025), public: true });
    assert_eq!(config.outbound.relay, Relay::Maildir("/desk/here/outgoing".into()));
    assert_eq!(config.authentication.require, Require::None);
    assert_eq!(config.mailboxes.first().unwrap().reply, "support+{token}@desk.localhost");
}

#[test]
fn the_environment_overrides_the_file() {
    let env = [
        ("OMBUD_DESK__NAME", "42"),
        ("OMBUD_OUTBOUND__RELAY", "smtp://relay.example.com"),
        ("OMBUD_HTTP__LISTEN", "[\"127.0.0.1:0\", \"[::1]:80\"]"),
        ("OMBUD_HTTP__PUBLIC", "false"),
        ("OMBUD_LIMITS__RECIPIENTS", "7"),
        ("OMBUD_LIMITS__MESSAGE_SIZE", "1 MiB"),
        ("OMBUD_LIMITS__HEADER_SIZE", "8192"),
        ("OMBUD_MAILBOXES__0__QUOTE", "none"),
        ("OMBUD_MAILBOXES__1__ADDRESS", "second@example.com"),
        ("OMBUD_AUTHENTICATION__TRUSTED_RELAYS", "[{ net = \"10.0.0.0/8\" }]"),
        ("OMBUD_LOG", "debug"),
        ("HOME", "/"),
    ];
    let config = load_with(SMALL, &env).unwrap();
    assert_eq!(config.desk.name, "42", "what wants text takes the text");
    let relay = SmtpRelay { host: "relay.example.com".into(), port: 25, implicit_tls: false, user: None, password: None, ca: None };
    assert_eq!(config.outbound.relay, Relay::Smtp(relay));
    assert_eq!(config.http.as_ref().unwrap().listen.len(), 2);
    assert!(!config.http.as_ref().unwrap().public);
    assert_eq!((config.limits.recipients, config.limits.message_size, config.limits.header_size), (7, 1 << 20, 8_192));
    assert_eq!(config.limits.free_space, 66 << 20, "follows message_size");
    assert_eq!(config.mailboxes.get(1).unwrap().address, "second@example.com");
    assert_eq!(config.authentication.trusted_relays.len(), 1);
}

#[test]
fn the_environment_overrides_the_local_desk() {
    let folder = Folder::new();
    let env = Environment::new([("OMBUD_HTTP__LISTEN", "[\"127.0.0.1:8080\"]")]);
    let document = crate::config::local::document(folder.path()).unwrap();
    let source = crate::config::Source { document, syntax: Vec::new(), local: true };
    let config = crate::config::checked("x", source, &env, folder.path()).unwrap();
    assert_eq!(config.http.unwrap().listen, [Listen::Tcp(([127, 0, 0, 1], 8080).into())], "a port that was asked for is not exchanged");
    assert_eq!(config.smtp.unwrap().listen, [Listen::TcpOrFree(([127, 0, 0, 1], 2525).into())]);
}

#[test]
fn wrong_variables_are_errors() {
    let env = [
        ("OMBUD_OUTBOUND__RELLAY", "x"),
        ("OMBUD_OUTBUND__RELAY", "x"),
        ("OMBUD_DESK____NAME", "x"),
        ("OMBUD_DESK__NAME__X", "x"),
        ("OMBUD_MAILBOXES__3__NAME", "x"),
        ("OMBUD_MAILBOXES__NAME", "x"),
        ("OMBUD_HTTP__LISTEN", "127.0.0.1:1"),
    ];
    let error = load_with(SMALL, &env).unwrap_err();
    let has = |start: &str, end: &str| error.lines().iter().any(|line| line.starts_with(start) && line.ends_with(end));
    assert!(has("OMBUD_OUTBOUND__RELLAY: [outbound] rellay: unknown key", "did you mean \"relay\"?"), "{error}");
    assert!(has("OMBUD_OUTBUND__RELAY: [outbund]: unknown section", "did you mean [outbound]?"), "{error}");
    assert!(has("OMBUD_HTTP__LISTEN: [http] listen: must be a list", "not text"), "{error}");
    assert_eq!(error.lines().len(), env.len(), "{error}");
}

#[test]
fn a_secret_may_stand_in_a_file() {
    let folder = Folder::new();
    let secret = folder.write("password", "pass word\r\n");
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).unwrap();
    let text = format!("{SMALL}[outbound]\nrelay = \"smtp://ann%40x@relay.example.com\"\npassword_file = \"password\"\n");
    let file = folder.write("ombud.toml", text);
    let config = load(Some(&file), NO_ENV, folder.path()).unwrap();
    assert!(config.warnings.is_empty(), "{:?}", config.warnings);
    assert!(!format!("{config:?}").contains("pass word"));
    let relay = |config: Config| match config.outbound.relay {
        Relay::Smtp(relay) => (relay.user.unwrap(), relay.port, relay.password.unwrap().reveal().to_owned()),
        _ => Default::default(),
    };
    assert_eq!(relay(config), ("ann@x".to_owned(), 587, "pass word".to_owned()));
    let config = load(Some(&file), [("OMBUD_OUTBOUND__PASSWORD", "123")], folder.path()).unwrap();
    assert_eq!(relay(config).2, "123", "the other form in the environment overrides the file's");
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o644)).unwrap();
    let config = load(Some(&file), NO_ENV, folder.path()).unwrap();
    assert!(config.warnings.iter().any(|warning| warning.contains("can be read by everybody")), "{:?}", config.warnings);
    folder.write("password", "\n");
    let error = load(Some(&file), NO_ENV, folder.path()).unwrap_err();
    assert!(error.to_string().ends_with("[outbound] password_file: is empty"), "{error}");
}

#[test]
fn what_needs_a_restart_is_named() {
    let old = load_with(SMALL, &[("OMBUD_SMTP__LISTEN", "[\"127.0.0.1:1\"]")]).unwrap();
    let mut new = old.clone();
    new.limits.recipients = 1;
    new.outbound.undo = Duration::from_secs(9);
    assert!(old.needs_restart(&new).is_empty());
    new.desk.hostname = "other.example.com".into();
    new.desk.data = "/other".into();
    new.database = Database::Sqlite("/other".into());
    new.smtp = None;
    assert_eq!(old.needs_restart(&new), ["desk.data", "desk.hostname", "database.url", "smtp.listen"]);
}
