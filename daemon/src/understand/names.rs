//! Names of attachments that are safe to show and to save under.

use unicode_normalization::UnicodeNormalization;

use crate::model::text::one_line;

/// Longest name in octets: file systems take 255.
const OCTETS: usize = 240;

/// A name without folders, controls, invisible characters and reserved spellings; `None` when nothing is left.
pub fn safe(raw: &str, most: usize) -> Option<String> {
    // Normalization first: it can make separators out of look-alikes.
    let normal: String = raw.nfkc().take(4 * most.max(64)).collect();
    let base = normal.rsplit(['/', '\\']).find(|p| !p.trim_matches([' ', '.']).is_empty())?;
    let kept: String = one_line(base, usize::MAX).chars().map(|c| if "<>:\"|?*".contains(c) { '_' } else { c }).collect();
    let kept = kept.trim().trim_start_matches('.').trim_end_matches(['.', ' ']);
    let kept = if is_device(kept) { format!("_{kept}") } else { kept.to_owned() };
    let kept = shorten(&kept, most);
    (!kept.is_empty()).then_some(kept)
}

/// Whether Windows takes the name for a device, whatever its extension.
fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().trim_end().to_ascii_uppercase();
    let numbered = |port: &str| stem.strip_prefix(port).is_some_and(|n| n.len() == 1 && n.chars().all(|c| c.is_ascii_digit()));
    matches!(stem.as_str(), "CON" | "PRN" | "AUX" | "NUL" | "CLOCK$" | "CONIN$" | "CONOUT$") || numbered("COM") || numbered("LPT")
}

/// Cuts a long name before its extension.
fn shorten(name: &str, most: usize) -> String {
    if name.chars().count() <= most && name.len() <= OCTETS {
        return name.to_owned();
    }
    let extension = name.rsplit_once('.').map(|(_, e)| e).filter(|e| e.chars().count() <= 10).map(|e| format!(".{e}")).unwrap_or_default();
    let room = OCTETS.saturating_sub(extension.len());
    let mut stem: String = name.chars().take(most.saturating_sub(extension.chars().count())).collect();
    while stem.len() > room {
        stem.pop();
    }
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
            ("con.txt", Some("_con.txt")),
            ("LPT1", Some("_LPT1")),
            ("console.log", Some("console.log")),
        ] {
            assert_eq!(safe(raw, 128).as_deref(), want, "{raw:?}");
        }
        let long = safe(&format!("{}.pdf", "x".repeat(100_000)), 128).unwrap_or_default();
        assert!(long.chars().count() == 128);
        let wide = safe(&format!("{}.pdf", "見".repeat(120)), 128).unwrap_or_default();
        assert!(wide.len() <= 240 && wide.ends_with("見.pdf"), "{wide}");
    }
}
