//! Content filters: a real rspamd and a real ClamAV are asked about every mail, by whichever door it comes.

use std::net::TcpListener;

use ombud_tests::filters::{eicar, gtube};
use ombud_tests::{Clamav, Desk, Draft, Options, Rspamd, Smtp, wait_until};
use serde_json::Value;

use crate::{JANE, SUPPORT, from_ann};

/// A desk with Jane that asks these filters.
fn filtered(sections: &str) -> Desk {
    let more: &'static str = Box::leak(sections.to_owned().into_boxed_str());
    let desk = Desk::prepare(Options { more, ..Options::default() });
    desk.agent(JANE, "Jane Doe", "admin");
    desk.running()
}

fn section(name: &str, address: &str, more: &str) -> String {
    format!("[[filters]]\nname = \"{name}\"\naddress = \"{address}\"\n{more}\n")
}

/// Hands a mail over as a mail server on this machine does.
fn over_lmtp(desk: &Desk, draft: &Draft) {
    let mut lmtp = Smtp::open(desk.ports().lmtp);
    assert_eq!(lmtp.reply().expect("a greeting").code, 220);
    assert_eq!(lmtp.ask("LHLO relay.test").code, 250);
    assert_eq!(lmtp.mail(&draft.sender, &[SUPPORT], &draft.bytes()).expect("a reply").code, 250);
}

/// The row of a mail once it is decided.
fn row(desk: &Desk, draft: &Draft) -> Value {
    desk.fate(&draft.id);
    desk.fates(&draft.id).remove(0)
}

fn page(desk: &Desk, path: &str) -> String {
    String::from_utf8_lossy(&desk.public(path).body).into_owned()
}

fn infected(subject: &str) -> Draft {
    from_ann(subject, "Have a look.").attach("eicar.com", eicar().as_bytes())
}

#[test]
fn rspamd_refuses_on_the_line_and_holds_elsewhere() {
    let Some(rspamd) = Rspamd::start("rspamd_refuses_on_the_line_and_holds_elsewhere") else { return };
    let desk = filtered(&section("rspamd", &rspamd.address(), "hold_on = [\"X-Spam: Yes\"]"));
    let checked = desk.cli(&["check"]);
    assert!(checked.out.lines().any(|l| l.starts_with("ok") && l.contains("filter") && l.contains("rspamd: milter 6")), "{}", checked.out);
    // What is good passes, and whoever asks sees that it was asked.
    let good = from_ann("A question", "How do I do it?");
    assert_eq!(desk.send(&good).code, 250);
    let found = row(&desk, &good);
    assert_eq!((&found["fate"]["kind"], &found["filters"][0]["action"]), (&"ticket".into(), &"accept".into()), "{found}");
    // An outside client is told, and the mail was never here.
    let spam = from_ann("Spam", &gtube('X'));
    let reply = desk.send(&spam);
    assert!(reply.line.starts_with("550 5.7.1 ") && reply.line.to_lowercase().contains("gtube"), "{}", reply.line);
    assert!(desk.fates(&spam.id).is_empty());
    // By another door nobody is left to tell: a person sees it.
    over_lmtp(&desk, &spam);
    let found = row(&desk, &spam);
    assert_eq!((&found["fate"]["kind"], &found["fate"]["reason"]), (&"held".into(), &"filter".into()), "{found}");
    assert_eq!(found["filters"][0]["action"], "reject", "{found}");
    // A tag of the filter holds a mail where the configuration says so.
    let tagged = from_ann("Tagged", &gtube('Y'));
    assert_eq!(desk.send(&tagged).code, 250);
    let found = row(&desk, &tagged);
    assert_eq!((&found["fate"]["reason"], &found["filters"][0]["why"]), (&"filter".into(), &"X-Spam: Yes".into()), "{found}");
    let id = found["id"].to_string();
    let shown = desk.cli(&["inbox", "show", &id]);
    assert!(shown.out.contains("rspamd wants it held (X-Spam: Yes)"), "{}", shown.out);
    // A person's word lets it through, and it is not asked about again.
    let released = desk.cli(&["inbox", "release", &id]);
    assert_eq!(released.code, 0, "{}", released.err);
    wait_until("it is a ticket", || desk.fates(&tagged.id)[0]["fate"]["kind"] == "ticket");
    assert_eq!(desk.fates(&tagged.id)[0]["filters"][0]["why"], "X-Spam: Yes", "what was found stays");
    let metrics = page(&desk, "/metrics");
    for line in [
        r#"ombud_filter_findings_total{filter="rspamd",finding="accept"} 1"#,
        r#"ombud_filter_findings_total{filter="rspamd",finding="reject"} 2"#,
        r#"ombud_filter_findings_total{filter="rspamd",finding="quarantine"} 1"#,
        r#"ombud_filter_failing_seconds{filter="rspamd"} 0.000"#,
    ] {
        assert!(metrics.contains(line), "{line}:\n{metrics}");
    }
}

#[test]
fn clamav_finds_the_virus_and_mail_waits_while_it_is_away() {
    let test = "clamav_finds_the_virus_and_mail_waits_while_it_is_away";
    let folder = tempfile::tempdir().expect("a folder for ClamAV");
    let desk = filtered(&section("clamav", &Clamav::address(folder.path()), "on_error = \"closed\""));
    // Nobody is there yet: an outside client comes again, and what was taken waits.
    let early = from_ann("Early", "Is anybody there?");
    let reply = desk.send(&early);
    assert!(reply.line.starts_with("451 4.7.1 "), "{}", reply.line);
    over_lmtp(&desk, &early);
    let virus = infected("A virus");
    over_lmtp(&desk, &virus);
    let waits = |draft: &Draft| desk.fates(&draft.id).is_empty();
    let listed = || desk.list("/api/v1/inbox?state=waiting");
    wait_until("both have asked", || listed().iter().filter(|row| row["fate"]["reason"] == "waits for the filter clamav").count() == 2);
    assert!(waits(&early) && waits(&virus));
    let status = page(&desk, "/");
    assert!(status.contains("The content filter clamav can") && status.contains("Mail waits for it"), "{status}");
    let checked = desk.cli(&["check"]);
    assert!(checked.out.lines().any(|l| l.starts_with("bad") && l.contains("clamav: cannot connect")), "{}", checked.out);
    let Some(clamav) = Clamav::start(test, folder.path(), "Reject") else { return };
    assert_eq!(row(&desk, &early)["fate"]["kind"], "ticket");
    let found = row(&desk, &virus);
    assert_eq!((&found["fate"]["kind"], &found["fate"]["reason"]), (&"held".into(), &"filter".into()), "{found}");
    assert_eq!((&found["filters"][0]["action"], &found["attempts"]), (&"reject".into(), &1.into()), "waiting is no try: {found}");
    // On the line it is refused, with the name of what was found.
    let reply = desk.send(&infected("Another"));
    assert!(reply.line.starts_with("550 5.7.1 ") && reply.line.contains("Eicar.Local"), "{}", reply.line);
    let good = from_ann("Clean", "Nothing here.");
    assert_eq!(desk.send(&good).code, 250);
    let found = row(&desk, &good);
    assert!(found["filters"][0]["tags"].to_string().contains("X-Virus-Status: Clean"), "{found}");
    assert!(!page(&desk, "/").contains("content filter clamav can"));
    drop(clamav);
}

#[test]
fn a_filter_that_hangs_keeps_no_mail_waiting_for_long() {
    // The system takes connections for it, and nobody ever speaks.
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = silent.local_addr().expect("a port").to_string();
    let desk = filtered(&section("hung", &address, "timeout = \"1s\""));
    let away = |n: u8| page(&desk, "/metrics").contains(&format!("ombud_filter_away{{filter=\"hung\"}} {n}\n"));
    assert!(away(0));
    let mails: Vec<Draft> = (0..3).map(|n| from_ann(&format!("Mail {n}"), "Hello?")).collect();
    for draft in &mails {
        assert_eq!(desk.send(draft).code, 250);
        // It failed on the line, so it is asked once more on its way to a ticket.
        assert_eq!(row(&desk, draft)["filters"][0]["action"], "failed");
    }
    assert!(away(1));
    let late = from_ann("Not kept waiting", "Hello?");
    assert_eq!(desk.send(&late).code, 250);
    let found = row(&desk, &late);
    assert_eq!(found["fate"]["kind"], "ticket", "{found}");
    let why = found["filters"][0]["why"].as_str().unwrap_or_default();
    assert!(why.starts_with("it does not answer since "), "{why}");
    let status = page(&desk, "/");
    assert!(status.contains("The content filter hung does not answer") && status.contains("Mail passes without it"), "{status}");
}

#[test]
fn what_vanishes_elsewhere_is_held_here_and_an_open_filter_stops_nobody() {
    let test = "what_vanishes_elsewhere_is_held_here_and_an_open_filter_stops_nobody";
    let folder = tempfile::tempdir().expect("a folder for ClamAV");
    let away = section("away", "127.0.0.1:1", "");
    let desk = filtered(&(section("clamav", &Clamav::address(folder.path()), "size = \"64 KiB\"") + &away));
    let Some(_clamav) = Clamav::start(test, folder.path(), "Blackhole") else { return };
    let virus = infected("To be thrown away");
    assert_eq!(desk.send(&virus).code, 250);
    let found = row(&desk, &virus);
    assert_eq!((&found["fate"]["reason"], &found["filters"][0]["action"]), (&"filter".into(), &"discard".into()), "{found}");
    let good = from_ann("Clean", "Nothing here.");
    assert_eq!(desk.send(&good).code, 250);
    let found = row(&desk, &good);
    assert_eq!((&found["fate"]["kind"], &found["filters"][1]["action"]), (&"ticket".into(), &"failed".into()), "{found}");
    let large = from_ann("Large", "See the file.").attach("large.bin", &[7; 100_000]);
    assert_eq!(desk.send(&large).code, 250);
    let found = row(&desk, &large);
    assert_eq!((&found["fate"]["kind"], &found["filters"][0]["action"]), (&"ticket".into(), &"untested".into()), "{found}");
}
