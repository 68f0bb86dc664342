use super::*;
use proptest::prelude::*;

fn from(line: &str) -> Result<Mail, u16> {
    match parse(line.as_bytes(), false) {
        Ok(Command::Mail(mail)) => Ok(mail),
        Ok(other) => panic!("{line}: {other:?}"),
        Err(reply) => Err(reply.code),
    }
}

fn to(line: &str, utf8: bool) -> Result<String, (u16, &'static str)> {
    match parse(line.as_bytes(), utf8) {
        Ok(Command::Rcpt(to)) => Ok(to),
        Ok(other) => panic!("{line}: {other:?}"),
        Err(reply) => Err((reply.code, reply.enhanced)),
    }
}

#[test]
fn verbs_are_read_in_any_case_and_with_trailing_space() {
    for (line, command) in [
        ("EHLO a.example", Command::Ehlo("a.example".into())),
        ("ehlo [192.0.2.1] ", Command::Ehlo("[192.0.2.1]".into())),
        ("HeLo my_pc", Command::Helo("my_pc".into())),
        ("LHLO x", Command::Lhlo("x".into())),
        ("DATA", Command::Data),
        ("data \t ", Command::Data),
        ("QUIT\t", Command::Quit),
        ("NOOP whatever", Command::Noop),
        ("VRFY ann", Command::Vrfy),
        ("STARTTLS", Command::StartTls),
        ("BDAT 10 LAST", Command::Bdat),
        ("GET / HTTP/1.1", Command::Foreign),
        ("post /", Command::Foreign),
        ("\u{16}\u{3}\u{1}", Command::Foreign),
        (" EHLO x", Command::Foreign),
    ] {
        assert_eq!(parse(line.as_bytes(), false), Ok(command), "{line}");
    }
    for (line, code) in [
        ("", 500),
        ("HELLO x", 500),
        ("EHLO", 501),
        ("EHLO a b", 501),
        ("EHLO é", 501),
        ("DATA now", 501),
        ("RSET x", 501),
        ("QUIT x", 501),
    ] {
        assert_eq!(parse(line.as_bytes(), false).map_err(|reply| reply.code), Err(code), "{line}");
    }
    assert_eq!(parse(b"\xffHLO x", false), Ok(Command::Foreign));
    assert_eq!(parse(b"VRFY\xff", false), Err(NO_COMMAND));
}

#[test]
fn reverse_paths() {
    for (line, address) in [
        ("MAIL FROM:<ann@example.com>", "ann@example.com"),
        ("mail from: <ann@example.com>", "ann@example.com"),
        ("MAIL FROM:<>", ""),
        ("MAIL FROM:<a+b=c@x-y.example> BODY=8bitmime", "a+b=c@x-y.example"),
        (r#"MAIL FROM:<"a>b\"@ c"@example.com>"#, r#""a>b\"@ c"@example.com"#),
        ("MAIL FROM:<ann@[192.0.2.1]>", "ann@[192.0.2.1]"),
        ("MAIL FROM:<ann@[IPv6:2001:db8::1]>", "ann@[IPv6:2001:db8::1]"),
    ] {
        assert_eq!(from(line), Ok(Mail { from: address.into(), ..Mail::default() }), "{line}");
    }
}

#[test]
fn what_could_be_read_as_two_addresses_is_refused() {
    for path in [
        "",
        "ann@example.com",
        "<ann@example.com",
        "<ann@example.com>x",
        "<ann>",
        "<@example.com>",
        "<ann@>",
        "< >",
        "<<a@b.example>>",
        "<@a.example:ann@b.example>",
        "<@a.example,@any:'ann@b.example>",
        "<(any@b.example>",
        "<ann@b.example(a.example>",
        "<ann@b.example,eve@c.example>",
        "<ann@@b.example>",
        "<a..b@c.example>",
        "<.a@c.example>",
        "<ann@b..example>",
        "<ann@b.example.>",
        "<ann@-b.example>",
        "<ann b@c.example>",
        "<ann@[300.0.0.1]>",
        "<ann@[x]>",
        "<\"a\"b\"@c.example>",
        "<\"a\\\"@c.example>",
        "<ann@b.example\0>",
        "<ann@b.example\t>",
        "<jörg@b.example>",
        "<ann@bücher.example>",
    ] {
        assert_eq!(from(&format!("MAIL FROM:{path}")), Err(501), "{path}");
        assert_eq!(to(&format!("RCPT TO:{path}"), false).map_err(|error| error.0), Err(501), "{path}");
    }
    assert_eq!(to("RCPT TO:<>", false), Err((501, "5.1.3")));
    let route = parse(b"RCPT TO:<@a.example:ann@b.example>", false).map_err(|reply| reply.text.into_owned());
    assert_eq!(route, Err("Source routes are not supported, write the address alone".into()));
}

#[test]
fn limits_of_a_path() {
    let path = |local: usize, labels: usize| format!("MAIL FROM:<{}@{}example>", "a".repeat(local), "1234567.".repeat(labels));
    assert!(from(&path(64, 22)).is_ok());
    assert_eq!(from(&path(65, 1)), Err(501));
    assert_eq!(from(&path(64, 23)), Err(501));
    assert_eq!(from(&format!("MAIL FROM:<a@{}.example>", "x".repeat(64))), Err(501));
}

#[test]
fn parameters_of_mail() {
    let size = |line: &str| from(line).map(|mail| mail.size);
    assert_eq!(size("MAIL FROM:<> SIZE=1000 BODY=7BIT"), Ok(Some(1000)));
    assert_eq!(size("MAIL FROM:<> size=99999999999999999999"), Ok(Some(u64::MAX)));
    for bad in [
        "SIZE=",
        "SIZE=-1",
        "SIZE=1k",
        "SIZE",
        "SIZE=1 SIZE=1",
        "BODY=BINARYMIME",
        "BODY",
        "SMTPUTF8=1",
        "SMTPUTF8 SMTPUTF8",
        "SIZE=100000000000000000000",
    ] {
        assert_eq!(size(&format!("MAIL FROM:<> {bad}")), Err(501), "{bad}");
    }
    for unknown in ["RET=FULL", "AUTH=<>", "X"] {
        assert_eq!(size(&format!("MAIL FROM:<> {unknown}")), Err(555), "{unknown}");
    }
}

#[test]
fn utf8_needs_its_parameter() {
    assert_eq!(from("MAIL FROM:<jörg@bücher.example> SMTPUTF8").map(|mail| mail.from), Ok("jörg@bücher.example".into()));
    assert_eq!(to("RCPT TO:<jörg@b.example>", true), Ok("jörg@b.example".into()));
    assert_eq!(to("RCPT TO:<jörg@b.example>", false), Err((501, "5.6.7")));
    assert_eq!(parse(b"MAIL FROM:<j\xf6rg@b.example> SMTPUTF8", false), Err(ODD_OCTETS));
    assert_eq!(to("RCPT TO:<j\u{2028}rg@b.example>", true), Err((501, "5.1.3")));
}

#[test]
fn recipients() {
    assert_eq!(to("RCPT TO:<Postmaster>", false), Ok("Postmaster".into()));
    assert_eq!(to("rcpt to: <Support+x@desk.localhost> ", false), Ok("Support+x@desk.localhost".into()));
    assert_eq!(to("RCPT TO:<a@b.example> NOTIFY=NEVER", false), Err((555, "5.5.4")));
}

proptest! {
    #[test]
    fn no_octets_cause_a_panic(line in prop::collection::vec(any::<u8>(), 0..80), utf8: bool) {
        let _ = parse(&line, utf8);
    }

    #[test]
    fn an_accepted_path_is_one_harmless_address(path in "[<>@:,.()\"\\\\ a-cé\0\t-]{0,16}", utf8: bool) {
        let command = parse(format!("RCPT TO:<{path}>").as_bytes(), utf8);
        if let Ok(Command::Rcpt(to)) = command {
            prop_assert!(to.len() <= 254 && !to.chars().any(char::is_control));
            prop_assert!(utf8 || to.is_ascii());
            prop_assert!(!to.starts_with('@'));
            prop_assert!(to.starts_with('"') || !to.contains(['<', '>', ' ', '(', ',', ':']));
        }
    }

    #[test]
    fn every_plain_address_is_accepted(address in "[a-z0-9+=_-]{1,20}(\\.[a-z]{1,5}){0,2}@([a-z0-9]{1,10}\\.){0,3}[a-z]{2,6}") {
        prop_assert!(crate::model::address::is_plain(&address));
        prop_assert_eq!(to(&format!("RCPT TO:<{address}>"), false), Ok(address));
    }
}
