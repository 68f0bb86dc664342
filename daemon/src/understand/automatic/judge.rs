//! Whether a person wrote this just now, from the headers (RFC 3834 §2, and what programs write instead) and, where
//! those are silent, from the subject.

use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfkc_quick};

use crate::model::address::split;
use crate::model::understood::Automatic;
use crate::understand::mime::Tree;
use crate::understand::mime::headers::{Headers, unfold, without_comments};

/// What is looked at.
pub struct Evidence<'a> {
    /// The parts.
    pub tree: &'a Tree<'a>,
    /// The mail's header block.
    pub headers: &'a Headers<'a>,
    /// The decoded subject.
    pub subject: &'a str,
    /// The author's address.
    pub from: Option<&'a str>,
    /// The body.
    pub text: &'a str,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// The class; `None` for a person's mail.
    pub class: Option<Automatic>,
    /// All classes of which there is a mark, the first of which counts.
    pub matches: Vec<Automatic>,
    /// A person may have written it, but it asks for no automatic answer.
    pub no_ack: bool,
    /// What people should know.
    pub warnings: Vec<String>,
}

/// Header fields that only automatic answers have.
const AUTO_REPLY_FIELDS: [&str; 14] = [
    "x-autoreply",
    "x-auto-reply",
    "x-autorespond",
    "x-autoresponder",
    "x-autoresponse",
    "x-autoreply-from",
    "x-autoreply-domain",
    "x-mail-autoreply",
    "x-ms-exchange-inbox-rules-loop",
    "x-vacation",
    "x-auto-reply-from",
    "x-tmda-fingerprint",
    "x-boxbe-challenge",
    "x-challenge-response",
];
/// Header fields of lists and campaigns.
const BULK_FIELDS: [&str; 9] = [
    "list-id",
    "list-post",
    "list-unsubscribe",
    "list-unsubscribe-post",
    "x-mailing-list",
    "feedback-id",
    "x-list",
    "mailing-list",
    "x-campaign-id",
];
/// Fields by which other systems stop loops, beside `X-Auto…Loop`.
const LOOP_FIELDS: [&str; 2] = ["x-loop", "x-beenthere"];

/// Of [`ABSENCE`], words of everyday subjects: people answer tickets about a vacation, too.
const EVERYDAY: [&str; 20] = [
    "vacation",
    "on leave",
    "on holiday",
    "abwesenheit",
    "abwesend",
    "urlaub",
    "absence",
    "ausente",
    "ausencia",
    "ausência",
    "assenza",
    "afwezig",
    "afwezigheid",
    "frånvaro",
    "fravær",
    "away from my",
    "不在",
    "休暇",
    "外出",
    "부재중",
];

/// Subjects of automatic answers that mean absence.
const ABSENCE: [&str; 66] = [
    "out of office",
    "out of the office",
    "out-of-office",
    "ooo",
    "away from office",
    "away from the office",
    "away from my",
    "on leave",
    "vacation",
    "i am away",
    "on holiday",
    "abwesenheitsnotiz",
    "abwesenheit",
    "abwesend",
    "nicht im büro",
    "urlaub",
    "absence du bureau",
    "absent du bureau",
    "message d'absence",
    "je suis absent",
    "absence",
    "fuera de la oficina",
    "fuera de oficina",
    "ausente",
    "ausencia",
    "ausência",
    "fora do escritório",
    "ausente do escritório",
    "fuori sede",
    "fuori ufficio",
    "risposta non al computer",
    "assenza",
    "afwezigheidsbericht",
    "afwezig",
    "afwezigheid",
    "frånvaro",
    "fraværsmelding",
    "fravær",
    "ikke på kontoret",
    "poissaoloilmoitus",
    "poissa",
    "nieobecność",
    "nieobecnosc",
    "mimo kancelář",
    "nepřítomnost",
    "házon kívül",
    "вне офиса",
    "отсутств",
    "ofis dışında",
    "不在",
    "休暇中",
    "外出",
    "부재중",
    "εκτός γραφείου",
    "nisam u uredu",
    "извън офиса",
    "absent from",
    "away until",
    "annual leave",
    "maternity leave",
    "parental leave",
    "back on",
    "im urlaub",
    "congé",
    "congés",
    "vakantie",
];
/// Subjects of other automatic answers.
const ANSWER: [&str; 47] = [
    "automatic reply",
    "auto reply",
    "auto-reply",
    "auto:",
    "autoreply",
    "auto response",
    "auto-response",
    "autoresponse",
    "automated reply",
    "automated response",
    "automatische antwort",
    "automatische rückantwort",
    "réponse automatique",
    "respuesta automática",
    "respuesta automatica",
    "resposta automática",
    "resposta automatica",
    "risposta automatica",
    "automatisch antwoord",
    "autosvar",
    "automatiskt svar",
    "automatisk svar",
    "automaattinen vastaus",
    "automatyczna odpowiedź",
    "odpowiedź automatyczna",
    "automatická odpověď",
    "automatická odpoveď",
    "automatikus válasz",
    "răspuns automat",
    "автоматический ответ",
    "автоответ",
    "автоматична відповідь",
    "otomatik yanıt",
    "αυτόματη απάντηση",
    "自動応答",
    "自動返信",
    "自动答复",
    "自动回复",
    "自動回覆",
    "자동 회신",
    "رد تلقائي",
    "תשובה אוטומטית",
    "automatski odgovor",
    "автоматичен отговор",
    "automaatvastus",
    "automātiska atbilde",
    "automatinis atsakymas",
];
/// Prefixes of answers and forwards, which a robot leaves in front.
const PREFIXES: [&str; 17] =
    ["re", "aw", "fw", "fwd", "wg", "sv", "vs", "antw", "tr", "rv", "res", "odp", "ynt", "r", "回复", "转发", "答复"];

/// Judges a mail. Bounces are judged in `bounce`, own mail by the desk.
pub fn judge(e: &Evidence) -> Verdict {
    let mut out = Verdict { no_ack: no_ack(e), ..Verdict::default() };
    if is_calendar(e) {
        out.warnings.push("this is the automatic answer of a calendar".to_owned());
        out.no_ack = true;
        return out;
    }
    out.matches = [report(e), answer(e), bulk(e)].into_iter().flatten().collect();
    out.class = out.matches.first().copied();
    out
}

fn value(headers: &Headers, name: &str) -> Option<String> {
    values(headers, name).next()
}

/// What each field of that name says, without comments, in lower case.
fn values<'a>(headers: &'a Headers<'_>, name: &'a str) -> impl Iterator<Item = String> + 'a {
    headers.all(name).map(|v| without_comments(&unfold(v)).to_lowercase())
}

/// The first word of Auto-Submitted; whatever is not `no` was not written by a person just now (RFC 3834 §5).
fn submitted(headers: &Headers) -> Option<String> {
    let value = value(headers, "auto-submitted")?;
    let word = value.split(|c: char| c == ';' || c.is_whitespace()).next().unwrap_or_default();
    (!word.is_empty() && word != "no").then(|| word.to_owned())
}

/// What Precedence and its variant say.
fn precedence<'a>(headers: &'a Headers<'_>) -> impl Iterator<Item = String> + 'a {
    values(headers, "precedence").chain(values(headers, "x-precedence"))
}

/// Whether the name of a field begins so, in any case.
fn begins(name: &str, prefix: &str) -> bool {
    name.get(..prefix.len()).is_some_and(|head| head.eq_ignore_ascii_case(prefix))
}

fn is_calendar(e: &Evidence) -> bool {
    e.tree.parts.iter().filter(|p| p.is("text/calendar")).any(|part| {
        let method = part.kind.get("method").map(str::to_uppercase).or_else(|| {
            let text = part.text();
            text.lines().take(30).find_map(|l| l.trim().strip_prefix("METHOD:").map(str::to_uppercase))
        });
        matches!(method.as_deref().map(str::trim), Some("REPLY" | "COUNTER" | "CANCEL" | "DECLINECOUNTER"))
    })
}

/// Receipts and reports (RFC 8098, RFC 5965, RFC 7489, RFC 8460).
fn report(e: &Evidence) -> Option<Automatic> {
    let root = e.tree.parts.first()?;
    let kind = root.kind.get("report-type").map(str::to_lowercase).unwrap_or_default();
    let has = |name: &str| e.tree.parts.iter().any(|p| p.kind.value.starts_with(name));
    if kind == "disposition-notification" || has("message/disposition-notification") {
        return Some(Automatic::ReadReceipt);
    }
    let about = e.subject.to_lowercase();
    let dmarc = about.contains("report domain:")
        && e.tree.parts.iter().any(|p| {
            p.kind.value.contains("zip") || p.name().is_some_and(|n| n.ends_with(".gz") || n.ends_with(".zip") || n.ends_with(".xml"))
        });
    let feedback = matches!(kind.as_str(), "feedback-report" | "dmarc" | "tlsrpt")
        || has("message/feedback-report")
        || has("application/tlsrpt")
        || dmarc;
    let complaint = e.headers.has("x-hmxmroriginalrecipient") || e.headers.has("tls-report-domain");
    (feedback || complaint).then_some(Automatic::FeedbackReport)
}

/// Automatic answers.
fn answer(e: &Evidence) -> Option<Automatic> {
    let subject = phrase(e.subject);
    let submitted = submitted(e.headers).unwrap_or_default();
    // Of the vacation some programs tell in a comment alone.
    let vacation = !submitted.is_empty() && e.headers.text("auto-submitted").is_some_and(|v| v.to_lowercase().contains("vacation"));
    let absent = || starts_with_any(&subject, &ABSENCE) || vacation || says_absence(e.text);
    let class = || if absent() { Automatic::OutOfOffice } else { Automatic::AutoReply };
    let h = e.headers;
    let by_subject = starts_with_any(&subject, &ANSWER) || starts_with_any(&subject, &ABSENCE);
    if submitted.starts_with("auto-replied") || submitted.starts_with("auto-") && by_subject || vacation {
        return Some(class());
    }
    let field = AUTO_REPLY_FIELDS.iter().any(|f| h.has(f))
        || value(h, "x-autogenerated").is_some_and(|v| v == "reply" || v == "forward")
        || value(h, "x-apple-action").is_some_and(|v| v == "vacation")
        || values(h, "delivered-to").any(|v| v == "autoresponder")
        || precedence(h).any(|v| v == "auto_reply" || v == "auto-reply")
        || h.text("x-ms-exchange-generated-message-source").is_some_and(|v| v.to_lowercase().contains("rules agent"))
        || value(h, "x-delivery-agent").is_some_and(|v| v.starts_with("tmda"))
        || h.fields.iter().any(|f| f.name.len() > 14 && begins(f.name, "x-zimbra-") && f.name.to_lowercase().contains("vacation"));
    if field {
        return Some(class());
    }
    let answers = h.has("in-reply-to") || h.has("references") || h.has("x-auto-response-suppress");
    let exact = starts_with_any(&subject, &ANSWER);
    // A word of everyday subjects needs the body's word, too.
    let everyday = !exact && !ABSENCE.iter().any(|p| subject.starts_with(p) && !EVERYDAY.contains(p));
    let likely = || if everyday { answers && says_absence(e.text) } else { answers || exact && says_absence(e.text) };
    if by_subject && e.text.len() < 4096 && likely() {
        return Some(class());
    }
    is_challenge(&subject).then_some(Automatic::AutoReply)
}

fn is_challenge(subject: &str) -> bool {
    ["please confirm your message", "please verify your message", "confirm your email to deliver"].iter().any(|c| subject.starts_with(c))
}

/// Lists, campaigns and machines.
fn bulk(e: &Evidence) -> Option<Automatic> {
    let h = e.headers;
    let generated = submitted(h).is_some_and(|word| !word.starts_with("auto-replied"));
    let precedence = precedence(h).any(|v| matches!(v.as_str(), "bulk" | "junk" | "list"));
    let field = BULK_FIELDS.iter().any(|f| h.has(f)) || value(h, "x-amazon-mail-relay-type").is_some_and(|v| v == "notification");
    (generated || precedence || field).then_some(Automatic::Bulk)
}

/// Modifiers: a person may have written it, but nothing automatic shall answer.
fn no_ack(e: &Evidence) -> bool {
    let suppress = value(e.headers, "x-auto-response-suppress")
        .is_some_and(|v| v.split([',', ' ']).any(|w| matches!(w, "all" | "oof" | "autoreply" | "dr" | "rn" | "nrn")));
    let is_loop = |name: &str| begins(name, "x-auto") && name.to_lowercase().ends_with("loop");
    let loops = LOOP_FIELDS.iter().any(|f| e.headers.has(f)) || e.headers.fields.iter().any(|f| is_loop(f.name));
    suppress || loops || e.from.and_then(split).is_some_and(|(local, _)| is_robot(local))
}

/// Whether a local part names a machine.
pub fn is_robot(local: &str) -> bool {
    let base = local.split('+').next().unwrap_or_default().to_lowercase();
    let squeezed: String = base.chars().filter(|c| c.is_alphanumeric()).collect();
    squeezed.starts_with("noreply")
        || squeezed.starts_with("donotreply")
        || squeezed.ends_with("noreply")
        || ["bounce-", "bounces-", "bounce_", "noreply-"].iter().any(|p| base.starts_with(p))
        || matches!(
            squeezed.as_str(),
            "notification"
                | "notifications"
                | "notify"
                | "alert"
                | "alerts"
                | "bounce"
                | "bounces"
                | "mailerdaemon"
                | "postmaster"
                | "root"
                | "daemon"
                | "nobody"
                | "cron"
                | "autoresponder"
        )
}

/// The subject without prefixes and tags, folded.
fn phrase(subject: &str) -> String {
    let folded = match is_nfkc_quick(subject.chars()) {
        IsNormalized::Yes => subject.to_lowercase(),
        _ => subject.nfkc().collect::<String>().to_lowercase(),
    };
    let mut rest = folded.trim();
    for _ in 0..10 {
        let before = rest;
        if let Some(inner) = rest.strip_prefix('[')
            && let Some((_, behind)) = inner.split_once(']')
        {
            rest = behind.trim_start();
        }
        if let Some((prefix, behind)) = rest.split_once(':')
            && PREFIXES.contains(&prefix.trim_end())
        {
            rest = behind.trim_start();
        }
        if rest == before {
            break;
        }
    }
    rest.trim_start_matches(|c: char| "*#-<\"'(".contains(c)).to_owned()
}

fn starts_with_any(subject: &str, phrases: &[&str]) -> bool {
    let first = subject.as_bytes().first();
    phrases.iter().filter(|p| p.as_bytes().first() == first).any(|p| {
        subject.strip_prefix(p).is_some_and(|rest| p.ends_with(':') || !p.is_ascii() || !rest.starts_with(|c: char| c.is_alphanumeric()))
    })
}

/// Words of a short body that say its writer is not there.
fn says_absence(text: &str) -> bool {
    const WORDS: [&str; 22] = [
        "out of office",
        "out of the office",
        "on vacation",
        "on holiday",
        "on leave",
        "annual leave",
        "away from the office",
        "nicht im büro",
        "nicht im haus",
        "im urlaub",
        "bin ich wieder",
        "abwesend",
        "absent du bureau",
        "je suis absent",
        "en congé",
        "fuera de la oficina",
        "fora do escritório",
        "fuori ufficio",
        "in ferie",
        "niet aanwezig",
        "afwezig",
        "отсутствую",
    ];
    let head: String = text.chars().take(1_500).collect::<String>().to_lowercase();
    WORDS.iter().any(|w| head.contains(w))
}

#[cfg(test)]
mod tests;
