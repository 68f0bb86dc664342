//! Somebody with a mail client of their own: neomutt in a terminal, s-nail, Python's `email`; and notmuch, which says what is one conversation.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use tempfile::TempDir;

use crate::mail::{Letter, bare};
use crate::program::{Ran, run};
use crate::signer::Signer;
use crate::smtp::{Smtp, crlf};
use crate::wait::{wait_for, wait_until};
use crate::{Desk, Dns};

/// Takes what a client sends: its arguments, then the mail.
const SENDMAIL: &str = "#!/bin/sh\nf=$(mktemp DIR/sent/XXXXXX) && { echo \"$@\"; cat; } >$f && mv $f $f.done\n";
/// Puts the words to be written above what the client has prepared.
const EDITOR: &str = "#!/bin/sh\ncat DIR/words \"$1\" >\"$1.new\" && cat \"$1.new\" >\"$1\" && rm \"$1.new\"\n";
/// Answers the newest mail of a folder with the words on standard input, as a program does that uses Python's `email`.
const PYTHON: &str = r#"
import sys, glob, os, email, email.policy, email.utils
from email.message import EmailMessage
folder, address, name = sys.argv[1:]
mail = email.message_from_binary_file(open(max(glob.glob(folder + "/new/*"), key=os.path.getmtime), "rb"), policy=email.policy.default)
answer = EmailMessage(policy=email.policy.SMTP)
answer["From"] = email.utils.formataddr((name, address))
answer["To"] = str(mail["Reply-To"] or mail["From"])
answer["Subject"] = "Re: " + mail["Subject"]
answer["Date"] = email.utils.localtime()
answer["Message-ID"] = email.utils.make_msgid(domain=address.split("@")[1])
answer["In-Reply-To"] = mail["Message-ID"]
answer["References"] = (mail["References"] or "") + " " + mail["Message-ID"]
words, said = sys.stdin.read(), mail.get_body(("plain",)).get_content()
quoted = "".join("> " + line + "\n" for line in said.splitlines())
answer.set_content(words + "\nOn " + mail["Date"] + ", " + str(mail["From"]) + " wrote:\n" + quoted, cte="base64")
answer.add_alternative("<p>" + words + "</p><blockquote>" + said + "</blockquote>", subtype="html")
sys.stdout.buffer.write(answer.as_bytes())
"#;

/// What Python's `email` sees in the mail on standard input.
const SEEN: &str = r#"
import sys, json, email, email.policy
mail = email.message_from_binary_file(sys.stdin.buffer, policy=email.policy.default)
plain, html = mail.get_body(("plain",)), mail.get_body(("related", "html"))
rich = html.get_body(("html",)) if html is not None and html.is_multipart() else html
beside = list(html.iter_attachments()) if html is not None and html.is_multipart() else []
files = [p for p in mail.iter_attachments() if p.get_content_maintype() != "multipart"]
defects = [type(d).__name__ for p in mail.walk() for d in p.defects]
part = lambda p: {"name": p.get_filename(), "id": p["Content-ID"], "kind": p.get_content_type(), "how": p.get_content_disposition(), "bytes": p.get_content().hex() if isinstance(p.get_content(), bytes) else p.get_content()}
json.dump({"kinds": [p.get_content_type() for p in mail.walk()], "text": plain.get_content(), "html": rich and rich.get_content(),
    "beside": [part(p) for p in beside], "files": [part(p) for p in files], "defects": defects}, sys.stdout)
"#;

/// What Python's `email` sees in a mail: `kinds` of all parts, `text`, `html`, the parts `beside` the HTML, `files`, `defects`.
///
/// # Panics
/// When Python fails.
pub fn seen_by_python(letter: &Letter) -> serde_json::Value {
    let mut python = Command::new("/usr/bin/python3");
    python.args(["-c", SEEN]);
    let ran = run(python, &letter.raw);
    assert_eq!(ran.code, 0, "{}", ran.err);
    serde_json::from_str(&ran.out).expect("JSON")
}

/// A person: an address, a folder of mail, and a provider that signs what they send.
pub struct Client {
    folder: TempDir,
    name: &'static str,
    address: &'static str,
    signer: Signer,
    received: AtomicUsize,
    opened: AtomicUsize,
}

impl Client {
    /// A person whose provider has published its key.
    ///
    /// # Panics
    /// When a file can't be written.
    pub fn of(name: &'static str, address: &'static str, dns: &Dns) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let domain = address.rsplit('@').next().unwrap_or_default();
        let client =
            Self { signer: Signer::of(domain, dns), folder, name, address, received: AtomicUsize::new(0), opened: AtomicUsize::new(0) };
        for name in ["mail/new", "mail/cur", "mail/tmp", "sent"] {
            fs::create_dir_all(client.path(name)).expect("a folder");
        }
        for (name, text) in [("sendmail", SENDMAIL), ("editor", EDITOR)] {
            fs::write(client.path(name), text.replace("DIR", &client.dir())).expect("a program is written");
            fs::set_permissions(client.path(name), fs::Permissions::from_mode(0o755)).expect("it may run");
        }
        client
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn dir(&self) -> String {
        self.folder.path().display().to_string()
    }

    /// A mail lands in their folder.
    ///
    /// # Panics
    /// When it can't be written.
    pub fn receive(&self, letter: &Letter) {
        let number = self.received.fetch_add(1, Ordering::SeqCst);
        let text = String::from_utf8_lossy(&letter.raw).replace("\r\n", "\n");
        fs::write(self.path(&format!("mail/new/{number}.test")), text).expect("a mail is written");
    }

    /// Waits until their client sends something, hands it to the desk as their provider does, and waits for its fate. They
    /// keep a copy.
    ///
    /// # Panics
    /// When nothing comes, or the desk does not take it.
    pub fn sends(&self, desk: &Desk) -> serde_json::Value {
        let (path, file) = wait_for("a mail from the client", || {
            let path = fs::read_dir(self.path("sent")).ok()?.flatten().map(|entry| entry.path()).find(|path| path.extension().is_some())?;
            Some((path.clone(), fs::read(path).ok()?))
        });
        fs::remove_file(path).expect("it is taken");
        let end = file.iter().position(|octet| *octet == b'\n').expect("the arguments");
        let arguments = String::from_utf8_lossy(&file[..end]).into_owned();
        let (_, to) = arguments.split_once("-- ").unwrap_or_else(|| panic!("recipients in {arguments:?}"));
        self.hand(desk, &to.split_whitespace().map(bare).collect::<Vec<_>>(), &file[end + 1..])
    }

    /// Hands a mail of theirs to the desk.
    ///
    /// # Panics
    /// When the desk does not take it.
    pub fn hand(&self, desk: &Desk, to: &[String], mail: &[u8]) -> serde_json::Value {
        let mail = self.signer.sign(&crlf(mail));
        let to: Vec<&str> = to.iter().map(String::as_str).collect();
        let reply = Smtp::greeted(desk.ports().smtp).mail(self.address, &to, &mail).expect("a reply");
        assert_eq!(reply.code, 250, "{}", reply.line);
        let copy = Letter { sender: self.address.into(), recipient: to.join(" "), raw: mail };
        self.receive(&copy);
        desk.fate(&copy.address("Message-ID"))
    }

    /// Answers the newest mail in their folder by Python's `email`; gives recipients and mail.
    ///
    /// # Panics
    /// When Python fails.
    pub fn answers_by_python(&self, words: &str) -> (Vec<String>, Vec<u8>) {
        let mut python = Command::new("/usr/bin/python3");
        python.args(["-c", PYTHON]).arg(self.path("mail")).args([self.address, self.name]);
        let ran = run(python, words.as_bytes());
        assert_eq!(ran.code, 0, "{}", ran.err);
        let mail = Letter { sender: String::new(), recipient: String::new(), raw: ran.out.into_bytes() };
        (vec![mail.address("To")], mail.raw)
    }

    /// Answers a mail of their folder (from 1 on) by s-nail, in its order of things: the quote first.
    ///
    /// # Panics
    /// When s-nail fails.
    pub fn answers_by_s_nail(&self, number: usize, quote: bool, words: &str) {
        let quote = if quote { "set quote" } else { "unset quote" };
        let settings = format!(
            "set v15-compat mta={0}/sendmail from=\"{1} <{2}>\" indentprefix=\"> \"\nset noaskcc noaskbcc noasksub noasksend reply-to-honour nosave\n\
             unset record\n{quote}\n",
            self.dir(),
            self.name,
            self.address
        );
        fs::write(self.path("nailrc"), settings).expect("settings are written");
        let mut nail = Command::new("s-nail");
        nail.env("HOME", self.folder.path())
            .env("MAILRC", self.path("nailrc"))
            .args(["-:u", "-#", "-f"])
            .arg(format!("maildir://{}/mail", self.dir()));
        let ran = run(nail, format!("reply {number}\n{words}\n~.\nx\n").as_bytes());
        assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    }

    /// How many conversations notmuch sees in their folder, and how many mails.
    ///
    /// # Panics
    /// When notmuch fails.
    pub fn threads_by_notmuch(&self) -> (u32, u32) {
        let config = format!(
            "[database]\npath={0}/mail\n[user]\nname={1}\nprimary_email={2}\n[new]\ntags=new\n",
            self.dir(),
            self.name,
            self.address
        );
        fs::write(self.path("notmuch"), config).expect("settings are written");
        let notmuch = |arguments: &[&str]| -> Ran {
            let mut command = Command::new("notmuch");
            command.env("HOME", self.folder.path()).arg("--config").arg(self.path("notmuch")).args(arguments);
            let ran = run(command, b"");
            assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
            ran
        };
        notmuch(&["new", "--quiet"]);
        let count = |what| notmuch(&["count", what, "*"]).out.trim().parse().expect("a number");
        (count("--output=threads"), count("--output=messages"))
    }

    /// Opens their folder in neomutt.
    ///
    /// # Panics
    /// When there is no tmux.
    pub fn neomutt(&self) -> Neomutt<'_> {
        let settings = format!(
            "set folder={0} mbox_type=Maildir spoolfile={0}/mail record='' header_cache='' from={2} realname='{1}' use_from envelope_from\n\
             set sendmail={0}/sendmail editor='{0}/editor %s' noedit_headers reply_to=yes include=yes fast_reply noabort_unmodified\n\
             set sort=threads postpone=no quit=yes nomark_old nowait_key noconfirmappend index_format='%4C %Z %s' delete=no narrow_tree=no hide_thread_subject=no\n\
             alternative_order text/plain\n",
            self.dir(),
            self.name,
            self.address
        );
        fs::write(self.path("muttrc"), settings).expect("settings are written");
        // A terminal that was closed may still be on its way out: the next one is another.
        let terminal = Neomutt { client: self, socket: self.path(&format!("tmux{}", self.opened.fetch_add(1, Ordering::SeqCst))) };
        let program = format!("TERM=screen LC_ALL=C.UTF-8 HOME={0} neomutt -n -F {0}/muttrc", self.dir());
        terminal.tmux(&["-f", "/dev/null", "new-session", "-d", "-x", "130", "-y", "50", &program]);
        terminal.sees("q:Quit");
        terminal
    }
}

/// A neomutt that somebody sits in front of. It ends with the value.
pub struct Neomutt<'a> {
    client: &'a Client,
    socket: PathBuf,
}

impl Neomutt<'_> {
    fn tmux(&self, arguments: &[&str]) -> String {
        let mut tmux = Command::new("tmux");
        tmux.env_remove("TMUX").arg("-S").arg(&self.socket).args(arguments);
        let ran = run(tmux, b"");
        assert_eq!(ran.code, 0, "tmux {arguments:?}: {}", ran.err);
        ran.out
    }

    /// What stands on the screen.
    pub fn screen(&self) -> String {
        self.tmux(&["capture-pane", "-p"])
    }

    /// Waits until this stands on the screen.
    pub fn sees(&self, text: &str) {
        wait_until(&format!("neomutt to show {text}"), || self.screen().contains(text));
    }

    /// Answers the mail that the bar is on: its words above the quote.
    ///
    /// # Panics
    /// When neomutt does not get so far.
    pub fn answers(&self, words: &str) {
        fs::write(self.client.path("words"), format!("{words}\n\n")).expect("the words are written");
        self.tmux(&["send-keys", "r"]);
        self.sees("y:Send");
        self.tmux(&["send-keys", "y"]);
        self.sees("Mail sent");
    }

    /// Writes to an address, with a subject.
    ///
    /// # Panics
    /// When neomutt does not get so far.
    pub fn writes(&self, to: &str, subject: &str, words: &str) {
        fs::write(self.client.path("words"), format!("{words}\n")).expect("the words are written");
        self.tmux(&["send-keys", "m"]);
        for (question, reply) in [("To:", to), ("Subject:", subject)] {
            self.sees(question);
            self.tmux(&["send-keys", "-l", reply]);
            self.sees(reply);
            self.tmux(&["send-keys", "Enter"]);
        }
        self.sees("y:Send");
        self.tmux(&["send-keys", "y"]);
        self.sees("Mail sent");
    }
}

impl Drop for Neomutt<'_> {
    fn drop(&mut self) {
        let _ = Command::new("tmux").arg("-S").arg(&self.socket).arg("kill-server").output();
    }
}
