//! Files that stand uuencoded inside a text, as mail had them before MIME (POSIX.1 uuencode).

use memchr::memmem;

use super::headers::lines;
use super::transfer::uu_line;
use super::tree::Part;

/// Most files of one text.
const MOST: usize = 50;

/// A file of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Its name as written, in the octets of the text.
    pub name: Vec<u8>,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// [`split`] for a part of a mail.
pub fn of(part: &Part) -> Option<(Vec<u8>, Vec<File>)> {
    // What is coded in base64 has no reason to be coded once more.
    let likely = part.encoding != "base64" && opens(part.body);
    if likely { split(&part.bytes()) } else { None }
}

fn opens(text: &[u8]) -> bool {
    text.starts_with(b"begin ") || memmem::find(text, b"\nbegin ").is_some()
}

/// The files of a text and the text without them; `None` when there is none. Only what is whole, from its `begin` to its
/// `end`, is a file.
pub fn split(text: &[u8]) -> Option<(Vec<u8>, Vec<File>)> {
    let mut files = Vec::new();
    let mut rest = Vec::with_capacity(text.len());
    // A file that is being read, and where its `begin` stands; until its `end` it is text.
    let mut open: Option<(usize, File)> = None;
    let (mut start, mut done, mut kept) = (0, false, 0);
    for (line, after) in lines(text) {
        let begin = std::mem::replace(&mut start, after);
        match (&mut open, name(line)) {
            (None, Some(name)) if files.len() < MOST => open = Some((begin, File { name, bytes: Vec::new() })),
            (None, _) => {}
            (Some(_), _) if line == b"end" => {
                if let Some((from, file)) = open.take() {
                    rest.extend_from_slice(text.get(kept..from).unwrap_or_default());
                    files.push(file);
                    kept = after;
                }
                done = false;
            }
            (Some((_, file)), _) if !done && is_data(line) => {
                uu_line(line, &mut file.bytes);
                done = matches!(line, b"`" | b" " | b"");
            }
            (Some(_), Some(name)) => open = Some((begin, File { name, bytes: Vec::new() })),
            (Some(_), None) => open = None,
        }
    }
    rest.extend_from_slice(text.get(kept..).unwrap_or_default());
    (!files.is_empty()).then_some((rest, files))
}

/// The name in a `begin` line.
fn name(line: &[u8]) -> Option<Vec<u8>> {
    let (mode, name) = line.strip_prefix(b"begin ")?.split_at_checked(3)?;
    let name =
        name.strip_prefix(b" ").or_else(|| name.get(1..).filter(|_| name.first().is_some_and(u8::is_ascii_digit))?.strip_prefix(b" "))?;
    (mode.iter().all(|b| (b'0'..=b'7').contains(b)) && !name.trim_ascii().is_empty()).then(|| name.trim_ascii().to_vec())
}

/// Whether a line has the length that its first octet says, but for blanks that were lost at its end.
fn is_data(line: &[u8]) -> bool {
    let Some((&count, data)) = line.split_first() else { return true };
    let letters = usize::from(count.wrapping_sub(32) & 63).div_ceil(3) * 4;
    let fine = |b: &u8| (b' '..=b'`').contains(b);
    fine(&count)
        && data.iter().all(fine)
        && data.len() <= letters + 2
        && (data.len() + 4 > letters || count == b'M' && data.len() + 20 > letters)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn files_are_taken_out_of_a_text() {
        let text = b"Hello\n\nbegin 644 a b.txt\n#0V%T\n`\nend\nbye\nbegin 0600 c\n#0V%T\n \nend\n";
        let (rest, files) = split(text).unwrap_or_default();
        assert_eq!(String::from_utf8_lossy(&rest), "Hello\n\nbye\n");
        let cat = |name: &[u8]| File { name: name.to_vec(), bytes: b"Cat".to_vec() };
        assert_eq!(files, [cat(b"a b.txt"), cat(b"c")]);
    }

    #[test]
    fn words_that_look_like_it_stay() {
        for text in ["begin 644 work today\nand go on\nend\n", "We begin 644 x\n", "begin 644 a\n#0V%T\n", "begin 999 a\n#0V%T\n`\nend\n"] {
            assert_eq!(split(text.as_bytes()), None, "{text}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_text_has_an_answer(parts in proptest::collection::vec(prop_oneof![
            Just("begin 644 a\n"), Just("#0V%T\n"), Just("`\n"), Just("end\n"), Just("x y\n"), Just("\n"), Just("M")], 0..40)) {
            let text = parts.concat();
            if let Some((rest, files)) = split(text.as_bytes()) {
                prop_assert!(rest.len() < text.len() && !files.is_empty());
            }
        }
    }
}
