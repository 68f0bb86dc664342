//! Names of attachments that are safe to show and to save under.

use unicode_normalization::UnicodeNormalization;

use crate::model::text::one_line;

/// A name without folders, controls, invisible characters and reserved spellings; `None` when nothing is left.
pub fn safe(raw: &str, most: usize) -> Option<String> {
    // Normalization first: it can make separators out of look-alikes.
    let normal: String = raw.nfkc().take(4 * most.max(64)).collect();
    let base = normal.rsplit(['/', '\\']).find(|p| !p.trim_matches([' ', '.']).is_empty())?;
    let kept: String = one_line(base, usize::MAX).chars().map(|c| if "<>:\"|?*".contains(c) { '_' } else { c }).collect();
    let kept = kept.trim().trim_start_matches('.').trim_end_matches(['.', ' ']);
    let kept = shorten(kept, most);
    (!kept.is_empty()).then_some(kept)
}

/// Cuts a long name before its extension.
fn shorten(name: &str, most: usize) -> String {
    let length = name.chars().count();
    if length <= most {
        return name.to_owned();
    }
    let extension = name.rsplit_once('.').map(|(_, e)| e).filter(|e| e.chars().count() <= 10).map(|e| format!(".{e}")).unwrap_or_default();
    let stem: String = name.chars().take(most.saturating_sub(extension.chars().count())).collect();
    format!("{stem}{extension}")
}

#[cfg(test)]
mod tests {
    use super::safe;

    #[test]
    fn names_lead_nowhere() {
        for (raw, want) in [
            ("../../etc/cron.d/x", Some("x")),
            ("C:\\temp\\a.txt", Some("a.txt")),
            ("\u{200b}.htaccess", Some("htaccess")),
            ("a\u{202e}txt.exe", Some("atxt.exe")),
            ("a\r\nX: y", Some("a X_ y")),
            ("..", None),
            ("a\u{ff0f}b", Some("b")),
            ("Rechnung März.pdf", Some("Rechnung März.pdf")),
        ] {
            assert_eq!(safe(raw, 128).as_deref(), want, "{raw:?}");
        }
        let long = safe(&format!("{}.pdf", "x".repeat(100_000)), 128).unwrap_or_default();
        assert!(long.chars().count() == 128);
    }
}
