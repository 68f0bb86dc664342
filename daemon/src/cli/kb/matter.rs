//! An article as a Markdown file: front matter between two lines `---`, then the body.
//!
//! Front matter is read by hand and not as YAML: five flat words need no crate of thousands of lines, and YAML would take
//! the language `no` for false. What is written here means the same to a YAML reader.

use std::collections::BTreeMap;

use crate::model::article::{Article, Fault, Publication, Slug, Visibility};
use crate::model::text::one_line;

/// What front matter may say of an article.
const KEYS: [&str; 5] = ["title", "slug", "language", "visibility", "status"];
/// Lines around it.
const FENCE: &str = "---";

/// What is wrong with a file, and in which line of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub(super) struct Wrong {
    line: usize,
    what: String,
}

fn wrong<T>(line: usize, what: impl Into<String>) -> Result<T, Wrong> {
    Err(Wrong { line, what: what.into() })
}

/// A file, taken apart.
#[derive(Debug, Default)]
pub(super) struct Matter<'a> {
    /// Values with their lines.
    values: BTreeMap<&'static str, (usize, String)>,
    /// Keys that an article does not keep.
    pub(super) dropped: Vec<String>,
    body: &'a str,
}

/// Takes a file apart.
///
/// # Errors
/// The first line of the front matter that can't be read.
pub(super) fn read(text: &str) -> Result<Matter<'_>, Wrong> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut lines = text.split_inclusive('\n');
    let mut matter = Matter { body: text, ..Matter::default() };
    let Some(first) = lines.next().filter(|line| line.trim_end() == FENCE) else { return Ok(matter) };
    let (mut read, mut before) = (first.len(), None);
    for (number, line) in (2..).zip(lines) {
        read += line.len();
        let line = line.trim_end();
        if line == FENCE {
            let rest = text.get(read..).unwrap_or_default();
            // The blank line that stands there for people is none of the body's.
            matter.body = rest.strip_prefix("\r\n").or_else(|| rest.strip_prefix('\n')).unwrap_or(rest);
            return Ok(matter);
        }
        if !line.trim_start().is_empty() && !line.trim_start().starts_with('#') {
            before = matter.line(number, line, before)?;
        }
    }
    wrong(1, "the front matter that begins here has no end: write a line `---` behind it")
}

impl Matter<'_> {
    /// Takes one line; answers the key that lines below may belong to.
    fn line(&mut self, number: usize, line: &str, before: Option<&'static str>) -> Result<Option<&'static str>, Wrong> {
        if line.starts_with([' ', '\t', '-']) {
            return match before {
                Some(key) => wrong(number, format!("`{key}` is one line: write it behind the colon, in double quotes if need be")),
                None if self.dropped.is_empty() => wrong(number, "this is no `key: value`"),
                None => Ok(None),
            };
        }
        let (key, value) = match line.split_once(':') {
            Some((key, value)) if value.is_empty() || value.starts_with([' ', '\t']) => (key.trim_end(), value),
            _ => return wrong(number, "this is no `key: value`"),
        };
        if let Some(known) = KEYS.into_iter().find(|known| *known == key) {
            let value = scalar(value.trim()).map_err(|what| Wrong { line: number, what: format!("`{known}`: {what}") })?;
            if self.values.insert(known, (number, value)).is_some() {
                return wrong(number, format!("`{known}` stands there twice"));
            }
            return Ok(Some(known));
        }
        let shown = one_line(key, 40);
        if let Some(known) = KEYS.into_iter().find(|known| strsim::osa_distance(known, &key.to_lowercase()) <= 2) {
            return wrong(number, format!("there is no `{shown}`: do you mean `{known}`?"));
        }
        self.dropped.push(shown);
        Ok(None)
    }

    /// The article; `stem` is the file's name without its end.
    ///
    /// # Errors
    /// What can't be an article.
    pub(super) fn article(&self, stem: &str) -> Result<Article, Wrong> {
        let value = |key| self.values.get(key).filter(|(_, text)| !text.is_empty()).map(|(_, text)| text.as_str());
        let at = |key| self.values.get(key).map_or(1, |(line, _)| *line);
        let fault = |fault: Fault| {
            let key = match fault {
                Fault::Slug | Fault::NoSlug => "slug",
                Fault::Title | Fault::NoTitle => "title",
                Fault::Language => "language",
                Fault::Body => "",
            };
            Wrong { line: at(key), what: fault.to_string() }
        };
        let Some(title) = value("title").map(str::to_owned).or_else(|| heading(self.body)) else {
            return wrong(at("title"), "there is no title: write `title: …` above, or a `# heading`");
        };
        let made = Slug::made_from(stem);
        let slug = value("slug").or(made.as_ref().map(Slug::as_str));
        let mut article = Article::new(slug, &title).and_then(|a| a.saying(self.body)).map_err(fault)?;
        if let Some(language) = value("language") {
            article = article.speaking(language).map_err(fault)?;
        }
        if let Some(word) = value("visibility") {
            let found = Visibility::of(word);
            article.visibility = found.map_or_else(|| wrong(at("visibility"), "`visibility` is public or internal"), Ok)?;
        }
        if let Some(word) = value("status") {
            article.status = Publication::of(word).map_or_else(|| wrong(at("status"), "`status` is draft or published"), Ok)?;
        }
        Ok(article)
    }
}

/// A value on one line: plain, in single quotes, or in double quotes with the escapes of JSON.
fn scalar(text: &str) -> Result<String, &'static str> {
    let (value, rest) = match text.chars().next() {
        None | Some('#') => return Ok(String::new()),
        Some('"') => double(text).ok_or("what stands in double quotes can't be read")?,
        Some('\'') => single(text).ok_or("the single quote has no end")?,
        Some('[' | '{' | '&' | '*' | '!' | '|' | '>' | '%' | '@' | '`') => return Err("this is no plain word: write it in double quotes"),
        Some(_) => {
            let end = text.find(" #").or_else(|| text.find("\t#")).unwrap_or(text.len());
            return Ok(text[..end].trim_end().to_owned());
        }
    };
    let comment = rest.trim_start();
    match comment.is_empty() || (comment.starts_with('#') && comment.len() < rest.len()) {
        true => Ok(value),
        false => Err("something stands behind the quotes"),
    }
}

/// The text in double quotes, and what stands behind.
fn double(text: &str) -> Option<(String, &str)> {
    let mut found = serde_json::Deserializer::from_str(text).into_iter::<String>();
    let value = found.next()?.ok()?;
    Some((value, text.get(found.byte_offset()..)?))
}

/// The text in single quotes, where two stand for one, and what stands behind.
fn single(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut rest = text.strip_prefix('\'')?;
    loop {
        let (piece, behind) = rest.split_once('\'')?;
        value.push_str(piece);
        match behind.strip_prefix('\'') {
            Some(more) => {
                value.push('\'');
                rest = more;
            }
            None => return Some((value, behind)),
        }
    }
}

/// The first heading of the first level that does not stand in a block of code.
fn heading(body: &str) -> Option<String> {
    let mut code: Option<&str> = None;
    for line in body.lines() {
        let bare = line.trim_start_matches(' ');
        let fence = ["```", "~~~"].into_iter().find(|fence| bare.starts_with(fence));
        match (code, fence) {
            (None, Some(_)) => code = fence,
            (Some(open), Some(close)) if open == close => code = None,
            (None, None) if line.len() - bare.len() < 4 => {
                if let Some(title) = bare.strip_prefix("# ") {
                    return Some(closed(title.trim()).to_owned()).filter(|title| !title.is_empty());
                }
            }
            _ => {}
        }
    }
    None
}

/// A heading without the signs that may close it.
fn closed(title: &str) -> &str {
    let bare = title.trim_end_matches('#');
    if bare.is_empty() || bare.ends_with(' ') { bare.trim_end() } else { title }
}

/// The file of an article: reading it gives the same article.
pub(super) fn write(article: &Article) -> String {
    // A string of JSON is one of YAML, too.
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let (title, slug, language) = (quoted(article.title()), quoted(article.slug().as_str()), quoted(article.language()));
    let (visibility, status, body) = (article.visibility, article.status, article.body());
    format!("---\ntitle: {title}\nslug: {slug}\nlanguage: {language}\nvisibility: {visibility}\nstatus: {status}\n---\n\n{body}")
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn article(text: &str) -> Result<Article, String> {
        read(text).and_then(|matter| matter.article("the-file")).map_err(|wrong| wrong.to_string())
    }

    #[test]
    fn front_matter_says_what_an_article_is() {
        let text = "\u{feff}---\r\n# a comment\r\ntitle: \"How \\\"to\\\"\" # really\r\n\r\nslug: 'how-to'\r\nlanguage: no\r\nvisibility: public #x\r\nstatus:\tpublished\r\n---\r\n\r\nText\r\n";
        let found = article(text).unwrap();
        assert_eq!((found.title(), found.slug().as_str(), found.language()), ("How \"to\"", "how-to", "no"));
        assert_eq!((found.visibility, found.status, found.body()), (Visibility::Public, Publication::Published, "Text\r\n"));
        assert_eq!(article("---\ntitle: it's C# #1: 'x'\n---\n").unwrap().title(), "it's C#");
        assert_eq!(article("---\ntitle: 'it''s'\n---\nx").unwrap().title(), "it's");
    }

    #[test]
    fn a_file_without_front_matter_is_named_by_its_heading_and_itself() {
        let text = "```\n# not this\n```\n    # nor this\n#nor this\n # This one ##\n# not this\n";
        let found = article(text).unwrap();
        assert_eq!((found.title(), found.slug().as_str(), found.body()), ("This one", "the-file", text));
        assert_eq!((found.visibility, found.status), (Visibility::Internal, Publication::Draft));
        assert_eq!(article("---\nslug:\ntitle: ''\n---\n# T").unwrap().slug().as_str(), "the-file");
        assert_eq!(article("# C#").unwrap().title(), "C#");
        let nameless = read("# ?").unwrap().article("パス").unwrap_err().to_string();
        assert!(nameless.contains("slug"), "{nameless}");
    }

    #[test]
    fn keys_that_are_not_kept_are_told_with_all_their_lines() {
        let text = "---\ntags:\n  - a\n- b\ndate: 2026-11-21\nauthor: { name: Ann }\ntitle: T\n---\nx\n";
        let matter = read(text).unwrap();
        assert_eq!(matter.dropped, ["tags", "date", "author"]);
        assert_eq!(matter.article("a").unwrap().body(), "x\n");
    }

    #[test]
    fn what_is_wrong_names_its_line() {
        for (text, line, word) in [
            ("---\ntitle: T\n", 1, "no end"),
            ("---\ntitle\n---\n", 2, "key: value"),
            ("---\n- a\n---\n", 2, "key: value"),
            ("---\ntitle:T\n---\n", 2, "key: value"),
            ("---\nslug: x\ntitle:\n  a\n---\n", 4, "`title`"),
            ("---\ntitle: >\n  a\n---\n", 2, "double quotes"),
            ("---\ntitle: \"a\n---\n", 2, "double quotes"),
            ("---\ntitle: \"a\" b\n---\n", 2, "behind"),
            ("---\ntitle: 'a'#b\n---\n", 2, "behind"),
            ("---\ntitle: 'a\n---\n", 2, "single quote"),
            ("---\ntitle: a\ntitle: b\n---\n", 3, "twice"),
            ("---\ntitle: a\nVisiblity: public\n---\n", 3, "`visibility`"),
            ("---\ntitle: a\nvisibility: all\n---\n", 3, "internal"),
            ("---\ntitle: a\n\nstatus: Published\n---\n", 4, "draft"),
            ("---\ntitle: a\nslug: A b\n---\n", 3, "slug"),
            ("---\ntitle: a\nlanguage: english language\n---\n", 3, "language"),
            ("---\nslug: a\n---\ntext", 1, "title"),
            ("text", 1, "title"),
        ] {
            let told = article(text).unwrap_err();
            assert!(told.starts_with(&format!("line {line}: ")) && told.contains(word), "{text:?}: {told}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "(---\n)?(([a-z]{1,8}|title|slug|status):?[ '\"#\\\\\\[-]{0,3}.{0,12}\n){0,6}(---\n)?.{0,40}") {
            if let Ok(found) = article(&text) {
                prop_assert_eq!(article(&write(&found)), Ok(found));
            }
        }

        #[test]
        fn what_is_written_is_read_again(title in ".{1,60}", body in "[\\PC\r\n\t]{0,80}", public: bool, published: bool) {
            let Ok(found) = Article::new(Some("a-slug"), &title).and_then(|a| a.saying(&body)) else { return Ok(()) };
            let mut found = found.speaking("pt-br").unwrap();
            found.visibility = if public { Visibility::Public } else { Visibility::Internal };
            found.status = if published { Publication::Published } else { Publication::Draft };
            prop_assert_eq!(read(&write(&found)).unwrap().article("other"), Ok(found));
        }
    }
}
