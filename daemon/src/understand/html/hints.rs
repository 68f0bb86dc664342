//! The marks that mail programs, and we ourselves, leave in HTML around quotes and signatures.

use super::tokens::{attributes, lower};

/// The attribute of the element around our own notifications: some programs rename ids and classes.
pub const OUR_ATTRIBUTE: &str = "data-ombud";

/// What markup says about a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Hint {
    /// Nothing.
    #[default]
    None,
    /// Says who wrote the quote that follows.
    Attribution,
    /// From here on everything is quoted.
    Cut,
    /// Belongs to the signature.
    Signature,
}

/// What class, id and style of an element say; the marks that the common mail programs leave.
pub fn hint(name: &str, raw: &str) -> Option<Hint> {
    if raw.len() < 6 || name == "blockquote" {
        return None;
    }
    let mut hint = None;
    for (key, value) in attributes(raw) {
        hint = hint.or_else(|| match key.as_ref() {
            "class" | "id" => value.split_whitespace().find_map(|word| of_word(lower(word).trim_start_matches("x_"))),
            "data-smartmail" if value.eq_ignore_ascii_case("gmail_signature") => Some(Hint::Signature),
            OUR_ATTRIBUTE => Some(Hint::Cut),
            "style" => outlook_rule(&lower(value)).then_some(Hint::Cut),
            _ => None,
        });
    }
    hint
}

fn of_word(word: &str) -> Option<Hint> {
    match word {
        "gmail_attr" | "moz-cite-prefix" | "moz-email-headers-table" | "protonmail_quote_header" => Some(Hint::Attribution),
        "divrplyfwdmsg"
        | "appendonsend"
        | "olk_src_body_section"
        | "yahoo_quoted"
        | "mail-editor-reference-message-container"
        | "zmail_extra"
        | "ydp_yahoo_quoted"
        | "outlookmessageheader" => Some(Hint::Cut),
        "gmail_signature"
        | "gmail_signature_prefix"
        | "moz-signature"
        | "applemailsignature"
        | "signature"
        | "ms-outlook-mobile-signature"
        | "protonmail_signature_block"
        | "signature_block" => Some(Hint::Signature),
        _ if word.starts_with("yahoo_quoted") || word.ends_with("yahoo_quoted") => Some(Hint::Cut),
        _ => None,
    }
}

/// How the versions of Outlook draw it, without blanks.
const RULES: [&str; 6] = [
    "border-top:solid#e1e1e11.0pt",
    "border-top:solid#b5c4df1.0pt",
    "border-top:1ptsolid#e1e1e1",
    "border-top:1ptsolidrgb(225,225,225)",
    "border-top:1.0ptsolid#e1e1e1",
    "border-top:solidwindowtext1.0pt",
];

/// The line that Outlook draws above the header block of what it quotes.
fn outlook_rule(style: &str) -> bool {
    if !style.contains("border-top") {
        return false;
    }
    let squeezed: String = style.chars().filter(|c| !c.is_whitespace()).collect();
    squeezed.contains("border:none") && RULES.iter().any(|rule| squeezed.contains(rule))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_of_programs() {
        for (name, raw, want) in [
            ("div", " id=\"x_divRplyFwdMsg\"", Hint::Cut),
            ("div", " style=\"border:none;border-top:solid #E1E1E1 1.0pt;padding:3.0pt 0cm 0cm 0cm\"", Hint::Cut),
            ("div", " style='border:none; border-top:solid #B5C4DF 1.0pt'", Hint::Cut),
            ("div", " data-ombud=notification class=x_renamed", Hint::Cut),
            ("div", " class=\"gmail_attr\"", Hint::Attribution),
            ("div", " class=moz-cite-prefix", Hint::Attribution),
            ("div", " class=\"protonmail_signature_block protonmail_signature_block-empty\"", Hint::Signature),
            ("div", " class=\"ydp12ab_yahoo_quoted\"", Hint::Cut),
        ] {
            assert_eq!(hint(name, raw), Some(want), "{raw}");
        }
        assert_eq!(hint("div", " style=\"border-top:1px solid red\""), None);
    }
}
