#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use proptest::prelude::*;

use super::*;

#[test]
fn normal_forms() {
    for (typed, normal) in [
        ("printer", "printer"),
        ("  Printer\tbroken ", "Printer broken"),
        ("a AND b", "a b"),
        ("a b OR c", "a b OR c"),
        ("( a OR b ) c", "(a OR b) c"),
        ("((a)) (b c)", "a b c"),
        ("a OR (b OR (c OR d))", "a OR b OR c OR d"),
        ("NOT NOT a", "a"),
        ("NOT -a", "a"),
        ("-(a b)", "-(a b)"),
        ("NOT (a OR b)", "-(a OR b)"),
        ("-\"two words\"", "-\"two words\""),
        ("“smart quotes” „unten‟", "\"smart quotes\" \"unten\""),
        ("foo\"bar\"", "foo \"bar\""),
        ("--verbose foo-bar - x -", "verbose foo-bar x"),
        ("in voi*", "in voi*"),
        ("東*", "東*"),
        ("INV-20*", "INV-20*"),
        ("\"a*\"", "\"a*\""),
        ("?? a OR ?? b", "a OR b"),
        ("is:Open IS:on-hold is:unassigned", "is:open is:on_hold is:unassigned"),
        ("status:\"On Hold\" priority:URGENT", "status:on_hold priority:urgent"),
        ("from:Ann@x to:\"Ann Smith\"", "from:Ann@x to:\"Ann Smith\""),
        ("from:ann@x*", "from:ann@x*"),
        ("subject:\"printer broken\" subject:pri*", "subject:\"printer broken\" subject:pri*"),
        ("tag:VIP -tag:\"Very Important\"", "tag:vip -tag:\"very important\""),
        ("assignee:Me assignee:nobody", "assignee:me is:unassigned"),
        ("team:billing mailbox:support language:FR", "team:billing mailbox:support language:fr"),
        ("in:article in:tickets has:attachments", "in:articles in:tickets has:attachment"),
        ("before:2026-01-01 after:\"2025-12-31\"", "before:2026-01-01 after:2025-12-31"),
        (
            "http://x.example/a?b=c:d 12:30 C:\\temp std::io localhost:8080 mailto:a@x",
            "http://x.example/a?b=c:d 12:30 C:\\temp std::io localhost:8080 mailto:a@x",
        ),
        ("Re: invoice", "Re: invoice"),
        ("\"foo:bar\" \"OR\" or", "\"foo:bar\" \"OR\" or"),
    ] {
        let query = Query::parse(typed).unwrap_or_else(|e| panic!("{typed}: {e}"));
        assert_eq!(query.to_string(), normal, "{typed}");
        assert_eq!(Query::parse(normal).unwrap(), query, "{typed}");
    }
}

#[test]
fn errors_say_where_and_what() {
    for (typed, column, says) in [
        ("", 1, "nothing to search for"),
        (" ?! \"\" ", 1, "nothing to search for"),
        ("añb \"open", 5, "quote is never closed"),
        ("subject:\"open", 1, "quote is never closed"),
        ("日本 (a", 4, "never closed; add a )"),
        ("a) b", 2, "never opened"),
        ("a ()", 3, "nothing between"),
        ("a OR", 3, "OR needs something"),
        ("OR a", 1, "OR needs something"),
        ("a OR OR b", 3, "OR needs something"),
        ("AND a", 1, "AND needs something"),
        ("a AND", 3, "AND needs something"),
        ("(a AND) b", 4, "AND needs something"),
        ("a NOT", 3, "NOT needs something"),
        ("a -OR b", 3, "- needs something"),
        ("(((((a)))))", 5, "more than 4 levels"),
        ("x foo:bar", 3, "no field foo:; the fields are is: status:"),
        ("foo:\"bar\"", 1, "no field foo:"),
        ("subject: x", 1, "subject: needs a value"),
        ("tag:?!", 1, "tag: needs a value"),
        ("is:opne", 1, "is: does not know \"opne\"; it knows open, pending"),
        ("priority:vip", 1, "low, normal, high, urgent"),
        ("has:fun", 1, "it knows attachment"),
        ("in:mail", 1, "tickets, articles"),
        ("before:2026-02-30", 1, "2026-01-31"),
        ("after:yesterday", 1, "written as"),
        ("a*", 1, "a star stands"),
        ("f*o", 1, "a star stands"),
        ("tag:vi*", 1, "a star stands"),
    ] {
        let error = Query::parse(typed).unwrap_err();
        assert_eq!(error.column, column, "{typed}: {error}");
        assert!(error.to_string().contains(says), "{typed}: {error}");
    }
}

#[test]
fn limits() {
    let words = |n: usize| vec!["ab"; n].join(" ");
    assert!(Query::parse(&words(32)).is_ok());
    assert_eq!(Query::parse(&words(33)).unwrap_err(), QueryError { column: 97, kind: QueryErrorKind::TooManyTerms });
    assert!(Query::parse(&format!("\"{}\"", words(32))).is_ok());
    assert_eq!(Query::parse(&format!("\"{}\"", words(33))).unwrap_err().kind, QueryErrorKind::PhraseTooLong);
    assert!(Query::parse(&"x".repeat(512)).is_ok());
    assert_eq!(Query::parse(&"x".repeat(513)).unwrap_err().kind, QueryErrorKind::TooLong { octets: 513 });
    // A normal form can be longer than what was typed; it has the same limit, so that it can be kept and read again.
    let tight = format!("{}\"b\"", "x".repeat(509));
    assert_eq!(Query::parse(&tight).unwrap_err().kind, QueryErrorKind::TooLong { octets: 513 });
    assert!(Query::parse("((((a OR b) c) OR d) e)").is_ok());
}

#[test]
fn a_label_of_which_nothing_is_left_is_no_value() {
    for query in ["team:\u{FFC2}", "tag:\u{FFC2}"] {
        assert!(matches!(Query::parse(query).unwrap_err().kind, QueryErrorKind::NoValue { .. }), "{query}");
    }
}

#[test]
fn me_becomes_an_address() {
    let query = Query::parse("assignee:me -from:me me assignee:\"me\"").unwrap();
    assert!(query.asks_for_me());
    let mine = query.for_person("Ann@X.example");
    assert_eq!(mine.to_string(), "assignee:\"Ann@X.example\" -from:\"Ann@X.example\" me assignee:\"me\"");
    assert!(!mine.asks_for_me());
    let odd = query.for_person("\"a b\"@x*");
    assert_eq!(Query::parse(&odd.to_string()).unwrap(), odd);
}

fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => "[a-zA-Zé東0-9@.*:-]{1,6}",
        4 => prop::sample::select(vec![
            "OR", "AND", "NOT", "-", "(", ")", "\"", "is:open", "tag:", "from:", "subject:\"a b\"", "before:2026-01-01", "“", "in:articles",
            "assignee:nobody", "team:", "language:",
        ]).prop_map(str::to_owned),
        1 => "\\PC{1,3}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn the_normal_form_is_the_same_query(pieces in prop::collection::vec((piece(), prop::bool::weighted(0.8)), 1..14)) {
        let typed: String = pieces.into_iter().map(|(piece, space)| if space { piece + " " } else { piece }).collect();
        if let Ok(query) = Query::parse(&typed) {
            let normal = query.to_string();
            prop_assert_eq!(Query::parse(&normal), Ok(query), "{} became {}", typed, normal);
        }
    }

    #[test]
    fn any_text_is_a_query_or_an_error_within_it(typed in "\\PC{0,600}") {
        if let Err(error) = Query::parse(&typed) {
            prop_assert!(error.column >= 1 && error.column <= typed.chars().count().max(1));
        }
    }
}
