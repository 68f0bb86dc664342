//! Everything in one picture: a mail that is fetched becomes a ticket, is found, is told to a webhook, is answered from an
//! agent's mail client, and shows on the status page. On SQLite and on PostgreSQL.

use ombud_tests::{Desk, Dovecot, Draft, Options, Receiver, places, postgres, wait_for, wait_until};

use crate::{JANE, answers_to_ann, from_ann};

const HOOKS: &str = "[webhooks]\nallow_http = true\nallow_networks = [\"127.0.0.0/8\"]\n";

fn the_story(database: Option<String>) {
    let dovecot = Dovecot::start();
    let desk = Desk::prepare(Options { mailbox: "auto_ack = \"never\"", more: HOOKS, database, ..Options::default() });
    desk.configure(&format!("{}{}", desk.configuration(), dovecot.section()));
    desk.agent(JANE, "Jane Doe", "admin");
    let desk = desk.running();
    wait_until("fetching to begin", || desk.log().contains("fetching begins"));
    let receiver = Receiver::willing();
    let body = serde_json::json!({ "url": receiver.url(), "events": ["ticket.created", "message.sent"] }).to_string();
    let hook = desk.request("POST", "/api/v1/webhooks", Some(("application/json", body.as_bytes())));
    assert_eq!(hook.status, 201, "{}", String::from_utf8_lossy(&hook.body));
    let secret = hook.json()["secret"].as_str().expect("the secret, once").to_owned();

    // Ann's mail lies in the mailbox, and becomes a ticket.
    let mail = from_ann("Smoke", "There is smoke in the zeppelin hangar.");
    dovecot.deliver(&mail.bytes(), None);
    let fate = desk.fate(&mail.id);
    assert_eq!(fate["kind"], "ticket", "{fate}");

    // It is found.
    let hit = wait_for("the ticket to be found", || desk.get("/api/v1/search?q=zeppelin%20is:open")["items"].as_array()?.first().cloned());
    assert_eq!((&hit["type"], &hit["number"]), (&"ticket".into(), &fate["ticket"]), "{hit}");
    assert!(hit["snippet"].as_str().is_some_and(|snippet| snippet.contains("zeppelin")), "{hit}");

    // It is told to an integration, which verifies who tells.
    let told = receiver.expect(1)[0].verified(&secret);
    assert_eq!((&told["type"], &told["data"]["ticket"]["number"]), (&"ticket.created".into(), &fate["ticket"]), "{told}");

    // Jane answers from her mail client, and Ann has it.
    let notice = desk.out().expect(JANE, "the notification", |l| l.header("Subject").is_some_and(|s| s.ends_with("Smoke")));
    assert_eq!(desk.deliver(&Draft::answer("Jane Doe <jane@agents.test>", &notice, "Open the roof."))["kind"], "message");
    wait_until("Ann to get it", || answers_to_ann(&desk).iter().any(|letter| letter.text().contains("Open the roof.")));
    let hits = receiver.expect(2);
    assert_eq!(hits[1].verified(&secret)["type"], "message.sent");
    wait_until("the answer to be found", || desk.get("/api/v1/search?q=roof%20status:pending")["total"] == 1);

    // It shows on the status page, with nothing of what was said.
    let page = wait_for("the page to show it", || {
        let page = String::from_utf8(desk.public("/").body).expect("UTF-8");
        (page.contains("INBOX") && page.contains("support@desk.test")).then_some(page)
    });
    for secret in ["zeppelin", "Smoke", "ann@", "Jane", "roof"] {
        assert!(!page.contains(secret), "{secret} is on the status page");
    }
    let metrics = String::from_utf8(desk.public("/metrics").body).expect("UTF-8");
    assert!(metrics.lines().filter(|line| line.starts_with("ombud_")).count() > 20, "{metrics}");
}

#[test]
fn everything_in_one_picture_on_sqlite() {
    let folder = tempfile::tempdir().expect("a folder");
    the_story(Some(format!("sqlite:{}/ombud.db", folder.path().display())));
}

#[test]
fn everything_in_one_picture_on_postgresql() {
    match postgres::server() {
        Some(_) => the_story(Some(postgres::fresh())),
        None => places::lacks("everything_in_one_picture_on_postgresql", "no OMBUD_TEST_POSTGRES"),
    }
}
