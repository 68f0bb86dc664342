//! Lines that introduce a quote: "On … wrote:" in the languages people write it in, the header block that Outlook puts
//! above, and the rules that separate.

use super::html_text::{Hint, TextLine};

/// Longest attribution, in characters, joined.
const LONGEST: usize = 400;
/// Most lines over which an attribution is wrapped.
const WRAPPED: usize = 5;

const OPENERS: [&str; 24] = [
    "on ",
    "am ",
    "le ",
    "el ",
    "il ",
    "em ",
    "op ",
    "den ",
    "dne ",
    "dnia ",
    "w dniu ",
    "at ",
    "în ",
    "pe ",
    "in article",
    "vào ",
    "pada ",
    "dana ",
    "tarihinde ",
    "od ",
    "на ",
    "a les ",
    "il giorno ",
    "在",
];
const WEEKDAYS: [&str; 49] = [
    "mon",
    "tue",
    "wed",
    "thu",
    "fri",
    "sat",
    "sun",
    "mo.",
    "di.",
    "mi.",
    "do.",
    "fr.",
    "sa.",
    "so.",
    "lun",
    "mar",
    "mié",
    "mie",
    "jue",
    "vie",
    "sáb",
    "sab",
    "dom",
    "mer",
    "jeu",
    "ven",
    "sam",
    "dim",
    "seg",
    "ter",
    "qua",
    "qui",
    "sex",
    "ma ",
    "wo ",
    "vr ",
    "za ",
    "zo ",
    "mån",
    "tis",
    "tors",
    "fre",
    "lör",
    "понедельник",
    "вторник",
    "среда",
    "четверг",
    "пятница",
    "воскресенье",
];
const VERBS: [&str; 48] = [
    "wrote",
    "writes",
    "said",
    "schrieb",
    "geschrieben",
    "a écrit",
    "a ecrit",
    "écrivait",
    "escribió",
    "escribio",
    "ha escrito",
    "escreveu",
    "ha scritto",
    "scrisse",
    "schreef",
    "geschreven",
    "skrev",
    "skrev følgende",
    "skrev följande",
    "kirjoitti",
    "napisał",
    "napisał(a)",
    "napisała",
    "pisze",
    "napsal",
    "napsal(a)",
    "napsala",
    "napísal",
    "napísal(a)",
    "написал",
    "написал(а)",
    "написала",
    "писал",
    "пишет",
    "написав",
    "пише",
    "写道",
    "寫道",
    "のメール",
    "書きました",
    "さんが書きました",
    "yazdı",
    "şunu yazdı",
    "írta",
    "a scris",
    "έγραψε",
    "작성",
    "đã viết",
];

/// Finds the attributions of a text: for each, its first line and the line behind its last.
pub fn find(lines: &[TextLine]) -> Vec<(usize, usize)> {
    let mut out: Vec<(usize, usize)> = Vec::new();
    for end in 0..lines.len() {
        let from = out.last().map_or(0, |(_, behind)| *behind);
        if let Some(start) = ending_at(lines, from, end) {
            out.push((start, end + 1));
        }
    }
    out
}

/// Where in its first line an attribution begins that stands behind words of the writer: `Thanks! On Mon, … wrote:`.
pub fn begins_within(line: &str) -> Option<usize> {
    let ends = line.char_indices().filter(|(_, c)| matches!(c, '.' | '!' | '?' | '…' | ')' | '。' | '！'));
    let starts = ends.map(|(i, c)| i + c.len_utf8()).filter(|at| line.get(*at..).is_some_and(|rest| rest.starts_with(char::is_whitespace)));
    starts.take(20).find(|at| {
        let rest = line.get(*at..).unwrap_or_default().trim_start().to_lowercase();
        let dated = has_year(&rest) || has_clock(&rest);
        dated && OPENERS.iter().any(|o| rest.starts_with(o))
    })
}

/// Where the attribution begins whose last line is `end`, if there is one.
fn ending_at(lines: &[TextLine], from: usize, end: usize) -> Option<usize> {
    let last = lines.get(end)?;
    let text = last.text.trim();
    if text.is_empty() || text.starts_with('>') {
        return None;
    }
    if last.hint == Hint::Attribution {
        return (from..=end).rev().take_while(|&i| lines.get(i).is_some_and(|l| l.hint == Hint::Attribution)).last();
    }
    let quoted_next = lines.get(end + 1..)?.iter().map(|l| l.text.trim()).find(|t| !t.is_empty()).is_some_and(|t| t.starts_with('>'));
    if !ends_like_one(text, quoted_next) {
        return None;
    }
    let mut joined = String::new();
    let mut loose = None;
    for start in (from..=end).rev().take(WRAPPED) {
        let line = lines.get(start)?.text.trim();
        // An empty line inside is what some wrap with; two are a gap.
        if line.starts_with('>') || line.is_empty() && (start + 1 > end || joined.starts_with(' ') || end - start > 2) {
            break;
        }
        joined = format!("{line} {joined}");
        if joined.chars().count() > LONGEST {
            break;
        }
        match judge(&joined, quoted_next) {
            Judgement::Complete => return Some(start),
            Judgement::Possible if loose.is_none() => loose = Some(start),
            _ => {}
        }
    }
    loose
}

fn ends_like_one(text: &str, quoted_next: bool) -> bool {
    text.ends_with([':', '：'])
        || text.ends_with("wrote ----")
        || text.ends_with("wrote")
        || text.ends_with("----") && text.contains("wrote")
        || quoted_next && text.ends_with('>')
}

enum Judgement {
    /// Begins like one, says when or who, and ends like one.
    Complete,
    /// Says who, and ends like one, but the beginning may be missing.
    Possible,
    No,
}

fn judge(joined: &str, quoted_next: bool) -> Judgement {
    let lower = joined.trim().trim_start_matches(['-', '*', ' ']).to_lowercase();
    let body = lower.trim_end_matches(|c: char| matches!(c, ':' | '：' | '-' | '*') || c.is_whitespace());
    let has_address = body.contains('@');
    let has_date = has_clock(body) || has_year(body);
    if !has_address && !has_date {
        return Judgement::No;
    }
    let verb_at_end = VERBS.iter().any(|verb| ends_with_word(body, verb));
    let verb = verb_at_end || VERBS.iter().any(|verb| has_word(body, verb));
    let begins_dated = lower.starts_with(|c: char| c.is_ascii_digit())
        && lower.get(..lower.floor_char_boundary(24)).is_some_and(|head| has_year(head) || has_clock(head));
    let opener = begins_dated || OPENERS.iter().chain(&WEEKDAYS).any(|o| lower.starts_with(o));
    let colon = lower.ends_with([':', '：']);
    if verb && (verb_at_end || colon) {
        let named = has_address && has_date && lower.contains('<') && lower.starts_with(char::is_alphabetic);
        return match opener || named {
            true => Judgement::Complete,
            false => Judgement::Possible,
        };
    }
    // `2016-10-24 15:36 GMT+02:00 Ann <ann@x>:` has no verb at all.
    let dated = body.starts_with(|c: char| c.is_ascii_digit()) && has_year(body);
    if dated && has_address && (colon && body.ends_with('>') || quoted_next) {
        return Judgement::Complete;
    }
    if quoted_next && colon {
        return if opener { Judgement::Complete } else { Judgement::Possible };
    }
    Judgement::No
}

fn has_clock(text: &str) -> bool {
    text.as_bytes()
        .windows(4)
        .any(|w| matches!(w, [a, b':' | b'.', b, c] if a.is_ascii_digit() && b.is_ascii_digit() && c.is_ascii_digit()))
}

fn has_year(text: &str) -> bool {
    text.as_bytes().windows(4).any(|w| matches!(w, [b'1' | b'2', b'9' | b'0', a, b] if a.is_ascii_digit() && b.is_ascii_digit()))
        || text
            .as_bytes()
            .windows(6)
            .any(|w| matches!(w, [b'/' | b'.', a, b, b'/' | b'.', c, d] if [a, b, c, d].iter().all(|x| x.is_ascii_digit())))
}

fn ends_with_word(text: &str, word: &str) -> bool {
    text.strip_suffix(word).is_some_and(|head| !word.is_ascii() || !head.ends_with(char::is_alphanumeric))
}

fn has_word(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(i, _)| {
        let open = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric());
        open(text.get(..i).and_then(|h| h.chars().next_back())) && open(text.get(i + word.len()..).and_then(|t| t.chars().next()))
    })
}

/// What a separating line announces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Separator {
    /// The mail that is answered.
    Original,
    /// A forwarded mail.
    Forward,
}

const ORIGINAL: [&str; 33] = [
    "original message",
    "original mail",
    "original email",
    "original appointment",
    "reply message",
    "reply to message",
    "ursprüngliche nachricht",
    "originalnachricht",
    "original-nachricht",
    "ursprüngliche mail",
    "message d'origine",
    "message d’origine",
    "message original",
    "message initial",
    "mensaje original",
    "mensagem original",
    "messaggio originale",
    "oorspronkelijk bericht",
    "ursprungligt meddelande",
    "originalmeddelande",
    "oprindelig meddelelse",
    "opprinnelig melding",
    "alkuperäinen viesti",
    "oryginalna wiadomość",
    "wiadomość oryginalna",
    "původní zpráva",
    "исходное сообщение",
    "оригинальное сообщение",
    "eredeti üzenet",
    "orijinal ileti",
    "原始邮件",
    "原始郵件",
    "元のメッセージ",
];
const FORWARDED: [&str; 30] = [
    "forwarded message",
    "forwarded by",
    "forwarded email",
    "forwarded mail",
    "weitergeleitete nachricht",
    "weitergeleitet von",
    "message transféré",
    "message transmis",
    "message réexpédié",
    "mensaje reenviado",
    "mensagem encaminhada",
    "mensagem reencaminhada",
    "messaggio inoltrato",
    "doorgestuurd bericht",
    "vidarebefordrat meddelande",
    "vidarebefordrat brev",
    "videresendt meddelelse",
    "videresendt besked",
    "videresendt melding",
    "välitetty viesti",
    "przekazana wiadomość",
    "wiadomość przekazana",
    "přeposlaná zpráva",
    "пересылаемое сообщение",
    "пересланное сообщение",
    "továbbított üzenet",
    "yönlendirilen ileti",
    "転送されたメッセージ",
    "转发的邮件",
    "전달된 메시지",
];
/// Apple Mail and others write a sentence without dashes.
const BEGIN_FORWARDED: [&str; 19] = [
    "begin forwarded message:",
    "anfang der weitergeleiteten nachricht:",
    "début du message réexpédié",
    "début du message transféré",
    "inicio del mensaje reenviado:",
    "inizio messaggio inoltrato:",
    "inizio del messaggio inoltrato:",
    "begin doorgestuurd bericht:",
    "vidarebefordrat brev:",
    "start på videresendt besked:",
    "videresendt melding:",
    "välitetty viesti:",
    "początek przekazywanej wiadomości:",
    "začátek přeposílané zprávy:",
    "начало переадресованного сообщения:",
    "início da mensagem encaminhada:",
    "início da mensagem reencaminhada:",
    "転送されたメッセージ：",
    "转发的邮件：",
];

/// Reads a line as a separator: words of a known kind between dashes, rules or stars.
pub fn separator(line: &str) -> Option<Separator> {
    let line = line.trim();
    if line.len() > 200 || line.len() < 8 {
        return None;
    }
    let lower = line.to_lowercase();
    if BEGIN_FORWARDED.iter().any(|b| lower.starts_with(b)) {
        return Some(Separator::Forward);
    }
    let core = lower.trim_matches(|c: char| "-_*=+~|> ".contains(c) || c.is_whitespace());
    let dashed = lower.trim_start_matches('*').starts_with("--") || lower.starts_with("__") || lower.starts_with("==");
    let core = core.trim_end_matches(':');
    match () {
        () if !dashed && !lower.ends_with("--") => None,
        () if ORIGINAL.iter().any(|o| core == *o || core.starts_with(&format!("{o} -"))) => Some(Separator::Original),
        () if FORWARDED.iter().any(|f| core.starts_with(f)) => Some(Separator::Forward),
        () => None,
    }
}

/// Whether a line says "answer above this line", as help desks do.
pub fn is_answer_above(line: &str) -> bool {
    let lower = line.to_lowercase();
    [
        "above this line",
        "oberhalb dieser linie",
        "oberhalb dieser zeile",
        "au-dessus de cette ligne",
        "por encima de esta línea",
        "acima desta linha",
        "sopra questa riga",
    ]
    .iter()
    .any(|p| lower.contains(p))
        && ["answer", "reply", "respond", "type", "antwort", "répon", "respu", "respon", "rispo"].iter().any(|w| lower.contains(w))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<(usize, usize)> {
        let lines: Vec<TextLine> = text.lines().map(|l| TextLine { text: l.to_owned(), hint: Hint::None }).collect();
        find(&lines)
    }

    #[test]
    fn attributions_in_many_languages() {
        for line in [
            "On Sat, Nov 21, 2026 at 10:00 AM Ann Smith <ann@x.test> wrote:",
            "Am 21.11.2026 um 10:00 schrieb Ann Smith:",
            "Ann Smith <ann@x.test> schrieb am Sa., 21. Nov. 2026 um 10:00 Uhr:",
            "Le 21/11/2026 à 10:00, Ann Smith a écrit :",
            "El sáb, 21 nov 2026 a las 10:00, Ann (<ann@x.test>) escribió:",
            "Il giorno sab 21 nov 2026 alle ore 10:00 Ann <ann@x.test> ha scritto:",
            "Em sáb., 21 de nov. de 2026 às 10:00, Ann <ann@x.test> escreveu:",
            "Op za 21 nov. 2026 om 10:00 schreef Ann <ann@x.test>:",
            "Den lör 21 nov. 2026 kl 10:00 skrev Ann <ann@x.test>:",
            "la 21. marrask. 2026 klo 10.00 Ann (ann@x.test) kirjoitti:",
            "W dniu 21.11.2026 o 10:00, Ann pisze:",
            "Dne 21.11.2026 v 10:00 Ann napsal(a):",
            "21 нояб. 2026 г. 10:00 пользователь \"Ann\" <ann@x.test> написал:",
            "在 2026年11月21日，上午10:00，Ann <ann@x.test> 写道：",
            "2026年11月21日(土) 10:00 Ann <ann@x.test>:",
            "---- On Sat, 21 Nov 2026 10:00:00 +0000 Ann <ann@x.test> wrote ----",
        ] {
            assert_eq!(found(line), [(0, 1)], "{line}");
        }
    }

    #[test]
    fn wrapped_ones_are_joined_and_own_lines_stay() {
        assert_eq!(found("On it today.\n\nOn Sat, Nov 21, 2026 at 10:00 AM Ann Smith\n<ann@x.test> wrote:\n\n> q"), [(2, 4)]);
        assert_eq!(found("On Monday I called at 10:00.\nOn Sat, Nov 21, 2026 at 10:00 AM Ann\n<ann@x.test>\nwrote:"), [(1, 4)]);
        assert_eq!(found("Please send this:\nInvoice of 2026 to me:\n\nThanks"), []);
        assert_eq!(found("He wrote:\n\nhello"), []);
    }

    #[test]
    fn separators() {
        assert_eq!(separator("-----Original Message-----"), Some(Separator::Original));
        assert_eq!(separator("*-------- Ursprüngliche Nachricht --------*"), Some(Separator::Original));
        assert_eq!(separator("---------- Forwarded message ---------"), Some(Separator::Forward));
        assert_eq!(separator("Begin forwarded message:"), Some(Separator::Forward));
        assert_eq!(separator("the original message"), None);
    }
}
