//! The paragraphs at the end of a mail that lawyers wrote: for whom it is, and what others may not do with it.

/// Fewest characters of such a paragraph.
const SHORT: usize = 60;
/// Most paragraphs that are looked at, from the last.
const PARAGRAPHS: usize = 4;

/// Stems of which a disclaimer has at least three, by language.
const STEMS: [&[&str]; 10] = [
    &["confidential", "intended recipient", "intended solely", "intended only", "privileged", "received this", "unauthori", "delete"],
    &["vertraulich", "empfänger", "adressat", "irrtümlich", "unbefugt", "bestimmt", "vernichten", "löschen"],
    &["confidentiel", "destinataire", "par erreur", "interdit", "détruire", "supprimer"],
    &["confidencial", "destinatario", "por error", "prohibid", "elimin"],
    &["confidencial", "destinatário", "por engano", "proibid", "elimin"],
    &["riservat", "destinatari", "per errore", "vietat", "distrugg"],
    &["vertrouwelijk", "geadresseerde", "abusievelijk", "bestemd voor", "verwijderen"],
    &["konfidentiell", "mottagare", "av misstag", "fortrolig", "modtager", "mottaker", "luottamuksellinen"],
    &["poufn", "adresat", "omyłk", "důvěrn", "příjemc", "omylem"],
    &["конфиденциальн", "получател", "по ошибке", "адресат"],
];
/// Lines that are of no use to anybody who answers.
const NOTICES: [&str; 8] = [
    "confidentiality notice",
    "please consider the environment before printing",
    "think before you print",
    "bitte denken sie an die umwelt",
    "pensez à l'environnement",
    "virus-free",
    "this email has been checked for viruses",
    "diese e-mail wurde von avast",
];

/// Where the disclaimer begins that ends the lines; never the first paragraph, for that is all there is.
pub fn begins(lines: &[&str]) -> Option<usize> {
    let mut found = None;
    let mut end = lines.len();
    for _ in 0..PARAGRAPHS {
        while end > 0 && lines.get(end - 1).is_some_and(|l| l.trim().is_empty()) {
            end -= 1;
        }
        let start = lines.get(..end)?.iter().rposition(|l| l.trim().is_empty()).map_or(0, |blank| blank + 1);
        let before = lines.get(..start)?.iter().any(|l| !l.trim().is_empty());
        if !before || !is_one(lines.get(start..end)?) {
            break;
        }
        found = Some(start);
        end = start;
    }
    found
}

fn is_one(paragraph: &[&str]) -> bool {
    let text: String = paragraph.iter().take(60).map(|l| l.trim()).collect::<Vec<_>>().join(" ").to_lowercase();
    let bare = text.trim_start_matches(|c: char| !c.is_alphanumeric());
    if NOTICES.iter().any(|n| bare.starts_with(n)) {
        return true;
    }
    // A person speaks of "I" and "you" and asks; these do not.
    let asks = text.ends_with('?') || text.split(|c: char| !c.is_alphanumeric()).any(|w| matches!(w, "i" | "my" | "ich" | "je"));
    !asks && text.chars().count() >= SHORT && STEMS.iter().any(|stems| stems.iter().filter(|s| text.contains(**s)).count() >= 3)
}

#[cfg(test)]
mod tests {
    use super::begins;

    #[test]
    fn a_disclaimer_ends_a_mail() {
        for text in [
            "This message is confidential and intended solely for the person it names.\nWhoever is not the intended recipient must not use it.",
            "CONFIDENTIALITY NOTICE: x",
            "Diese Nachricht ist vertraulich und nur für den Empfänger bestimmt. Wer sie irrtümlich erhält, möge sie löschen.",
            "Ce message est confidentiel et réservé à son destinataire. Si vous l'avez reçu par erreur, merci de le supprimer.",
        ] {
            let lines: Vec<&str> = "Yes, please.\n\nAnn\n\n".split('\n').take(4).chain(text.lines()).collect();
            assert_eq!(begins(&lines), Some(4), "{text}");
        }
    }

    #[test]
    fn what_a_person_says_is_none() {
        let asked = "I received this by mistake, it looks confidential and I am not the intended recipient; should my copy go?";
        assert_eq!(begins(&["Hello,", "", asked]), None);
        assert_eq!(begins(&["This is confidential and intended solely for the intended recipient, who may not delete it or so."]), None);
        assert_eq!(begins(&["Yes.", "", "The file is confidential."]), None);
    }

    #[test]
    fn many_paragraphs_cost_little() {
        let lines = ["", "This is confidential, privileged, and for the intended recipient only, whoever that may be."].repeat(50_000);
        assert!(begins(&lines).is_some());
    }
}
