#![expect(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;

use super::*;

fn marked(query: &str, texts: &[&str], length: usize) -> String {
    let snippet = snippet(&Query::parse(query).unwrap(), texts, length);
    let mut out = snippet.text.clone();
    for mark in snippet.marks.iter().rev() {
        out.insert(mark.end, ']');
        out.insert(mark.start, '[');
    }
    format!("{}{}{out}{}", snippet.source, if snippet.cut_before { "…" } else { ":" }, if snippet.cut_after { "…" } else { "" })
}

#[test]
fn words_phrases_and_prefixes_are_marked() {
    for (query, text, expected) in [
        ("printer", "The Printer, broken.", "0:The [Printer], broken."),
        ("\"printer broken\"", "printer is a printer,\n broken", "0:printer is a [printer, broken]"),
        ("cafe", "Un CAFÉ noir", "0:Un [CAFÉ] noir"),
        ("voi*", "an invoice, a voice, void", "0:an invoice, a [voice], [void]"),
        ("INV-20*", "see inv-2041", "0:see [inv-2041]"),
        ("foo@bar.example", "<foo@bar.example>", "0:<[foo@bar.example]>"),
        ("京都", "東京都の京都", "0:東[京都]の[京都]"),
        ("都", "東京都", "0:東京[都]"),
        ("東京都", "東京都庁", "0:[東京都]庁"),
        ("red -blue tag:green subject:black", "red blue green black", "0:[red] blue green [black]"),
        ("a OR (b c)", "c b a", "0:[c] [b] [a]"),
        ("nothing", "  Some\t\r\n text\u{7}. ", "0:Some text."),
        ("東", "東\u{7}東", "0:[東東]"),
        ("<b>", "<b>bold</b>", "0:<[b]>bold</[b]>"),
    ] {
        assert_eq!(marked(query, &[text], 200), expected, "{query}");
    }
}

#[test]
fn the_passage_with_most_different_words_is_shown() {
    let filler = "lorem ipsum dolor sit amet ".repeat(20);
    let texts = [&format!("{filler}red {filler}")[..], &format!("{filler}red and blue {filler}"), "red red red"];
    assert_eq!(marked("red blue", &texts, 50), "1…sit amet [red] and [blue] lorem ipsum dolor sit amet…");
    assert_eq!(marked("blue red green", &texts[2..], 50), "0:[red] [red] [red]");
    assert_eq!(marked("none", &["", " ", "third"], 50), "2:third");
    assert_eq!(marked("none", &[], 50), "0:");
}

#[test]
fn a_long_text_is_read_until_a_passage_has_all_words() {
    let filler = "lorem ipsum dolor sit amet ".repeat(400);
    let far = format!("red {filler} red {filler} blue {filler} red blue red {filler}");
    assert_eq!(marked("red", &[&far, "red red"], 20), "0:[red] lorem ipsum…");
    assert_eq!(marked("red blue", &[&far], 20), "0…[red] [blue] [red] lorem…");
    let at_the_edge = format!("{}red red red", "lorem ".repeat(FIRST / 6 - 1));
    assert_eq!(marked("red", &[&at_the_edge], 11), "0…[red] [red] [red]");
}

proptest! {
    #[test]
    fn marks_stand_between_characters(
        query in "(\"[ab東京é]( [ab東京é]){0,2}\"|[ab東京é]{2,3}\\*?| ){1,5}",
        texts in prop::collection::vec("[ab東京é \n\u{301}\u{7}.]{0,80}", 0..4),
        length in 0_usize..40,
    ) {
        let Ok(query) = Query::parse(&query) else { return Ok(()) };
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let snippet = snippet(&query, &texts, length);
        prop_assert!(snippet.text.chars().count() <= length, "{snippet:?}");
        let mut last = None;
        for mark in &snippet.marks {
            prop_assert!(snippet.text.get(mark.clone()).is_some_and(|marked| !marked.is_empty()), "{snippet:?}");
            prop_assert!(last.is_none_or(|last| last < mark.start), "{snippet:?}");
            last = Some(mark.end);
        }
    }
}
