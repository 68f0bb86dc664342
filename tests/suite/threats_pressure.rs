//! Too many clients, too slow clients, no file descriptors left (A6 and A7 of the threat catalogue): whoever behaves is
//! served meanwhile, and nothing has to be started again afterwards.

use std::fs;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use ombud_tests::{Desk, Options, Smtp, wait_for, wait_until};

use crate::threats_smtp::{STRANGER, balanced};
use crate::{ANN, SUPPORT, from_ann};

/// Ticks of the processor that the daemon has used (proc(5)); a hundred are a second.
fn ticks(desk: &Desk) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{}/stat", desk.pid())).expect("its state");
    let fields: Vec<&str> = stat.rsplit(") ").next().expect("fields").split(' ').collect();
    fields[11..13].iter().map(|field| field.parse::<u64>().expect("a number")).sum()
}

/// How much of one processor it uses, in percent.
fn load(desk: &Desk) -> u64 {
    const SPAN: Duration = Duration::from_secs(2);
    let before = ticks(desk);
    thread::sleep(SPAN);
    (ticks(desk) - before) * 100 / (SPAN.as_secs() * 100)
}

fn files(desk: &Desk) -> usize {
    fs::read_dir(format!("/proc/{}/fd", desk.pid())).expect("its files").count()
}

/// A client that is in the middle of a mail.
fn in_data(desk: &Desk) -> Smtp {
    let mut smtp = Smtp::greeted(desk.ports().smtp);
    for (line, code) in [(format!("MAIL FROM:<{ANN}>"), 250), (format!("RCPT TO:<{SUPPORT}>"), 250), ("DATA".to_owned(), 354)] {
        assert_eq!(smtp.ask(&line).code, code);
    }
    smtp
}

#[test]
fn a6_who_drips_is_cut_and_hinders_nobody() {
    let limits = "[limits]\ncommand_timeout = \"3s\"\nstress_timeout = \"3s\"\ndata_grace = \"3s\"\ndata_rate = 500\n";
    let desk = Desk::start(Options { more: limits, ..Options::default() });
    let mut slow: Vec<Smtp> = (0..300).map(|n| if n % 2 == 0 { in_data(&desk) } else { Smtp::greeted(desk.ports().smtp) }).collect();
    let (mut times, start) = (Vec::new(), Instant::now());
    // Octet by octet, each in time for a reader that is glad of any; two more seconds than they have.
    while start.elapsed() < Duration::from_secs(5) {
        slow.iter_mut().for_each(|smtp| smtp.send(b"N"));
        let asked = Instant::now();
        assert_eq!(desk.send(&from_ann("Meanwhile", "a usual mail")).code, 250);
        times.push(asked.elapsed());
        thread::sleep(Duration::from_millis(100));
    }
    times.sort();
    let (median, worst) = (times[times.len() / 2], times[times.len() - 1]);
    assert!(median < Duration::from_secs(1) && worst < Duration::from_secs(5), "{} mails, {median:?}, {worst:?}", times.len());
    for smtp in &mut slow {
        let said = smtp.until_closed();
        assert!(said.starts_with("421 4.4.2 "), "{said:?}");
    }
    assert!(start.elapsed() < Duration::from_secs(20), "half a minute is what they have by default: {:?}", start.elapsed());
    assert!(desk.list("/api/v1/inbox").len() == times.len(), "half a mail is no mail");
}

#[test]
fn a6_a_session_and_a_mail_have_their_time() {
    let limits = "[limits]\nsession_time = \"1s\"\ndata_timeout = \"3s\"\ndata_rate = 0\n";
    let desk = Desk::start(Options { more: limits, ..Options::default() });
    // Three times as long for a client of this machine; a mail that has begun may be finished.
    let (mut mail, mut session) = (in_data(&desk), Smtp::greeted(desk.ports().smtp));
    let start = Instant::now();
    let last = wait_for("the end of the session", || Some(session.ask("NOOP")).filter(|reply| reply.code != 250));
    assert_eq!(last.line, "421 4.4.2 Session too long, closing; come again");
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    assert_eq!(mail.until_closed(), "421 4.4.2 Message comes too slowly, closing\r\n");
}

#[test]
fn a7_at_most_half_of_the_files_are_sessions() {
    let mut desk = Desk::prepare(Options::default());
    desk.serve_within(256);
    let mut flood: Vec<Smtp> = (0..400).map(|_| Smtp::open(desk.ports().smtp)).collect();
    let greeted = flood.iter_mut().map(|smtp| smtp.reply().expect("a word")).filter(|reply| reply.code == 220).count();
    assert_eq!(greeted, 128);
    let load = load(&desk);
    assert!(load < 20, "{load} % of a processor for idle clients");
    assert_eq!(desk.public("/healthz").status, 200);
    let refused = Smtp::open(desk.ports().smtp).reply().expect("a word");
    assert_eq!(refused.line, "421 4.7.0 Too many connections here, try again later");
    drop(flood);
    wait_until("a place", || Smtp::open(desk.ports().smtp).reply().is_some_and(|reply| reply.code == 220));
    assert_eq!(desk.deliver(&from_ann("After the flood", "there is room"))["kind"], "ticket");
}

#[test]
fn a7_without_descriptors_it_waits_quietly_and_comes_back() {
    let desk = Desk::start(Options::default());
    let few = files(&desk) + 12;
    let limited = Command::new("prlimit").args([format!("--pid={}", desk.pid()), format!("--nofile={few}:")]).status();
    assert!(limited.is_ok_and(|status| status.success()), "prlimit");
    let flood: Vec<Smtp> = (0..60).map(|_| Smtp::open(desk.ports().smtp)).collect();
    wait_until("the last descriptor to be gone", || desk.log().contains("cannot take a connection"));
    let load = load(&desk);
    assert!(load < 20, "{load} % of a processor for nothing");
    let tries = desk.log().matches("cannot take a connection").count();
    assert!(tries < 12, "it tried {tries} times");
    drop(flood);
    wait_until("mail to be taken again", || {
        let mail = from_ann("After the drought", "are you there?");
        let reply = Smtp::try_open(desk.ports().smtp).and_then(|mut smtp| {
            smtp.reply().filter(|reply| reply.code == 220)?;
            smtp.send(b"EHLO client.test\r\n");
            smtp.reply().filter(|reply| reply.code == 250)?;
            smtp.mail(&mail.sender, &[SUPPORT], &mail.bytes())
        });
        reply.is_some_and(|reply| reply.is_yes())
    });
    wait_until("the page", || String::from_utf8_lossy(&desk.public("/metrics").body).contains("ombud_receive_accept_errors_total"));
}

#[test]
fn a7_when_places_are_short_idlers_make_room() {
    let limits = "[limits]\nconnections = 8\nstress_timeout = \"1s\"\n";
    let desk = Desk::start(Options { more: limits, ..Options::default() });
    let start = Instant::now();
    let mut quiet: Vec<Smtp> = (0..6).map(|_| Smtp::greeted(desk.ports().smtp)).collect();
    // Two rounds of looking at them: with three quarters in use nobody is in the way.
    thread::sleep(Duration::from_millis(2_200));
    assert!(quiet.iter_mut().all(|smtp| smtp.ask("NOOP").code == 250), "after {:?}", start.elapsed());
    let mut idle: Vec<Smtp> = (0..2).map(|_| Smtp::greeted(desk.ports().smtp)).collect();
    let full = Smtp::open(desk.ports().smtp).reply().expect("a word");
    assert_eq!(full.line, "421 4.7.0 Too many connections here, try again later");
    wait_until("a place", || Smtp::open(desk.ports().smtp).reply().is_some_and(|reply| reply.code == 220));
    assert!(start.elapsed() < Duration::from_secs(30), "well before the minute that they have");
    let cut = quiet.iter_mut().chain(&mut idle).filter_map(|smtp| {
        smtp.send(b"NOOP\r\n");
        smtp.line()
    });
    assert!(cut.filter(|line| line == "421 4.4.2 Timeout, closing").count() >= 1);
}

#[test]
fn a7_when_places_are_short_nobody_waits_in_the_tarpit() {
    let desk = balanced("connections = 4\nsoft_errors = 2");
    let place = |client: &str| Smtp::greeted_as(desk.ports().smtp, client);
    let mut clumsy = place(STRANGER);
    assert_eq!(clumsy.ask("WHAT").code, 500);
    let _others = ["192.0.2.1", "192.0.2.2", "192.0.2.3"].map(place);
    assert_eq!(clumsy.ask("WHAT").line, "421 4.7.0 Too many errors, closing");
    assert_eq!(clumsy.until_closed(), "");
}
