use super::*;

fn found(text: &str) -> Vec<(usize, usize)> {
    let lines: Vec<TextLine> = text.lines().map(|l| TextLine { text: l.to_owned(), hint: Hint::None }).collect();
    let quoted: Vec<bool> = lines.iter().map(|l| l.text.starts_with('>')).collect();
    find(&lines, &quoted)
}

/// What programs write above a quote, by language: web mail, Apple, Thunderbird and telephones.
const KNOWN: [(&str, &[&str]); 33] = [
    (
        "en",
        &[
            "On Sat, Nov 21, 2026 at 10:00\u{202f}AM Ann Smith <ann@x.test> wrote:",
            "On 21 Nov 2026, at 10:00, Ann Smith <ann@x.test> wrote:",
            "On 21/11/2026 10:00, Ann Smith wrote:",
            "On Saturday, November 21, 2026, 10:00:00 AM UTC, Ann Smith <ann@x.test> wrote:",
            "--- On Sat, 11/21/26, Ann Smith <ann@x.test> wrote:",
            "On Saturday, November 21st, 2026 at 10:00 AM, Ann Smith <ann@x.test> wrote:",
            "----- On Nov 21, 2026, at 10:00 AM, Ann Smith ann@x.test wrote:",
            "---- On Sat, 21 Nov 2026 10:00:00 +0000 Ann <ann@x.test> wrote ----",
            "2026-11-21 10:00 GMT+01:00 Ann Smith <ann@x.test>:",
            "---- Ann Smith wrote ----",
        ],
    ),
    (
        "de",
        &[
            "Am Sa., 21. Nov. 2026 um 10:00 Uhr schrieb Ann Smith <ann@x.test>:",
            "Ann Smith <ann@x.test> schrieb am Sa., 21. Nov. 2026 um 10:00 Uhr:",
            "Am 21.11.26 um 10:00 schrieb Ann Smith:",
            "Am 21. November 2026 10:00:00 MEZ schrieb Ann Smith <ann@x.test>:",
        ],
    ),
    ("fr", &["Le sam. 21 nov. 2026 à 10:00, Ann Smith <ann@x.test> a écrit :", "Le 21/11/2026 à 10:00, Ann Smith a écrit :"]),
    ("es", &["El sáb, 21 nov 2026 a las 10:00, Ann Smith (<ann@x.test>) escribió:", "El 21/11/26 a las 10:00, Ann Smith escribió:"]),
    ("ca", &["El ds., 21 de nov. 2026, 10:00, Ann Smith <ann@x.test> va escriure:"]),
    ("it", &["Il giorno sab 21 nov 2026 alle ore 10:00 Ann Smith <ann@x.test> ha scritto:", "Il 21/11/2026 10:00, Ann Smith ha scritto:"]),
    (
        "pt",
        &[
            "Em sáb., 21 de nov. de 2026 às 10:00, Ann Smith <ann@x.test> escreveu:",
            "Às 10:00 de 21/11/2026, Ann Smith escreveu:",
            "No dia 21/11/2026, às 10:00, Ann Smith <ann@x.test> escreveu:",
        ],
    ),
    (
        "nl",
        &[
            "Op za 21 nov 2026 om 10:00 schreef Ann Smith <ann@x.test>:",
            "Op 21 nov. 2026, om 10:00 heeft Ann Smith <ann@x.test> het volgende geschreven:",
            "Op 21-11-2026 om 10:00 schreef Ann Smith:",
        ],
    ),
    ("sv", &["Den lör 21 nov. 2026 kl 10:00 skrev Ann Smith <ann@x.test>:", "21 nov. 2026 kl. 10:00 skrev Ann Smith <ann@x.test>:"]),
    ("da", &["Den lør. 21. nov. 2026 kl. 10.00 skrev Ann Smith <ann@x.test>:"]),
    ("no", &["lør. 21. nov. 2026 kl. 10:00 skrev Ann Smith <ann@x.test>:", "Den 21.11.2026 10:00, skrev Ann Smith:"]),
    (
        "fi",
        &["la 21. marrask. 2026 klo 10.00 Ann Smith (ann@x.test) kirjoitti:", "Ann Smith <ann@x.test> kirjoitti 21.11.2026 kello 10.00:"],
    ),
    ("is", &["Þann 21. nóv. 2026 kl. 10:00, Ann Smith <ann@x.test> skrifaði:"]),
    (
        "pl",
        &[
            "sob., 21 lis 2026 o 10:00 Ann Smith <ann@x.test> napisał(a):",
            "W dniu 21.11.2026 o 10:00, Ann Smith pisze:",
            "Wiadomość napisana przez Ann Smith <ann@x.test> w dniu 21 lis 2026, o godz. 10:00:",
        ],
    ),
    ("cs", &["so 21. 11. 2026 v 10:00 odesílatel Ann Smith <ann@x.test> napsal:", "Dne 21. 11. 26 v 10:00 Ann Smith napsal(a):"]),
    ("sk", &["so 21. 11. 2026 o 10:00 Ann Smith <ann@x.test> napísal(a):", "Dňa 21. 11. 2026 o 10:00 Ann Smith napísal(a):"]),
    ("sl", &["V V sob., 21. nov. 2026 ob 10:00 je oseba Ann Smith <ann@x.test> napisala:"]),
    ("hr", &["sub, 21. stu 2026. u 10:00 Ann Smith <ann@x.test> napisao je:"]),
    ("hu", &["Ann Smith <ann@x.test> ezt írta (időpont: 2026. nov. 21., Szo, 10:00):", "2026. 11. 21. 10:00 keltezéssel, Ann Smith írta:"]),
    ("ro", &["În sâm., 21 nov. 2026 la 10:00, Ann Smith <ann@x.test> a scris:"]),
    ("bg", &["На сб, 21.11.2026 г. в 10:00 Ann Smith <ann@x.test> написа:"]),
    (
        "ru",
        &[
            "сб, 21 нояб. 2026 г. в 10:00, Ann Smith <ann@x.test>:",
            "21 нояб. 2026 г. 10:00 пользователь \"Ann Smith\" <ann@x.test> написал:",
            "21.11.2026 10:00, Ann Smith пишет:",
            "21.11.2026, 10:00, \"Ann Smith\" <ann@x.test>:",
        ],
    ),
    ("uk", &["сб, 21 лист. 2026 р. о 10:00 Ann Smith <ann@x.test> пише:"]),
    ("el", &["Στις Σάβ 21 Νοε 2026 στις 10:00 π.μ., ο χρήστης Ann Smith <ann@x.test> έγραψε:"]),
    (
        "tr",
        &[
            "Ann Smith <ann@x.test>, 21 Kas 2026 Cmt, 10:00 tarihinde şunu yazdı:",
            "Ann Smith <ann@x.test> şunları yazdı (21 Kas 2026 10:00):",
        ],
    ),
    ("et", &["Kuupäev L, 21. november 2026 kell 10:00 kirjutas Ann Smith <ann@x.test>:"]),
    ("lt", &["2026-11-21, št, 10:00 Ann Smith <ann@x.test> rašė:"]),
    ("lv", &["sestd., 2026. g. 21. nov., plkst. 10:00 — lietotājs Ann Smith (<ann@x.test>) rakstīja:"]),
    ("he", &["\u{202b}בתאריך שבת, 21 בנוב׳ 2026 ב-10:00 מאת \u{202a}Ann Smith\u{202c} <\u{202a}ann@x.test\u{202c}>:\u{202c}"]),
    ("ar", &["في السبت، 21 نوفمبر 2026 في 10:00 ص تمت كتابة ما يلي بواسطة Ann Smith <ann@x.test>:"]),
    ("vi", &["Vào Th 7, 21 thg 11, 2026 vào lúc 10:00 Ann Smith <ann@x.test> đã viết:"]),
    ("id", &["Pada tanggal Sab, 21 Nov 2026 pukul 10.00 Ann Smith <ann@x.test> menulis:"]),
    (
        "zh ja ko",
        &[
            "Ann Smith <ann@x.test> 于2026年11月21日周六 10:00写道：",
            "Ann Smith <ann@x.test> 於 2026年11月21日 週六 上午10:00寫道：",
            "在 2026年11月21日，上午10:00，Ann <ann@x.test> 写道：",
            "2026年11月21日(土) 10:00 Ann Smith <ann@x.test>:",
            "2026/11/21 10:00、Ann Smith <ann@x.test>のメール：",
            "2026년 11월 21일 (토) 오전 10:00, Ann Smith <ann@x.test>님이 작성:",
        ],
    ),
];

#[test]
fn attributions_in_many_languages() {
    for (language, lines) in KNOWN {
        for line in lines {
            assert_eq!(found(line), [(0, 1)], "{language}: {line}");
            assert_eq!(found(&format!("Yes, do.\n\n{line}\n\n> q")), [(2, 3)], "{language}: {line}");
        }
    }
}

#[test]
fn wrapped_where_programs_wrap() {
    for (language, lines) in KNOWN {
        for line in lines.iter().filter(|l| l.contains(" <")) {
            let (head, tail) = line.split_once(" <").unwrap_or((line, ""));
            let text = format!("Yes.\n\n{head}\n<{tail}\n\n> q");
            assert_eq!(found(&text), [(2, 4)], "{language}: {text}");
        }
    }
}

#[test]
fn sentences_are_no_attributions() {
    for text in [
        "This is what I wrote on 21 Nov 2026:\n\nIt is broken.",
        "Please send it by 21.11.2026 10:00 to Ann <ann@x.test>:\n\nthe list",
        "So here is the plan of 2026:\n\n1. go",
    ] {
        assert_eq!(found(text), [], "{text}");
    }
}

#[test]
fn words_before_an_attribution_on_its_line() {
    for (line, own) in [
        ("yes please On Wed, Nov 4, 2026 at 3:59 PM, ann@x.test wrote:", "yes please"),
        ("so - be it--- On Wed, Nov 4, 2026 at 3:59 PM, ann@x.test wrote:", "so - be it"),
        ("Danke! Am 21.11.2026 um 10:00 schrieb Ann <ann@x.test>:", "Danke!"),
    ] {
        assert_eq!(begins_within(line).and_then(|at| line.get(..at)), Some(own), "{line}");
    }
    for line in [
        "Ann Smith <ann@x.test> schrieb Am Sa., 21. Nov. 2026 um 10:00 Uhr:",
        "On Wed, Nov 4, 2026 at 3:59 PM, ann@x.test wrote:",
        "we met On 4 November, he wrote:",
        "сб, 21 нояб. 2026 г. в 10:00, Ann Smith <ann@x.test>:",
        "fre. den 20. nov. 2026 kl. 10.00 skrev Ann Smith <ann@x.test>:",
    ] {
        assert_eq!(begins_within(line), None, "{line}");
    }
}

#[test]
fn wrapped_ones_are_joined_and_own_lines_stay() {
    assert_eq!(found("On it today.\n\nOn Sat, Nov 21, 2026 at 10:00 AM Ann Smith\n<ann@x.test> wrote:\n\n> q"), [(2, 4)]);
    assert_eq!(found("On Monday I called at 10:00.\nOn Sat, Nov 21, 2026 at 10:00 AM Ann\n<ann@x.test>\nwrote:"), [(1, 4)]);
    assert_eq!(found("Please send this:\nInvoice of 2026 to me:\n\nThanks"), []);
    assert_eq!(found("He wrote:\n\nhello"), []);
}
