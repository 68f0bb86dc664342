//! Authentication-Results (RFC 8601 §2.2): what a relay says that it has found. Whether it is believed is decided
//! elsewhere.

use crate::model::text;

/// Longer values are not looked at.
const LENGTH: usize = 8 * 1024;
/// More statements than any relay makes.
const STATEMENTS: usize = 100;

/// One field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Results {
    /// Who says it; `None` where the field begins with a statement, as Microsoft's does.
    pub(super) by: Option<String>,
    /// What they say.
    pub(super) statements: Vec<Statement>,
}

/// One `method=result` with its properties.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Statement {
    /// Lower case, without a version.
    pub(super) method: String,
    /// Lower case.
    pub(super) result: String,
    /// `ptype.property` in lower case and its value without quotes.
    pub(super) properties: Vec<(String, String)>,
}

impl Statement {
    /// The value of a property.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.properties.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }
}

impl Results {
    /// All statements of a method.
    pub(super) fn of<'s>(&'s self, method: &'s str) -> impl Iterator<Item = &'s Statement> + 's {
        self.statements.iter().filter(move |s| s.method == method)
    }

    /// The result of a method that speaks once; when it speaks twice with different words, nobody knows what it says.
    pub(super) fn only(&self, method: &str) -> Option<&str> {
        let mut all = self.statements.iter().filter(|s| s.method == method).map(|s| s.result.as_str());
        let first = all.next()?;
        all.all(|other| other == first).then_some(first)
    }
}

/// Reads an unfolded value. `None` for what is too long, or where a quote or comment does not end: somebody else's
/// words may have got in.
pub(super) fn parse(value: &str) -> Option<Results> {
    let plain = without_comments(value).filter(|_| value.len() <= LENGTH)?;
    let mut parts = split(&plain, |c| c == ';').into_iter().map(str::trim).filter(|part| !part.is_empty()).take(STATEMENTS).peekable();
    let first = parts.peek()?;
    let by = match first.contains('=') {
        true => None,
        // A version may follow the name.
        false => parts.next().and_then(|part| part.split_whitespace().next()).map(|name| unquoted(name).to_ascii_lowercase()),
    };
    Some(Results { by, statements: parts.filter_map(statement).collect() })
}

fn statement(part: &str) -> Option<Statement> {
    let mut pairs = pairs(part).into_iter();
    let (method, result) = pairs.next()?;
    let method = method.split('/').next().unwrap_or_default().to_ascii_lowercase();
    let properties = pairs.map(|(name, value)| (name.to_ascii_lowercase(), unquoted(value).to_owned())).collect();
    Some(Statement { method, result: result.to_ascii_lowercase(), properties })
}

/// `name=value` words of a statement; white space around the `=` belongs to neither.
fn pairs(part: &str) -> Vec<(&str, &str)> {
    let sides = split(part, |c| c == '=' || c.is_whitespace());
    let words: Vec<&str> = sides.into_iter().filter(|word| !word.is_empty()).collect();
    let is_pair = |name: &&str, value: &&str| {
        let between = || part.get(end(part, name)..start(part, value));
        between().is_some_and(|gap| gap.trim() == "=")
    };
    let mut out = Vec::new();
    let mut at = 0;
    while let Some(name) = words.get(at) {
        match words.get(at + 1).filter(|value| is_pair(name, value)) {
            Some(value) => {
                out.push((*name, *value));
                at += 2;
            }
            None => at += 1,
        }
    }
    out
}

fn start(whole: &str, part: &str) -> usize {
    (part.as_ptr() as usize).saturating_sub(whole.as_ptr() as usize)
}

fn end(whole: &str, part: &str) -> usize {
    start(whole, part) + part.len()
}

/// Cuts at separators that are not in a quoted string.
fn split(text: &str, separator: impl Fn(char) -> bool) -> Vec<&str> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(|c: char| {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => quoted = !quoted,
            c => return !quoted && separator(c),
        }
        false
    })
    .collect()
}

fn unquoted(word: &str) -> &str {
    word.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(word)
}

/// A value without its comments; quoted strings keep their quotes. `None` where one does not end.
pub(super) fn without_comments(value: &str) -> Option<String> {
    let (out, is_sound) = text::without_comments(value);
    is_sound.then_some(out)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn googles_is_read() {
        let found = parse(
            "mx.google.com; dkim=pass header.i=@example.com header.s=s1 header.b=ab+/c; spf=pass (google.com: domain of \
             a@example.com designates 192.0.2.1 as permitted sender) smtp.mailfrom=a@example.com; dmarc=pass (p=REJECT sp=REJECT \
             dis=NONE) header.from=example.com",
        );
        let found = found.unwrap();
        assert_eq!(found.by.as_deref(), Some("mx.google.com"));
        assert_eq!(found.only("dmarc"), Some("pass"));
        assert_eq!(found.of("dkim").next().unwrap().get("header.i"), Some("@example.com"));
        assert_eq!(found.of("dkim").next().unwrap().get("header.b"), Some("ab+/c"));
        assert_eq!(found.of("spf").next().unwrap().get("smtp.mailfrom"), Some("a@example.com"));
    }

    #[test]
    fn microsofts_has_no_name() {
        let found = parse("spf=pass (sender IP is 192.0.2.1) smtp.mailfrom=example.com; dmarc=fail action=oreject header.from=example.com");
        let found = found.unwrap();
        assert_eq!((found.by.clone(), found.only("spf"), found.only("dmarc")), (None, Some("pass"), Some("fail")));
    }

    #[test]
    fn a_name_may_have_a_version_and_a_method_too() {
        let found = parse("Mx.Example.com 1; DMARC / 1 = Pass (a (b) c) header . from = \"example.com\"; none");
        assert_eq!(found.unwrap().by.as_deref(), Some("mx.example.com"));
        let found = parse("mx.example.com; dmarc/1=PASS header.from = \"example.com\"").unwrap();
        assert_eq!(found.only("dmarc"), Some("pass"));
        assert_eq!(found.of("dmarc").next().unwrap().get("header.from"), Some("example.com"));
    }

    #[test]
    fn words_of_others_in_quotes_and_comments_are_no_statements() {
        let found = parse("mx.test; spf=fail smtp.mailfrom=\"x; dmarc=pass header.from=a.test\"@b.test (y; dmarc=pass)").unwrap();
        assert_eq!((found.only("spf"), found.only("dmarc")), (Some("fail"), None));
        for torn in ["mx.test; spf=fail (a) ; b) ; dmarc=pass", "mx.test; spf=fail \"a; dmarc=pass", "mx.test; spf=fail (a; dmarc=pass"] {
            assert_eq!(parse(torn), None, "{torn}");
        }
    }

    #[test]
    fn two_words_of_one_method_are_none() {
        assert_eq!(parse("mx.test; dmarc=pass; dmarc=fail").unwrap().only("dmarc"), None);
    }

    #[test]
    fn a_long_one_is_not_looked_at() {
        assert_eq!(parse(&format!("mx.test; dmarc=pass {}", "x".repeat(LENGTH))), None);
    }

    proptest! {
        #[test]
        fn any_text_has_an_answer(text in "[\\PC ;=()\"\\\\./@-]{0,200}") {
            if let Some(found) = parse(&text) {
                prop_assert!(found.statements.len() <= STATEMENTS);
            }
        }

        #[test]
        fn what_was_written_is_read(by in "[a-z]{1,9}\\.test", result in "pass|fail|none", value in "[a-z0-9.@+/-]{1,20}") {
            let found = parse(&format!("{by};\tdkim={result} header.d={value}")).unwrap();
            prop_assert_eq!(found.by, Some(by));
            let one = &found.statements[0];
            prop_assert_eq!((one.result.as_str(), one.get("header.d")), (result.as_str(), Some(value.as_str())));
        }
    }
}
