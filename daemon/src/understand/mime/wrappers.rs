//! Mail that is encrypted or signed (RFC 1847, RFC 3156, RFC 8551): kept as it is, never opened, and said so.

use memchr::memmem;

use super::tree::{Part, Tree};

/// What people should know about the wrapper of a mail.
pub fn warnings(tree: &Tree, text: &str) -> Vec<String> {
    let any = |test: &dyn Fn(&Part) -> bool| tree.parts.iter().any(test);
    let smime = |part: &Part| matches!(part.kind.value.as_str(), "application/pkcs7-mime" | "application/x-pkcs7-mime");
    let signed_data = |part: &Part| {
        part.kind.get("smime-type").is_some_and(|t| t.eq_ignore_ascii_case("signed-data"))
            || part.name().is_some_and(|n| n.to_ascii_lowercase().ends_with(".p7s"))
    };
    let mut out = Vec::new();
    let mut add = |found: bool, text: &str| {
        if found {
            out.push(text.to_owned());
        }
    };
    let armoured = memmem::find(text.as_bytes(), b"-----BEGIN PGP ").is_some();
    let armour = |kind: &str| {
        let mark = format!("-----BEGIN PGP {kind}-----");
        armoured && text.lines().take(5_000).any(|line| line.trim_end() == mark)
    };
    add(
        any(&|p| p.is("application/pgp-encrypted")) || armour("MESSAGE"),
        "this mail is encrypted with OpenPGP; it is kept as it is and was not read",
    );
    add(any(&|p| smime(p) && !signed_data(p)), "this mail is encrypted with S/MIME; it is kept as it is and was not read");
    add(any(&|p| smime(p) && signed_data(p)), "this mail is wrapped in an S/MIME signature; it is kept as it is and was not read");
    add(
        any(&|p| p.is("application/pgp-signature")) || armour("SIGNED MESSAGE"),
        "this mail is signed with OpenPGP; the signature was not checked",
    );
    add(
        any(&|p| matches!(p.kind.value.as_str(), "application/pkcs7-signature" | "application/x-pkcs7-signature")),
        "this mail is signed with S/MIME; the signature was not checked",
    );
    out
}

#[cfg(test)]
mod tests {
    use crate::understand::{Limits, understand};

    fn told(raw: &str) -> (String, usize) {
        let mail = understand(raw.as_bytes(), &Limits::default());
        (mail.warnings.iter().filter(|w| w.starts_with("this mail is")).cloned().collect::<Vec<_>>().concat(), mail.attachments.len())
    }

    #[test]
    fn wrappers_are_kept_and_told() {
        let multi =
            |kind: &str, inner: &str| format!("From: a@x.test\nContent-Type: multipart/{kind}; boundary=b\n\n--b\n{inner}\n--b--\n");
        let (text, files) = told(&multi("encrypted", "Content-Type: application/pgp-encrypted\n\nVersion: 1\n--b\n\nsecret"));
        assert!(text.contains("encrypted with OpenPGP") && files == 2, "{text}");
        let (text, files) = told(&multi("signed", "\nhello\n--b\nContent-Type: application/pkcs7-signature\n\nx"));
        assert!(text.contains("signed with S/MIME") && files == 1, "{text}");
        let smime = |extra: &str| told(&format!("From: a@x.test\nContent-Type: application/pkcs7-mime; {extra}\n\nMIAG"));
        assert!(smime("smime-type=enveloped-data; name=smime.p7m").0.contains("encrypted with S/MIME"));
        assert!(smime("smime-type=signed-data; name=smime.p7m").0.contains("wrapped in"));
        assert!(told("From: a@x.test\n\n-----BEGIN PGP MESSAGE-----\n\nhQ\n").0.contains("OpenPGP"));
        assert_eq!(told("From: a@x.test\n\nhow do I write -----BEGIN PGP MESSAGE----- here?\n").0, "");
    }
}
