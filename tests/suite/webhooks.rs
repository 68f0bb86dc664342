//! Webhooks: real receivers, good and bad ones, and `kill -9` while events come.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use ombud_tests::{Answer, Chance, Desk, Options, Receiver, wait_for, wait_until};
use serde_json::{Value, json};

use crate::{JANE, from_ann};

const ALLOWED: &str = "[webhooks]\nallow_http = true\nallow_networks = [\"127.0.0.0/8\"]\n";

/// A desk that may deliver to loopback, with the admin Jane.
fn desk() -> Desk {
    desk_with(ALLOWED)
}

fn desk_with(more: &'static str) -> Desk {
    let desk = Desk::prepare(Options { mailbox: "auto_ack = \"never\"", more, ..Options::default() });
    desk.agent(JANE, "Jane Doe", "admin");
    desk.running()
}

fn call(desk: &Desk, method: &str, path: &str, body: &Value) -> Value {
    let text = body.to_string();
    let response = desk.request(method, path, Some(("application/json", text.as_bytes())));
    assert!(response.status < 300, "{method} {path}: {} {}", response.status, String::from_utf8_lossy(&response.body));
    response.json()
}

/// A new webhook; its number and its secret.
fn hook(desk: &Desk, url: &str, events: &[&str]) -> (i64, String) {
    let made = call(desk, "POST", "/api/v1/webhooks", &json!({ "url": url, "events": events }));
    (made["id"].as_i64().expect("a number"), made["secret"].as_str().expect("a secret").to_owned())
}

fn deliveries(desk: &Desk, id: i64) -> Vec<Value> {
    desk.list(&format!("/api/v1/webhooks/{id}/deliveries"))
}

/// Waits for a delivery that is such.
#[track_caller]
fn delivery(desk: &Desk, id: i64, what: &str, is_such: impl Fn(&Value) -> bool) -> Value {
    wait_for(&format!("a delivery: {what}"), || deliveries(desk, id).into_iter().find(&is_such))
}

#[test]
fn a_mail_is_told_once_with_a_valid_signature_and_without_its_words() {
    let desk = desk();
    desk.deliver(&from_ann("Before", "Nobody listens yet."));
    let receiver = Receiver::willing();
    let (id, secret) = hook(&desk, &receiver.url(), &["ticket.created", "message.received"]);
    let all = Receiver::willing();
    let (_, secret_of_all) = hook(&desk, &all.url(), &["*"]);
    let fate = desk.deliver(&from_ann("Printer", "PRIVATE words of Ann."));
    let hits = receiver.expect(2);
    let mut told: Vec<Value> = hits.iter().map(|hit| hit.verified(&secret)).collect();
    told.sort_by_key(|body| body["type"].as_str().map(str::to_owned));
    assert_eq!((&told[0]["type"], &told[1]["type"]), (&"message.received".into(), &"ticket.created".into()));
    for body in &told {
        let ticket = &body["data"]["ticket"];
        assert_eq!((&ticket["number"], &ticket["subject"], &ticket["status"]), (&fate["ticket"], &"Printer".into(), &"open".into()));
        assert!(body["timestamp"].as_str().is_some_and(|at| at.ends_with('Z')) && !body.to_string().contains("PRIVATE"), "{body}");
    }
    assert_eq!((&told[0]["data"]["message"]["kind"], &told[0]["data"]["message"]["public"]), (&"customer".into(), &true.into()));
    assert_ne!(hits[0].id(), hits[1].id());
    wait_until("both to be settled", || deliveries(&desk, id).iter().filter(|d| d["state"] == "sent").count() == 2);
    assert_eq!((receiver.hits().len(), deliveries(&desk, id).len()), (2, 2), "nothing from before, nothing twice");
    all.expect(2).iter().for_each(|hit| drop(hit.verified(&secret_of_all)));
    for secret in [secret, secret_of_all] {
        assert!(!desk.log().contains(&secret) && !desk.get("/api/v1/webhooks").to_string().contains(&secret));
    }
    assert!(!desk.log().contains("T0K3N"), "no URL stands in the log");
}

#[test]
fn a_failure_is_tried_again_with_the_same_id_and_body() {
    let desk = desk();
    let receiver = Receiver::start(|count, _| Answer::Status(if count == 1 { 500 } else { 200 }));
    let (id, secret) = hook(&desk, &receiver.url(), &["ticket.created"]);
    let start = Instant::now();
    desk.deliver(&from_ann("Again", "hello"));
    let hits = receiver.expect(2);
    assert!(start.elapsed() >= Duration::from_secs(5), "{:?}", start.elapsed());
    assert_eq!((hits[0].id(), &hits[0].body), (hits[1].id(), &hits[1].body));
    hits.iter().for_each(|hit| drop(hit.verified(&secret)));
    let sent = delivery(&desk, id, "sent", |d| d["state"] == "sent");
    let tries: Vec<_> = sent["tries"].as_array().expect("tries").iter().map(|one| one["status"].clone()).collect();
    assert_eq!((&sent["attempts"], tries), (&2.into(), vec![json!(500), json!(200)]));

    let again = desk.request("POST", &format!("/api/v1/deliveries/{}/redeliver", sent["id"]), None);
    assert_eq!(again.status, 202);
    assert_eq!(receiver.expect(3)[2].id(), hits[0].id(), "its receiver knows it");
    delivery(&desk, id, "sent again", |d| d["state"] == "sent" && d["attempts"] == 1);
    assert_eq!(desk.request("DELETE", &format!("/api/v1/webhooks/{id}"), None).status, 204);
    desk.deliver(&from_ann("Nobody hears", "hello"));
    desk.settle();
    assert_eq!(desk.request("GET", &format!("/api/v1/webhooks/{id}/deliveries"), None).status, 404);
    assert_eq!(receiver.hits().len(), 3);
}

#[test]
fn a_bad_receiver_is_seen_and_holds_up_nobody() {
    let desk = desk();
    let good = Receiver::willing();
    let bad = [
        (Receiver::start(|_, _| Answer::Hang), "timeout"),
        (Receiver::start(|_, _| Answer::FloodHead), "too large an answer"),
        (Receiver::start(|_, _| Answer::FloodBody), ""),
    ];
    let (address, target) = (good.address, Receiver::willing());
    let redirect = Receiver::start(move |_, _| Answer::Redirect(format!("http://{address}/")));
    let mut hooks: Vec<(i64, &str)> = bad.iter().map(|(one, reason)| (hook(&desk, &one.url(), &["ticket.created"]).0, *reason)).collect();
    hooks.push((hook(&desk, &redirect.url(), &["ticket.created"]).0, "redirect (status 302)"));
    let (fine, _) = hook(&desk, &target.url(), &["ticket.created"]);
    for n in 0..6 {
        desk.deliver(&from_ann(&format!("Bad receivers {n}"), "hello"));
    }
    target.expect(6);
    for (id, reason) in hooks {
        let tried = delivery(&desk, id, reason, |d| d["tries"].as_array().is_some_and(|tries| !tries.is_empty()));
        match reason {
            "" => assert_eq!((&tried["state"], &tried["status"]), (&"sent".into(), &200.into()), "the status stands when it is in"),
            _ => assert_eq!((&tried["state"], &tried["reason"]), (&"waiting".into(), &reason.into()), "{tried}"),
        }
    }
    assert!(good.hits().is_empty(), "redirects are not followed");
    wait_until("all to be settled", || deliveries(&desk, fine).iter().all(|d| d["state"] == "sent"));
}

#[test]
fn what_the_configuration_does_not_allow_is_not_dialled() {
    let desk = desk();
    let receiver = Receiver::willing();
    let (id, _) = hook(&desk, &receiver.url(), &["ticket.created"]);
    desk.configure(&desk.configuration().replace("allow_networks", "# allow_networks"));
    desk.signal("HUP");
    wait_until("the configuration to be read", || desk.log().contains("the configuration was read again"));
    desk.deliver(&from_ann("Not there", "hello"));
    let tried = delivery(&desk, id, "refused", |d| d["reason"].as_str().is_some_and(|reason| reason.contains("allow_networks")));
    assert_eq!((&tried["state"], receiver.hits().len()), (&"waiting".into(), 0));
    let refused = desk.request("POST", "/api/v1/webhooks", Some(("application/json", br#"{"url":"http://127.0.0.1:1/","events":["*"]}"#)));
    assert_eq!(refused.status, 422);
    assert!(refused.json()["detail"].as_str().is_some_and(|detail| detail.contains("allow_networks")));
    desk.configure(&desk.configuration());
    desk.signal("HUP");
    receiver.expect(1);
}

#[test]
fn a_receiver_that_is_gone_is_disabled_and_the_admin_is_told() {
    let desk = desk();
    let receiver = Receiver::start(|count, _| Answer::Status(if count == 1 { 410 } else { 200 }));
    let (id, _) = hook(&desk, &receiver.url(), &["ticket.created"]);
    desk.deliver(&from_ann("First", "hello"));
    let letter = desk.out().expect(JANE, "a webhook is disabled", |l| l.header("Subject").is_some_and(|s| s.contains("webhook")));
    let text = letter.text();
    for told in [receiver.address.to_string().as_str(), "410 Gone", &format!("ombud webhook enable {id}"), "{\"enabled\":true}"] {
        assert!(text.contains(told), "{told}: {text}");
    }
    assert!(!text.contains("T0K3N"), "the host alone: {text}");
    let path = format!("/api/v1/webhooks/{id}");
    assert_eq!(desk.get(&path)["enabled"], false);
    desk.deliver(&from_ann("Meanwhile", "hello"));
    desk.settle();
    assert_eq!(receiver.hits().len(), 1, "nothing more is sent");
    assert_eq!(call(&desk, "PATCH", &path, &json!({ "enabled": true }))["enabled"], true);
    desk.deliver(&from_ann("After", "hello"));
    let second: Value = serde_json::from_slice(&receiver.expect(2)[1].body).expect("JSON");
    assert_eq!(second["data"]["ticket"]["subject"], "After", "what happened meanwhile is not sent");
}

#[test]
fn the_command_line_makes_tests_and_repeats() {
    let desk = desk();
    let receiver = Receiver::start(|count, _| Answer::Status(if count == 2 { 503 } else { 204 }));
    let made = desk.cli(&["webhook", "add", &receiver.url(), "--events", "ticket.created"]);
    assert_eq!(made.code, 0, "{}", made.err);
    let secret = made.out.trim_end().lines().last().expect("the secret is the last word").to_owned();
    let tested = desk.cli(&["webhook", "test", "1"]);
    assert!(tested.code == 0 && tested.out.contains("status 204"), "{tested:?}");
    assert_eq!(receiver.expect(1)[0].verified(&secret)["type"], "webhook.test");
    let failed = desk.cli(&["webhook", "test", "1"]);
    assert!(failed.code == 69 && failed.err.contains("status 503") && failed.err.lines().count() == 1, "{failed:?}");
    desk.deliver(&from_ann("From the shell", "hello"));
    receiver.expect(3)[2].verified(&secret);
    let sent = delivery(&desk, 1, "sent", |d| d["type"] == "ticket.created" && d["state"] == "sent");
    let again = desk.cli(&["webhook", "redeliver", &sent["id"].to_string()]);
    assert!(again.code == 0 && again.err.is_empty(), "{again:?}");
    assert_eq!(receiver.expect(4)[3].id(), sent["webhook_id"].as_str().expect("an id"));
    assert_eq!(desk.cli(&["webhook", "remove", "1"]).code, 0);
}

#[test]
fn killed_under_load_every_event_is_delivered() {
    const KILLS: u64 = 8;
    // Whom chance kills thrice over the same mail does not call it poison.
    let mut desk = desk_with("[webhooks]\nallow_http = true\nallow_networks = [\"127.0.0.0/8\"]\n[limits]\nattempts = 100\n");
    // Slow enough to be killed with a few in hand.
    let receiver = Receiver::start(|_, _| Answer::Late(200, Duration::from_millis(60)));
    let (id, secret) = hook(&desk, &receiver.url(), &["ticket.created", "message.received"]);
    let mut chance = Chance::of_this_run();
    for kill in 0..KILLS {
        for n in 0..12 {
            assert!(desk.send(&from_ann(&format!("Load {kill} {n}"), "hello")).is_yes());
        }
        chance.pause(500);
        desk.kill();
        desk.serve(&[]);
    }
    wait_until("the inbox to be decided", || desk.list("/api/v1/inbox?state=waiting").is_empty());
    let told = |event: &Value| ["ticket.created", "message.received"].iter().any(|kind| event["type"] == *kind);
    // On PostgreSQL events get their places a moment after their commit.
    let wanted = wait_for("every event to have its place", || {
        let events = desk.list("/api/v1/events?after=0").into_iter().filter(told);
        let mut places: Vec<i64> = events.map(|event| event["seq"].as_i64().expect("a number")).collect();
        places.sort_unstable();
        (places.len() == usize::try_from(KILLS).unwrap() * 12 * 2).then_some(places)
    });
    wait_until("all to be delivered", || {
        let found = deliveries(&desk, id);
        found.len() >= wanted.len() && found.iter().all(|d| d["state"] == "sent")
    });
    let mut bodies: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    let mut seen: Vec<i64> = Vec::new();
    let hits = receiver.hits();
    for hit in &hits {
        seen.push(hit.verified(&secret)["data"]["seq"].as_i64().expect("a number"));
        let first = bodies.entry(hit.id().to_owned()).or_insert_with(|| hit.body.clone());
        assert_eq!(*first, hit.body, "one id, one body");
    }
    seen.sort_unstable();
    seen.dedup();
    println!("{} events in {} requests", wanted.len(), hits.len());
    assert_eq!((seen, bodies.len(), deliveries(&desk, id).len()), (wanted.clone(), wanted.len(), wanted.len()), "each event, once or more");
}
