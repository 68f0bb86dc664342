//! How the text of a message names the pictures that stand in it.

use std::collections::HashSet;

use super::text::{is_quoted, one_line};
use super::understood::Attachment;

/// Longest name in a placeholder, in characters.
const NAME: usize = 60;
/// Most pictures that stand in one text; the rest are attached.
const MOST: usize = 100;
/// What every client can show. Others, and what can hold scripts (SVG), are attached.
const SHOWN: [&str; 5] = ["image/png", "image/jpeg", "image/jpg", "image/gif", "image/webp"];

/// The placeholder of each attachment, `[image: name.png]`; `None` for what is no picture of the text. No two are the same.
pub fn placeholders(attachments: &[Attachment]) -> Vec<Option<String>> {
    let mut taken = HashSet::new();
    let mark = |attachment: &Attachment| {
        let shown = attachment.inline && attachment.content_id.is_some() && SHOWN.contains(&attachment.content_type.as_str());
        if !shown || taken.len() >= MOST {
            return None;
        }
        let name = attachment.name.as_deref().unwrap_or("picture").replace(['[', ']'], "_");
        let name = one_line(&name, NAME);
        let numbered = (2..=MOST + 1).map(|n| format!("[image: {name} ({n})]"));
        let mark = std::iter::once(format!("[image: {name}]")).chain(numbered).find(|mark| !taken.contains(mark))?;
        taken.insert(mark.clone());
        Some(mark)
    };
    attachments.iter().map(mark).collect()
}

/// Whether a text has a placeholder outside of its quotes.
pub fn stands(text: &str, placeholder: &str) -> bool {
    text.lines().any(|line| !is_quoted(line) && line.contains(placeholder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_picture_has_a_name_of_its_own() {
        let image = |name: &str, kind: &str, inline: bool| Attachment {
            name: Some(name.into()),
            content_type: kind.into(),
            inline,
            content_id: Some("x".into()),
            ..Attachment::default()
        };
        let list = [
            image("a.png", "image/png", true),
            image("a.png (2)", "image/png", true),
            image("a.png", "image/jpeg", true),
            image("a.svg", "image/svg+xml", true),
            image("b.png", "image/png", false),
            image("c]\n.png", "image/gif", true),
        ];
        let marks = ["[image: a.png]", "[image: a.png (2)]", "[image: a.png (3)]", "", "", "[image: c_ .png]"];
        assert_eq!(placeholders(&list), marks.map(|mark| Some(mark.to_owned()).filter(|mark| !mark.is_empty())));
        assert_eq!(placeholders(&vec![image("a.png", "image/png", true); 300]).iter().flatten().count(), MOST);
    }
}
