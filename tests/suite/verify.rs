//! Who wrote it: SPF, DKIM and DMARC against a name server of the test, signed by an implementation that is not ours.

use std::time::{Duration, Instant};

use ombud_tests::{Desk, Dns, Dovecot, Draft, Letter, Options, Reply, Signer, Smtp, wait_until};
use serde_json::Value;

use crate::{ANN, JANE, SUPPORT, answers_to_ann, from_ann, ticket_of_ann};

const BY_JANE: &str = "Jane Doe <jane@agents.test>";

/// A desk that asks this name server, with Jane.
fn asking(dns: &Dns) -> Desk {
    asking_with(dns, Options::default())
}

fn asking_with(dns: &Dns, options: Options) -> Desk {
    let desk = Desk::prepare(Options { require: "aligned", resolver: Some(dns.address()), ..options });
    desk.agent(JANE, "Jane Doe", "admin");
    desk.running()
}

/// Hands in octets with the envelope of a draft.
fn hand_in(desk: &Desk, draft: &Draft, octets: &[u8]) -> Reply {
    let to: Vec<&str> = draft.recipients.iter().map(String::as_str).collect();
    Smtp::greeted(desk.ports().smtp).mail(&draft.sender, &to, octets).expect("a reply")
}

/// The same, which must be taken; its row in the inbox once it is decided.
#[track_caller]
fn row(desk: &Desk, draft: &Draft, octets: &[u8]) -> Value {
    let reply = hand_in(desk, draft, octets);
    assert_eq!(reply.code, 250, "{}", reply.line);
    desk.fate(&draft.id);
    desk.fates(&draft.id).remove(0)
}

#[track_caller]
fn assert_fate(row: &Value, kind: &str, reason: &str) {
    assert_eq!((&row["fate"]["kind"], &row["fate"]["reason"]), (&kind.into(), &reason.into()), "{row}");
}

fn by_jane(notice: &Letter, text: &str) -> Draft {
    Draft::plain_answer(BY_JANE, notice, text)
}

#[test]
fn a_signed_agent_acts_at_once() {
    let dns = Dns::start();
    let desk = asking(&dns);
    let (number, notice) = ticket_of_ann(&desk, "Signed");
    let signer = Signer::of("agents.test", &dns);
    let mail = by_jane(&notice, "It is fixed, Ann.");
    let row = row(&desk, &mail, &signer.sign(&mail.bytes()));
    assert_fate(&row, "message", "answer");
    let said = &row["authentication"];
    assert_eq!((&said["dkim"], &said["aligned"], &said["by"]), (&"pass".into(), &true.into(), &"dkim".into()), "{row}");
    desk.out().expect(ANN, "the answer", |l| l.text().contains("It is fixed, Ann."));
    let message = desk.messages(&number).into_iter().find(|m| m["kind"] == "agent").expect("her answer");
    assert_eq!(message["authentication"]["identity"], "agents.test", "{message}");
    let shown = desk.cli(&["inbox", "show", &row["id"].to_string()]);
    assert!(shown.out.contains("proven by a DKIM signature of agents.test"), "{}", shown.out);
    assert_eq!((&row["decision"]["rule"], &row["decision"]["outcome"]), (&13.into(), &"act".into()), "{row}");
    assert!(shown.out.contains("Rule 13: an agent acts") && shown.out.contains("So it acts as that agent."), "{}", shown.out);
}

#[test]
fn a_forged_agent_does_nothing() {
    let dns = Dns::start();
    let desk = asking(&dns);
    let (number, notice) = ticket_of_ann(&desk, "Forged");
    let eve = Signer::of("evil.test", &dns);
    let genuine = Signer::of("agents.test", &dns);
    let confirmed = |octets: &dyn Fn(&Draft) -> Vec<u8>, why: &str| {
        let mail = by_jane(&notice, why);
        let row = row(&desk, &mail, &octets(&mail));
        assert_fate(&row, "held", "confirm");
        assert_eq!(row["authentication"]["aligned"], false, "{why}: {row}");
    };
    confirmed(&|m| m.bytes(), "nothing is signed");
    confirmed(&|m| eve.sign(&m.bytes()), "somebody else has signed");
    let with = |change: &dyn Fn(&mut Signer)| {
        let mut signer = Signer::of("agents.test", &dns);
        change(&mut signer);
        signer
    };
    let signer = with(&|s| s.length = true);
    confirmed(&|m| [signer.sign(&m.bytes()), b"and more\r\n".to_vec()].concat(), "l= leaves room for more");
    let signer = with(&|s| (s.ago, s.life) = (7_200, 3_600));
    confirmed(&|m| signer.sign(&m.bytes()), "it has expired");
    let signer = with(&|s| s.algorithm = "rsa-sha1");
    confirmed(&|m| signer.sign(&m.bytes()), "rsa-sha1 proves nothing");
    // The key in the zone is the last one's; what it has signed was changed afterwards.
    let signer = with(&|s| s.life = 3_600);
    confirmed(
        &|m| String::from_utf8_lossy(&signer.sign(&m.bytes())).replace("signed before", "changed after").into_bytes(),
        "signed before",
    );
    drop(genuine);
    // A signature of a name below the domain does not speak for the domain.
    let below = Signer::of("users.agents.test", &dns);
    confirmed(&|m| below.sign(&m.bytes()), "a name below has signed");
    desk.settle();
    assert!(answers_to_ann(&desk).is_empty());
    assert!(desk.messages(&number).iter().all(|m| m["kind"] != "agent"));
}

#[test]
fn an_expiry_that_has_not_come_proves() {
    let dns = Dns::start();
    let desk = asking(&dns);
    let (_, notice) = ticket_of_ann(&desk, "Expiry");
    let mut signer = Signer::of("agents.test", &dns);
    (signer.ago, signer.life) = (600, 3_600);
    // From listed twice in h= keeps anybody from adding another one.
    signer.fields = "From:From:To:Subject";
    let mail = by_jane(&notice, "Still good.");
    assert_fate(&row(&desk, &mail, &signer.sign(&mail.bytes())), "message", "answer");
}

#[test]
fn two_readers_never_see_two_authors() {
    let dns = Dns::start();
    let desk = asking(&dns);
    let (number, notice) = ticket_of_ann(&desk, "Two");
    let eve = Signer::of("evil.test", &dns);
    let signed_by_eve = |from: &str| {
        let mut mail = Draft::plain_answer(from, &notice, "I am Jane.");
        mail.sender = "eve@evil.test".into();
        let octets = eve.sign(&mail.bytes());
        (mail, octets)
    };
    // Two fields, in any order and spelling (espoofer A8-A10).
    for added in
        ["From: jane@agents.test\r\n", "from : jane@agents.test\r\n", "From\t: jane@agents.test\r\n", "FROM:\r\n jane@agents.test\r\n"]
    {
        let (mail, octets) = signed_by_eve("eve@evil.test");
        for both in [[added.as_bytes(), &octets].concat(), insert_before_body(&octets, added)] {
            let reply = hand_in(&desk, &mail, &both);
            assert!(reply.line.starts_with("550 5.7.1"), "{added:?}: {}", reply.line);
        }
    }
    // One field that two parsers could read as two addresses (A11-A14).
    for from in [
        "jane@agents.test, eve@evil.test",
        "<jane@agents.test>, <eve@evil.test>",
        "Team: jane@agents.test;",
        "\"jane@agents.test\" <eve@evil.test>, jane@agents.test",
        "<@evil.test:jane@agents.test>",
        "<@agents.test,@evil.test:jane@agents.test>",
        "jane@agents.test(<eve@evil.test>)",
        "=?utf-8?q?jane=40agents=2Etest?=",
        "\"jane@agents.test\\0\"@evil.test",
    ] {
        let (mail, octets) = signed_by_eve(from);
        let reply = hand_in(&desk, &mail, &octets);
        if reply.code == 250 {
            desk.fate(&mail.id);
            let row = desk.fates(&mail.id).remove(0);
            let said = &row["authentication"];
            assert!(row["from"] != "jane@agents.test" || said["aligned"] == false, "{from}: {row}");
        }
    }
    desk.settle();
    assert!(answers_to_ann(&desk).is_empty());
    assert!(desk.messages(&number).iter().all(|m| m["kind"] != "agent" && m["kind"] != "note"));
    // Source routes and quoted tricks in MAIL FROM.
    for sender in ["@agents.test:eve@evil.test", "(jane@agents.test", "jane@agents.test(a.evil.test", "@agents.test,@any:eve@evil.test"] {
        let mut smtp = Smtp::greeted(desk.ports().smtp);
        assert_eq!(smtp.ask(&format!("MAIL FROM:<{sender}>")).code / 100, 5, "{sender}");
    }
}

fn insert_before_body(octets: &[u8], field: &str) -> Vec<u8> {
    let at = octets.windows(4).position(|w| w == b"\r\n\r\n").expect("a header") + 2;
    [&octets[..at], field.as_bytes(), &octets[at..]].concat()
}

#[test]
fn spf_alone_proves_an_agent_who_may() {
    let dns = Dns::start();
    dns.text("agents.test", "v=spf1 ip4:127.0.0.1 -all");
    let desk = Desk::prepare(Options { require: "aligned", resolver: Some(dns.address()), ..Options::default() });
    desk.agent(JANE, "Jane Doe", "admin");
    let added = desk.cli(&["agent", "add", "sam@agents.test", "--name", "Sam Poe", "--allow-spf"]);
    assert_eq!(added.code, 0, "{}{}", added.out, added.err);
    let desk = desk.running();
    let (_, notice) = ticket_of_ann(&desk, "SPF");
    let to_sam = desk.out().expect("sam@agents.test", "his notification", |l| l.header("Subject").is_some_and(|s| s.ends_with("SPF")));
    let mail = by_jane(&notice, "By SPF.");
    let held = row(&desk, &mail, &mail.bytes());
    assert_fate(&held, "held", "confirm");
    assert_eq!((&held["authentication"]["spf"], &held["authentication"]["by"]), (&"pass".into(), &"spf".into()), "{held}");
    let mail = Draft::plain_answer("Sam Poe <sam@agents.test>", &to_sam, "By SPF, and that is enough.");
    assert_fate(&row(&desk, &mail, &mail.bytes()), "message", "answer");
    // Another envelope sender of an aligned name counts, one of a stranger's does not.
    dns.text("evil.test", "v=spf1 +all");
    let mut mail = by_jane(&notice, "By somebody else's SPF.");
    mail.sender = "eve@evil.test".into();
    let held = row(&desk, &mail, &mail.bytes());
    assert_fate(&held, "held", "confirm");
    assert_eq!((&held["authentication"]["spf"], &held["authentication"]["aligned"]), (&"pass".into(), &false.into()), "{held}");
}

#[test]
fn too_many_spf_terms_are_an_error() {
    let dns = Dns::start();
    let includes: String = (0..11).map(|n| format!(" include:i{n}.spf.test")).collect();
    dns.text("customer.test", &format!("v=spf1{includes} +all"));
    for n in 0..11 {
        dns.text(&format!("i{n}.spf.test"), "v=spf1 ip4:192.0.2.1 -all");
    }
    dns.text("void.test", "v=spf1 a:x.void.test a:y.void.test a:z.void.test ip4:127.0.0.1 -all");
    let desk = asking(&dns);
    let mail = from_ann("Terms", "eleven of them");
    assert_eq!(row(&desk, &mail, &mail.bytes())["authentication"]["spf"], "permerror");
    let mail = Draft::new("vera@void.test", SUPPORT, "Void", "three names that are not there");
    assert_eq!(row(&desk, &mail, &mail.bytes())["authentication"]["spf"], "permerror");
}

#[test]
fn a_domain_that_asks_for_it_is_refused_on_the_line_and_held_elsewhere() {
    let dns = Dns::start();
    let desk = asking(&dns);
    let (_, notice) = ticket_of_ann(&desk, "Policies");
    dns.text("_dmarc.customer.test", "v=DMARC1; p=reject");
    let mail = from_ann("Rejected", "not from Ann");
    let reply = hand_in(&desk, &mail, &mail.bytes());
    assert!(reply.line.starts_with("550 5.7.1"), "{}", reply.line);
    assert!(desk.fates(&mail.id).is_empty());
    // Over LMTP nobody knows the client: nothing fails, and nothing is proven.
    let mail = from_ann("Over LMTP", "handed over by a relay");
    let row = over_lmtp(&desk, &mail, &mail.bytes());
    assert_eq!(row["fate"]["kind"], "ticket", "{row}");
    assert_eq!((&row["authentication"]["dmarc"], &row["authentication"]["aligned"]), (&"none".into(), &false.into()), "{row}");
    // Signed, it passes.
    let signer = Signer::of("customer.test", &dns);
    let mail = from_ann("Signed by her provider", "it is me");
    let row = self::row(&desk, &mail, &signer.sign(&mail.bytes()));
    assert_eq!((&row["fate"]["kind"], &row["authentication"]["dmarc"]), (&"ticket".into(), &"pass".into()), "{row}");
    // Quarantine: held at a plain address, refused at an agent's.
    dns.text("_dmarc.agents.test", "v=DMARC1; p=quarantine");
    let mail = Draft::new("Pat <pat@agents.test>", SUPPORT, "Quarantined", "not from there");
    let row = self::row(&desk, &mail, &mail.bytes());
    assert_fate(&row, "held", "author");
    assert!(row["fate"]["detail"].as_str().is_some_and(|d| d.contains("DMARC")), "{row}");
    let mail = by_jane(&notice, "not from Jane");
    let reply = hand_in(&desk, &mail, &mail.bytes());
    assert!(reply.line.starts_with("550 5.7.1"), "{}", reply.line);
    // A domain that asks for nothing: a customer is heard, unverified.
    dns.text("_dmarc.elsewhere.test", "v=DMARC1; p=none");
    let mail = Draft::new("Ed <ed@elsewhere.test>", SUPPORT, "Nothing asked", "hello");
    let row = self::row(&desk, &mail, &mail.bytes());
    assert_eq!((&row["fate"]["kind"], &row["authentication"]["dmarc"]), (&"ticket".into(), &"fail".into()), "{row}");
    assert!(desk.messages(&row["fate"]["ticket"])[0]["flags"].to_string().contains("unverified"));
}

fn over_lmtp(desk: &Desk, draft: &Draft, octets: &[u8]) -> Value {
    let mut lmtp = Smtp::open(desk.ports().lmtp);
    assert_eq!(lmtp.reply().expect("a greeting").code, 220);
    assert_eq!(lmtp.ask("LHLO relay.test").code, 250);
    let to: Vec<&str> = draft.recipients.iter().map(String::as_str).collect();
    assert_eq!(lmtp.mail(&draft.sender, &to, octets).expect("a reply").code, 250);
    desk.fate(&draft.id);
    desk.fates(&draft.id).remove(0)
}

#[test]
fn records_tell_which_domains_belong_together() {
    let dns = Dns::start();
    dns.text("_dmarc.customer.test", "v=DMARC1; p=reject");
    let desk = asking(&dns);
    let signer = Signer::of("mail.customer.test", &dns);
    let mail = Draft::new("news@web.customer.test", SUPPORT, "A sibling signed", "hello");
    let row = row(&desk, &mail, &signer.sign(&mail.bytes()));
    assert_eq!((&row["authentication"]["dmarc"], &row["authentication"]["by"]), (&"pass".into(), &"dkim".into()), "{row}");
}

#[test]
fn trouble_with_the_dns_refuses_nobody() {
    let dns = Dns::start();
    let desk = asking(&dns);
    let (_, notice) = ticket_of_ann(&desk, "Trouble");
    dns.text("_dmarc.agents.test", "v=DMARC1; p=reject").broken("agents.test");
    let mail = by_jane(&notice, "The DNS is down.");
    let row = row(&desk, &mail, &mail.bytes());
    assert_fate(&row, "held", "confirm");
    assert_eq!(row["authentication"]["dmarc"], "temperror", "{row}");
    let checked = desk.cli(&["check"]);
    assert!(checked.out.lines().any(|l| l.starts_with("ok") && l.contains("resolver")), "{}", checked.out);
}

#[test]
fn a_flood_of_signatures_costs_few_questions() {
    let dns = Dns::start();
    let desk = asking(&dns);
    dns.silent("keys.test");
    let mail = Draft::new("many@keys.test", SUPPORT, "Many signatures", "200 of them");
    let fields: String = (0..200)
        .map(|n| format!("DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=d{n}.keys.test; s=s; h=From; bh=YWJj; b=YWJj\r\n"))
        .collect();
    let begun = Instant::now();
    let reply = hand_in(&desk, &mail, &[fields.as_bytes(), &mail.bytes()].concat());
    assert_eq!(reply.code, 250, "{}", reply.line);
    assert!(begun.elapsed() < Duration::from_secs(25), "{:?}", begun.elapsed());
    desk.fate(&mail.id);
    let asked: Vec<String> = dns.asked_below("keys.test").into_iter().filter(|name| name.contains("_domainkey")).collect();
    assert!(asked.len() <= 5, "{asked:?}");
}

const TRUSTED: &str = "[[authentication.trusted_relays]]\nnet = \"127.0.0.1\"\ntrust = \"mx.corp.test\"\nsubmission = true\n";

#[test]
fn a_trusted_relay_is_believed_and_only_its_topmost_word() {
    let dns = Dns::start();
    let desk = asking_with(&dns, Options { more: TRUSTED, ..Options::default() });
    let (_, notice) = ticket_of_ann(&desk, "Relay");
    let below = |fields: &str, text: &str| {
        let mail = by_jane(&notice, text);
        let octets = [fields.as_bytes(), &mail.bytes()].concat();
        row(&desk, &mail, &octets)
    };
    let pass = "dkim=pass header.d=agents.test;\r\n\tdmarc=pass (p=NONE) header.from=agents.test\r\n";
    for (fields, why) in [
        (format!("Authentication-Results: mx.corp.test.evil.test; {pass}"), "another name"),
        (format!("Authentication-Results: mx.corp.test; none\r\nAuthentication-Results: mx.corp.test; {pass}"), "not the topmost"),
        (format!("Authentication-Results: mx.corp.test; {}{pass}", format!("(x{})\r\n\t", "y".repeat(900)).repeat(10)), "too long"),
        ("Authentication-Results: mx.corp.test; dmarc=pass header.from=evil.test\r\n".to_owned(), "about somebody else"),
        ("Authentication-Results: mx.corp.test; spf=fail (dmarc=pass header.from=agents.test)\r\n".to_owned(), "in a comment"),
        ("ARC-Authentication-Results: i=1; mx.corp.test; dmarc=pass header.from=agents.test\r\n".to_owned(), "ARC"),
    ] {
        assert_fate(&below(&fields, why), "held", "confirm");
    }
    let row = below(&format!("Authentication-Results: mx.corp.test; {pass}"), "The relay has looked.");
    assert_fate(&row, "message", "answer");
    assert_eq!(row["authentication"]["by"], "results", "{row}");
    let denied = below("Authentication-Results: mx.corp.test; dmarc=fail header.from=agents.test\r\n", "The relay says no.");
    assert_fate(&denied, "held", "author");
    // An admin who lets it through has not written it: Jane is asked.
    assert_eq!(desk.request("POST", &format!("/api/v1/inbox/{}/release", denied["id"]), None).status, 200);
    wait_until("it to be held for Jane's word", || {
        desk.list("/api/v1/inbox?state=held").iter().any(|row| row["id"] == denied["id"] && row["fate"]["reason"] == "confirm")
    });
    let log_in = "Received: from [192.0.2.7] (unknown [192.0.2.7])\r\n\t(Authenticated sender: jane@agents.test)\r\n\tby mx.corp.test \
                  (Postfix) with ESMTPSA id 4XYZ\r\n\tfor <support@desk.test>; Sat, 21 Nov 2026 10:00:00 +0000 (UTC)\r\n";
    let row = below(log_in, "I have logged in.");
    assert_fate(&row, "message", "answer");
    assert_eq!(row["authentication"]["by"], "submission", "{row}");
    let other = log_in.replace("sender: jane", "sender: bob");
    assert_fate(&below(&other, "Bob has logged in."), "held", "confirm");
}

#[test]
fn nobodys_word_is_believed_unasked() {
    let dns = Dns::start();
    let desk = asking(&dns);
    let (_, notice) = ticket_of_ann(&desk, "Unasked");
    let mail = by_jane(&notice, "Believe me.");
    let fields = "Authentication-Results: desk.test; dmarc=pass header.from=agents.test; dkim=pass header.d=agents.test\r\n";
    let row = row(&desk, &mail, &[fields.as_bytes(), &mail.bytes()].concat());
    assert_fate(&row, "held", "confirm");
}

#[test]
fn a_providers_word_counts_for_what_is_fetched_from_it() {
    let dns = Dns::start();
    let dovecot = Dovecot::start();
    let desk = Desk::prepare(Options { require: "aligned", resolver: Some(dns.address()), ..Options::default() });
    desk.agent(JANE, "Jane Doe", "admin");
    desk.configure(&format!("{}{}trust = \"google\"\n", desk.configuration(), dovecot.section()));
    let desk = desk.running();
    wait_until("fetching to begin", || desk.log().contains("fetching begins"));
    let fetched = |draft: &Draft, fields: &str| {
        dovecot.deliver(&[fields.as_bytes(), &draft.bytes()].concat(), None);
        desk.fate(&draft.id);
        desk.fates(&draft.id).remove(0)
    };
    let google = "Authentication-Results: mx.google.com;\r\n dkim=pass header.i=@customer.test header.s=s1 header.b=ab/c;\r\n spf=pass \
                  (google.com: domain of ann@customer.test designates 192.0.2.1) smtp.mailfrom=ann@customer.test;\r\n dmarc=pass \
                  (p=REJECT sp=REJECT dis=NONE) header.from=customer.test\r\n";
    let row = fetched(&from_ann("Verified", "Google has looked."), google);
    assert_eq!((&row["authentication"]["by"], &row["authentication"]["spf"]), (&"results".into(), &"pass".into()), "{row}");
    let row = fetched(&from_ann("Forged", "Somebody claims so."), &google.replace("mx.google.com", "mx.evil.test"));
    assert_eq!((&row["fate"]["kind"], &row["authentication"]["aligned"]), (&"ticket".into(), &false.into()), "{row}");
    let row = fetched(&from_ann("Denied", "Google says no."), &google.replace("pass", "fail").replace("dkim=fail", "dkim=neutral"));
    assert_eq!((&row["authentication"]["dmarc"], &row["authentication"]["aligned"]), (&"fail".into(), &false.into()), "{row}");
}

#[test]
fn one_slow_domain_keeps_nobody_else_waiting() {
    let dns = Dns::start();
    let desk = asking(&dns);
    dns.silent("slow.test");
    let begun = Instant::now();
    let mut lmtp = Smtp::open(desk.ports().lmtp);
    assert_eq!(lmtp.reply().expect("a greeting").code, 220);
    assert_eq!(lmtp.ask("LHLO relay.test").code, 250);
    let slow: Vec<Draft> = (0..20).map(|n| Draft::new(&format!("s{n}@d{n}.slow.test"), SUPPORT, "Slow", "hello")).collect();
    for mail in &slow {
        assert_eq!(lmtp.mail(&mail.sender, &[SUPPORT], &mail.bytes()).expect("a reply").code, 250);
    }
    let quick = from_ann("Quick", "hello");
    assert_eq!(lmtp.mail(&quick.sender, &[SUPPORT], &quick.bytes()).expect("a reply").code, 250);
    assert_eq!(desk.fate(&quick.id)["kind"], "ticket");
    let waiting = desk.list("/api/v1/inbox?state=waiting").len();
    assert!(waiting > 0, "the slow ones were decided first, {:?} after the first", begun.elapsed());
    for mail in &slow {
        assert_eq!(desk.fate(&mail.id)["kind"], "ticket", "they are decided all the same");
    }
}
