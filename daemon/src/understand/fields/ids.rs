//! Message-IDs (RFC 5322 §3.6.4).

use crate::understand::mime::headers::unfold;

/// The ids of a field without their angle brackets, in order; an id without brackets counts when it looks like one.
pub fn list(value: &[u8], longest: usize) -> Vec<String> {
    let text = unfold(value);
    let mut out = Vec::new();
    let mut rest = text.as_str();
    while let Some((before, after)) = rest.split_once('<') {
        out.extend(bare(before, longest));
        match after.split_once('>') {
            Some((id, behind)) => {
                out.extend(one(id, longest));
                rest = behind;
            }
            None => {
                rest = after;
                break;
            }
        }
    }
    out.extend(bare(rest, longest));
    out
}

fn bare(text: &str, longest: usize) -> Vec<String> {
    text.split([' ', '\t', ',']).filter(|w| w.contains('@')).filter_map(|w| one(w, longest)).collect()
}

/// White space inside an id is what folding left there.
fn one(id: &str, longest: usize) -> Option<String> {
    let mut id = id.to_owned();
    id.retain(|c| !c.is_whitespace());
    let fine = !id.is_empty() && id.len() <= longest && !id.contains(|c: char| c.is_control() || c == '<' || c == '>');
    fine.then_some(id)
}

#[cfg(test)]
mod tests {
    use super::list;

    #[test]
    fn ids_with_and_without_brackets() {
        assert_eq!(list(b" <a@b>\r\n <c@d> text e@f", 512), ["a@b", "c@d", "e@f"]);
        assert_eq!(list(b"<a@\r\n b>", 512), ["a@b"]);
        assert_eq!(list(b"<no-at> <>", 512), ["no-at"]);
        assert!(list(&b"<".repeat(100_000), 512).is_empty());
    }
}
