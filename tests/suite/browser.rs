//! The status page in a browser: readable, light and dark, wide and narrow, in the states a desk can be in.

use ombud_tests::browser::{Dom, Picture, Scheme, dom, picture};
use ombud_tests::postgres::Server;
use ombud_tests::{Desk, Dovecot, Options, wait_until};

use crate::{JANE, from_ann};

const WIDE: (u32, u32) = (1280, 1500);
const NARROW: (u32, u32) = (360, 2400);

fn url(desk: &Desk) -> String {
    format!("http://{}/", desk.ports().http)
}

fn text(desk: &Desk) -> String {
    let page = desk.public("/");
    assert_eq!(page.status, 200);
    String::from_utf8(page.body).unwrap()
}

/// Four pictures of a page, which must be such as a person could read.
fn pictures(desk: &Desk, state: &str) {
    let mut taken: Vec<(Scheme, Picture)> = Vec::new();
    for (size, width) in [(WIDE, "wide"), (NARROW, "narrow")] {
        for (scheme, colours) in [(Scheme::Light, "light"), (Scheme::Dark, "dark")] {
            let picture = picture(&url(desk), &format!("status-{state}-{width}-{colours}"), size, scheme);
            assert_eq!((picture.width, picture.height), size, "{picture:?}");
            assert!(picture.colours > 50, "{picture:?}");
            taken.push((scheme, picture));
        }
    }
    for (scheme, picture) in &taken {
        match scheme {
            Scheme::Light => assert!(picture.brightness > 180, "{picture:?}"),
            Scheme::Dark => assert!(picture.brightness < 80, "{picture:?}"),
        }
    }
}

/// The page as a browser reads it: with these headings, and nothing to complain of.
fn read(desk: &Desk, headline: &str, sections: &[&str]) -> Dom {
    let dom = dom(&url(desk));
    assert_eq!(dom.console, Vec::<String>::new(), "the console is quiet");
    assert!(dom.html.contains(&format!("<h1>{headline}</h1>")), "{headline}\n{}", dom.html);
    for section in sections {
        assert!(dom.html.contains(&format!("<h2>{section}</h2>")), "{section}\n{}", dom.html);
    }
    dom
}

#[test]
fn a_desk_that_is_well() {
    let desk = Desk::with_jane();
    for n in 0..3 {
        desk.deliver(&from_ann(&format!("Well {n}"), "Hello?"));
    }
    desk.settle();
    wait_until("the numbers", || text(&desk).contains("<h1>All is well</h1>"));
    let dom = read(
        &desk,
        "All is well",
        &["Comes in", "Goes out", "Tickets", "Mailboxes", "Processes", "The log and its readers", "This process"],
    );
    assert!(dom.html.contains("<th scope=\"row\">support@desk.test</th>") && dom.html.contains(">alive</span>"), "{}", dom.html);
    pictures(&desk, "well");
}

#[test]
fn a_desk_where_mail_waits_and_fails() {
    let dovecot = Dovecot::start();
    let section = dovecot.section().replace("correct horse", "wrong horse");
    // Nobody listens on tcpmux, and nobody is given that port.
    let desk = Desk::prepare(Options { relay: Some("smtp://127.0.0.1:1".into()), ..Options::default() });
    desk.configure(&format!("{}{section}", desk.configuration()));
    desk.agent(JANE, "Jane Doe", "admin");
    let desk = desk.running();
    for n in 0..5 {
        desk.deliver(&from_ann(&format!("Waits {n}"), "Hello?"));
    }
    let two_authors = b"From: a@example.org\r\nFrom: b@example.org\r\nSubject: Who\r\n\r\nHello\r\n";
    let held = desk.request("POST", "/api/v1/inbox?to=support@desk.test", Some(("message/rfc822", two_authors)));
    assert_eq!(held.status, 201);
    wait_until("a mail to be held", || desk.list("/api/v1/inbox?state=held").len() == 1);
    let shown = |word: &str| text(&desk).contains(word);
    wait_until("the account to fail", || shown(">failing</span>"));
    wait_until("the relay to be down", || shown("because the relay can"));
    let dom = read(&desk, "1 thing is broken, 2 need a look", &["Fetched over IMAP"]);
    assert!(dom.html.contains("Mail for support@desk.test (INBOX) can't be fetched"), "{}", dom.html);
    let metrics = String::from_utf8(desk.public("/metrics").body).unwrap();
    assert!(metrics.contains("\nombud_imap_up{mailbox=\"support@desk.test\",folder=\"INBOX\"} 0\n"), "{metrics}");
    for secret in ["wrong horse", "correct horse", "ann@", "Ann", "jane@", "Jane", "Waits", "Hello", "example.org"] {
        assert!(!dom.html.contains(secret) && !metrics.contains(secret), "{secret} in {}", dom.html);
    }
    pictures(&desk, "failing");
}

#[test]
fn a_desk_whose_database_is_away() {
    let Some(server) = Server::start() else {
        return ombud_tests::places::lacks("a_desk_whose_database_is_away", "no PostgreSQL here");
    };
    let desk = Desk::prepare(Options { database: Some(server.address.clone()), ..Options::default() });
    desk.agent(JANE, "Jane Doe", "admin");
    let desk = desk.running();
    desk.deliver(&from_ann("Before", "Hello?"));
    desk.settle();
    wait_until("the numbers", || text(&desk).contains("<h1>All is well</h1>"));
    server.halt();
    wait_until("the page to notice", || text(&desk).contains("<h1>The database does not answer</h1>"));
    read(&desk, "The database does not answer", &["Comes in", "Mailboxes", "This process"]);
    pictures(&desk, "away");
    server.resume();
    wait_until("the page to heal", || text(&desk).contains("<h1>All is well</h1>"));
}
