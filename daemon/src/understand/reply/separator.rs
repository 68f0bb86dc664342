//! Lines that separate: what is below them is the mail that is answered, or one that was forwarded.

use memchr::{memchr, memchr3_iter};

/// What a separating line announces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Separator {
    /// The mail that is answered.
    Original,
    /// A forwarded mail.
    Forward,
}

const ORIGINAL: [&str; 67] = [
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
    "originalmail",
    "urspr. nachricht",
    "missatge original",
    "pôvodná správa",
    "izvorna poruka",
    "izvirno sporočilo",
    "mesaj original",
    "mesajul original",
    "αρχικό μήνυμα",
    "původní e-mail",
    "originele bericht",
    "origineel bericht",
    "upprunaleg skilaboð",
    "opprinnelig e-post",
    "den oprindelige meddelelse",
    "alkuperäinen sähköposti",
    "оригинално съобщение",
    "вихідне повідомлення",
    "оригінальне повідомлення",
    "הודעה מקורית",
    "الرسالة الأصلية",
    "thư gốc",
    "tin nhắn gốc",
    "pesan asli",
    "ข้อความต้นฉบับ",
    "원본 메시지",
    "원본 메일",
    "原邮件",
    "原始信件",
    "original besked",
    "originalbrev",
    "algne kiri",
    "originali žinutė",
    "sākotnējais ziņojums",
];
const FORWARDED: [&str; 55] = [
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
    "missatge reenviat",
    "preposlaná správa",
    "proslijeđena poruka",
    "posredovano sporočilo",
    "mesaj redirecționat",
    "mesaj redirectionat",
    "προωθημένο μήνυμα",
    "препратено съобщение",
    "переслане повідомлення",
    "הודעה שהועברה",
    "رسالة محولة",
    "thư đã chuyển tiếp",
    "pesan yang diteruskan",
    "ข้อความที่ส่งต่อ",
    "轉寄的郵件",
    "轉寄郵件",
    "转发邮件",
    "forwarded messages",
    "áframsent skeyti",
    "edasi saadetud kiri",
    "persiųstas laiškas",
    "pārsūtīts ziņojums",
    "doorgestuurde bericht",
    "iletilen mesaj",
    "doorgestuurde mail",
];
/// Apple Mail and others write a sentence without dashes.
const BEGIN_FORWARDED: [&str; 42] = [
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
    "forwarded message:",
    "inici del missatge reenviat:",
    "továbbított levél kezdete:",
    "започнато препратено съобщение:",
    "початок переадресованого повідомлення:",
    "iletilen ileti başlangıcı:",
    "yönlendirilen ileti başlangıcı:",
    "αρχή προωθημένου μηνύματος:",
    "začiatok preposlanej správy:",
    "početak proslijeđene poruke:",
    "începutul mesajului redirecționat:",
    "전달된 메시지:",
    "開始轉寄郵件：",
    "轉寄的郵件：",
    "以下は転送されたメッセージです：",
    "转发的邮件:",
    "vidaresendt melding:",
    "edelleenlähetetty viesti alkaa:",
    "เริ่มข้อความที่ส่งต่อ:",
    "bắt đầu thư được chuyển tiếp:",
    "mulai meneruskan pesan:",
    "תחילת ההודעה שהועברה:",
    "بدء الرسالة المُعاد توجيهها:",
];

/// Reads a line as a separator: words of a known kind between dashes, rules or stars.
pub fn separator(line: &str) -> Option<Separator> {
    let line = line.trim();
    // Most lines are told by what they lack.
    if line.len() > 200 || line.len() < 8 || !has_mark(line) {
        return None;
    }
    let lower = line.trim_matches(is_direction).to_lowercase();
    if BEGIN_FORWARDED.iter().any(|b| lower.starts_with(b)) {
        return Some(Separator::Forward);
    }
    // Some programs draw with other dashes than the keyboard has.
    let lower = if lower.is_ascii() { lower } else { lower.chars().map(|c| if is_other_dash(c) { '-' } else { c }).collect() };
    let dashed = lower.trim_start_matches('*').starts_with("--") || lower.starts_with("__") || lower.starts_with("==");
    if !dashed && !lower.ends_with("--") {
        return None;
    }
    let core = lower.trim_matches(|c: char| "-_*=+~|> ".contains(c) || c.is_whitespace()).trim_end_matches(':');
    let is_original = |words: &&str| core.strip_prefix(*words).is_some_and(|rest| rest.is_empty() || rest.starts_with(" -"));
    match () {
        () if ORIGINAL.iter().any(is_original) => Some(Separator::Original),
        () if FORWARDED.iter().any(|words| core.starts_with(words)) => Some(Separator::Forward),
        () => None,
    }
}

/// Whether a line has a colon, or is drawn at one of its ends: with two dashes or their like in a row.
fn has_mark(line: &str) -> bool {
    let octets = line.as_bytes();
    let drawn = |c: Option<char>| c.is_some_and(|c| matches!(c, '*' | '-' | '_' | '=') || is_other_dash(c) || is_direction(c));
    let in_row = || memchr3_iter(b'-', b'_', b'=', octets).any(|at| octets.get(at) == octets.get(at + 1));
    memchr(b':', octets).is_some()
        || !line.is_ascii() && line.contains('：')
        || (drawn(line.chars().next()) || drawn(line.chars().next_back())) && (in_row() || !line.is_ascii() && line.contains(is_other_dash))
}

/// Whether a character is one of the marks of writing direction that programs put around lines; isolates are none.
pub fn is_direction(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}')
}

fn is_other_dash(c: char) -> bool {
    matches!(c, '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{2500}')
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

    #[test]
    fn separators() {
        assert_eq!(separator("-----Original Message-----"), Some(Separator::Original));
        assert_eq!(separator("*-------- Ursprüngliche Nachricht --------*"), Some(Separator::Original));
        assert_eq!(separator("---------- Forwarded message ---------"), Some(Separator::Forward));
        assert_eq!(separator("Begin forwarded message:"), Some(Separator::Forward));
        assert_eq!(
            separator("\u{2010}\u{2010}\u{2010}\u{2010} Original Message \u{2010}\u{2010}\u{2010}\u{2010}"),
            Some(Separator::Original)
        );
        assert_eq!(separator("Vidarebefordrat brev:"), Some(Separator::Forward));
        assert_eq!(separator("--------- הודעה שהועברה ---------"), Some(Separator::Forward));
        assert_eq!(separator("the original message"), None);
    }
}
