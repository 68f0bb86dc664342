//! The header block that mail programs put above what they quote or forward (`From: … Sent: … To: … Subject: …`), in
//! the languages they are translated to.

use memchr::memchr2;

use self::words::{DATE, FROM, OTHER, SUBJECT, TO};
use super::separator::separator;

mod words;

/// What a line of such a block names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Label {
    /// The author.
    From,
    /// When.
    Date,
    /// The recipients.
    To,
    /// The subject.
    Subject,
    /// Anything else that stands in such blocks (Cc, Reply-To, Importance, …).
    Other,
}

/// The label of a line and what stands behind it; stars, bars and quote marks around are ignored.
pub fn label(line: &str) -> Option<(Label, &str)> {
    // Most lines have no colon; the wide one begins with 0xEF.
    memchr2(b':', 0xef, line.as_bytes())?;
    let outside = |c: char| c.is_whitespace() || "*>|_\u{200e}\u{200f}\u{202a}\u{202b}\u{202c}".contains(c);
    let line = line.trim_start_matches(outside);
    let (name, value) = line.split_once([':', '：'])?;
    if name.len() > 40 {
        return None;
    }
    let name = name.trim_matches(outside).to_lowercase();
    let of = |names: &[&str], label| names.contains(&name.as_str()).then_some(label);
    let label = of(&FROM, Label::From)
        .or_else(|| of(&DATE, Label::Date))
        .or_else(|| of(&TO, Label::To))
        .or_else(|| of(&SUBJECT, Label::Subject))
        .or_else(|| of(&OTHER, Label::Other))?;
    Some((label, value.trim_matches(|c: char| c.is_whitespace() || c == '*')))
}

/// Whether a line is one of such a block by its name, or announces one.
pub fn is_header_line(line: &str) -> bool {
    label(line).is_some() || separator(line).is_some()
}

/// A header block that was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Block {
    /// The line behind it.
    pub end: usize,
    /// The author as written.
    pub from: Option<String>,
    /// The date as written.
    pub date: Option<String>,
    /// The subject.
    pub subject: Option<String>,
    kinds: usize,
    to: bool,
    to_address: bool,
}

impl Block {
    fn take(&mut self, label: Label, value: &str) {
        let slot = match label {
            Label::From => &mut self.from,
            Label::Date => &mut self.date,
            Label::Subject => &mut self.subject,
            Label::To => {
                self.to_address |= value.contains('@');
                self.kinds += usize::from(!std::mem::replace(&mut self.to, true));
                return;
            }
            Label::Other => return,
        };
        if slot.is_none() {
            *slot = Some(value.to_owned());
            self.kinds += 1;
        }
    }

    fn wrap(&mut self, label: Label, more: &str) {
        let slot = match label {
            Label::From => &mut self.from,
            Label::Date => &mut self.date,
            Label::Subject => &mut self.subject,
            Label::To | Label::Other => return,
        };
        if let Some(value) = slot {
            if !value.is_empty() {
                value.push(' ');
            }
            value.push_str(more);
        }
    }
}

/// Reads the block that begins at `lines[at]`. `announced` says that a separator stands above, which makes two
/// labels enough; otherwise it takes the author and two more.
pub fn block(lines: &[&str], at: usize, announced: bool) -> Option<Block> {
    let (first, _) = label(lines.get(at)?)?;
    if first == Label::Other && !announced {
        return None;
    }
    let mut found = Block::default();
    let mut last = None;
    let mut gap = 0;
    for (i, line) in lines.iter().enumerate().skip(at).take(24) {
        match label(line) {
            Some((kind, value)) => {
                found.take(kind, value);
                last = Some(kind);
                gap = 0;
                found.end = i + 1;
            }
            None if line.trim_matches(|c: char| c == '>' || c.is_whitespace()).is_empty() => {
                // Some programs put an empty line between the labels.
                gap += 1;
                let more = lines.get(i + 1).and_then(|next| label(next)).is_some();
                if gap > 1 || !more || found.kinds >= 4 {
                    break;
                }
            }
            // A long list of recipients or a long subject is wrapped; its second line has no label.
            None => {
                let Some(kind) = last.filter(|_| gap == 0) else { break };
                let labels_follow = lines.iter().skip(i + 1).take(8).any(|next| label(next).is_some());
                if !labels_follow && !line.starts_with([' ', '\t']) {
                    break;
                }
                found.wrap(kind, line.trim());
                found.end = i + 1;
            }
        }
    }
    let needed = if announced { 2 } else { 3 };
    let addressed = found.from.as_ref().is_some_and(|f| f.contains('@')) && found.date.is_some();
    // The author may stand elsewhere; a date and a recipient's address are enough to know it.
    let sent =
        found.kinds == 2 && found.to_address && found.date.as_ref().is_some_and(|d| d.chars().filter(char::is_ascii_digit).count() >= 6);
    (found.from.is_some() && (found.kinds >= needed || found.kinds >= 2 && addressed) || sent).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_of_outlook_and_apple() {
        let lines =
            ["*Von:* Ann <ann@x.test>", "*Gesendet:* Samstag, 21. November 2026", "*An:* Bob;", " Cleo", "*Betreff:* Hallo", "", "Text"];
        let found = block(&lines, 0, false);
        assert_eq!(found.as_ref().map(|b| b.end), Some(5));
        assert_eq!(found.and_then(|b| b.subject).as_deref(), Some("Hallo"));
        assert!(block(&["Subject: x", "Date: y", "From: z", "To: w"], 0, false).is_some());
    }

    /// How the usual programs name author, date, recipients and subject.
    const KNOWN: [(&str, [&str; 4]); 29] = [
        ("en", ["From", "Sent", "To", "Subject"]),
        ("de", ["Von", "Gesendet", "An", "Betreff"]),
        ("fr", ["De", "Envoyé", "À", "Objet"]),
        ("es", ["De", "Enviado", "Para", "Asunto"]),
        ("ca", ["De", "Enviat", "Per a", "Assumpte"]),
        ("pt", ["De", "Enviado", "Para", "Assunto"]),
        ("it", ["Da", "Inviato", "A", "Oggetto"]),
        ("nl", ["Van", "Verzonden", "Aan", "Onderwerp"]),
        ("sv", ["Från", "Skickat", "Till", "Ämne"]),
        ("da", ["Fra", "Sendt", "Til", "Emne"]),
        ("fi", ["Lähettäjä", "Lähetetty", "Vastaanottaja", "Aihe"]),
        ("is", ["Frá", "Dags.", "Til", "Efni"]),
        ("pl", ["Od", "Wysłano", "Do", "Temat"]),
        ("cs", ["Od", "Odesláno", "Komu", "Předmět"]),
        ("sk", ["Od", "Odoslané", "Komu", "Predmet"]),
        ("hr", ["Šalje", "Poslano", "Prima", "Predmet"]),
        ("hu", ["Feladó", "Elküldve", "Címzett", "Tárgy"]),
        ("ro", ["De la", "Trimis", "Către", "Subiect"]),
        ("bg", ["От", "Изпратено", "До", "Относно"]),
        ("ru", ["От", "Отправлено", "Кому", "Тема"]),
        ("uk", ["Від", "Надіслано", "Кому", "Тема"]),
        ("el", ["Από", "Στάλθηκε", "Προς", "Θέμα"]),
        ("tr", ["Kimden", "Gönderildi", "Kime", "Konu"]),
        ("he", ["\u{200f}מאת", "נשלח", "אל", "נושא"]),
        ("ar", ["من", "التاريخ", "إلى", "الموضوع"]),
        ("vi", ["Từ", "Đã gửi", "Đến", "Chủ đề"]),
        ("ja", ["差出人", "送信日時", "宛先", "件名"]),
        ("zh", ["发件人", "发送时间", "收件人", "主题"]),
        ("ko", ["보낸 사람", "보낸 날짜", "받는 사람", "제목"]),
    ];

    #[test]
    fn blocks_in_many_languages() {
        for (language, [from, sent, to, subject]) in KNOWN {
            for mark in ["", "*"] {
                let lines = [
                    format!("{mark}{from}:{mark} Ann Smith <ann@x.test>"),
                    format!("{mark}{sent} :{mark} 21.11.2026 10:00"),
                    format!("{mark}{to}:{mark} Bob"),
                    format!("{mark}{subject}:{mark} It burns"),
                    String::new(),
                    "Text".to_owned(),
                ];
                let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
                let found = block(&lines, 0, false);
                let said = found.as_ref().map(|b| (b.end, b.from.as_deref(), b.subject.as_deref()));
                assert_eq!(said, Some((4, Some("Ann Smith <ann@x.test>"), Some("It burns"))), "{language}");
            }
        }
    }

    #[test]
    fn a_list_in_a_text_is_no_block() {
        assert_eq!(block(&["From: Berlin", "we go there", "and back"], 0, false), None);
        assert_eq!(block(&["To: you", "Date: today"], 0, false), None);
    }
}
