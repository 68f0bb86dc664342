use super::*;

fn machine(now: i64) -> Machine {
    Machine { desk: "Acme".into(), hostname: "desk.test".into(), now, started_at: 0, free: None, reasons: Vec::new() }
}

fn oldest(count: i64, since: i64) -> Oldest {
    Oldest { count, since: Some(since) }
}

#[test]
fn a_quiet_desk_is_well() {
    let view = View::new(Some(&Counts::default()), machine(0));
    assert_eq!((view.level(), view.headline().as_str()), (Level::Good, "All is well"));
    assert!(view.incoming.iter().chain(&view.outgoing).all(|line| line.level <= Level::Good));
}

#[test]
fn work_is_fine_until_it_takes_too_long() {
    let at = |age| View::new(Some(&Counts { inbox_waiting: oldest(2, 0), ..Counts::default() }), machine(age));
    assert_eq!((at(59_999).level(), at(60_000).level(), at(300_000).level()), (Level::Good, Level::Look, Level::Bad));
    let issues = at(300_000).issues;
    assert!(issues.iter().any(|i| i.text == "2 mails wait to be understood" && i.since == "for 5 min"), "{issues:?}");
}

#[test]
fn what_is_broken_comes_first_and_says_since_when() {
    let counts = Counts { held: oldest(1, 0), failed: oldest(3, HOUR), outbox_waiting: oldest(1, 0), ..Counts::default() };
    let view = View::new(Some(&counts), machine(4 * HOUR));
    let said: Vec<_> = view.issues.iter().map(|i| format!("{} {}", i.text, i.since)).collect();
    assert_eq!(
        said,
        ["1 mail waits to leave for 4 h", "1 mail is held until a person decides for 4 h", "3 mails could not be delivered first 3 h ago"]
    );
    assert_eq!(view.headline(), "Something is broken");
}

#[test]
fn without_a_database_the_page_says_so() {
    let view = View::new(None, machine(0));
    assert_eq!(view.level(), Level::Bad);
    assert!(view.issues.iter().any(|i| i.text == "The database does not answer"));
}

#[test]
fn of_a_reply_only_its_codes_are_shown() {
    assert_eq!(codes("451 4.7.1 ann@x.test is greylisted").as_deref(), Some("451 4.7.1"));
    assert_eq!(codes("550-5.1.1 <ann@x.test>\r\n550 5.1.1 no").as_deref(), Some("550 5.1.1"));
    assert_eq!(codes("450 ann@x.test: later").as_deref(), Some("450"));
    for none in ["", "ann@x.test", "4511 x", "connection refused", "４５１ x"] {
        assert_eq!(codes(none), None, "{none}");
    }
    assert_eq!(codes("451 ann.b.c").as_deref(), Some("451"));
}

#[test]
fn spans_and_numbers() {
    let spans: Vec<_> = [-5, 999, 59_999, MINUTE, HOUR - 1, HOUR, 2 * DAY - 1, 2 * DAY].map(span).into();
    assert_eq!(spans, ["0 s", "0 s", "59 s", "1 min", "59 min", "1 h", "47 h", "2 days"]);
    assert_eq!([0, 999, 1_000, -1_234_567].map(grouped), ["0", "999", "1,000", "-1,234,567"]);
}
