//! Signs mail by DKIM (RFC 6376) with dkimpy, which shares no code with what verifies it.

use std::path::PathBuf;
use std::process::Command;

use crate::dns::Dns;
use crate::program::run;

/// Reads a mail, writes its DKIM-Signature; then puts `l=`, `t=` and `x=` as told.
const SIGN: &str = r#"
import sys, dkim
key, domain, selector, names, length, ago, life, algorithm = sys.argv[1:]
mail = sys.stdin.buffer.read()
import time
real = time.time
time.time = lambda: real() - int(ago)
signer = dkim.DKIM(mail, signature_algorithm=algorithm.encode())
include = [n.encode() for n in names.split(":")]
extra = {}
if int(life):
    # dkimpy has no x= of its own: it goes in with the fields it signs.
    original = dkim.DKIM.gen_header
    def gen_header(self, fields, include_headers, canon_policy, header_name, pk, standardize=False):
        fields.insert(1, (b"x", str(int(real()) - int(ago) + int(life)).encode()))
        return original(self, fields, include_headers, canon_policy, header_name, pk, standardize)
    dkim.DKIM.gen_header = gen_header
sys.stdout.buffer.write(signer.sign(selector.encode(), domain.encode(), open(key, "rb").read(), canonicalize=(b"relaxed", b"relaxed"), include_headers=include, length=bool(int(length))))
"#;

/// A key whose public half stands in a zone.
#[derive(Debug)]
pub struct Signer {
    key: PathBuf,
    /// `d=`.
    pub domain: String,
    /// `h=`.
    pub fields: &'static str,
    /// Whether it says how much of the body it covers (`l=`).
    pub length: bool,
    /// How long ago it was signed, in seconds.
    pub ago: i64,
    /// How long after that it expires, in seconds (`x=`); 0 for never.
    pub life: i64,
    /// `a=`.
    pub algorithm: &'static str,
    _folder: tempfile::TempDir,
}

impl Signer {
    /// Makes a key for a domain and publishes it.
    ///
    /// # Panics
    /// When there is no openssl.
    pub fn of(domain: &str, dns: &Dns) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let key = folder.path().join("key.pem");
        let made = Command::new("openssl").args(["genrsa", "-traditional", "-out"]).arg(&key).arg("2048").output();
        assert!(made.is_ok_and(|made| made.status.success()), "openssl makes a key");
        let public = Command::new("openssl").args(["rsa", "-pubout", "-in"]).arg(&key).output().expect("openssl runs");
        let public = String::from_utf8_lossy(&public.stdout).lines().filter(|line| !line.starts_with("---")).collect::<String>();
        dns.text(&format!("s._domainkey.{domain}"), &format!("v=DKIM1; k=rsa; p={public}"));
        Self {
            key,
            domain: domain.to_owned(),
            fields: "From:To:Subject:Date:Message-ID",
            length: false,
            ago: 0,
            life: 0,
            algorithm: "rsa-sha256",
            _folder: folder,
        }
    }

    /// The mail with its signature above.
    ///
    /// # Panics
    /// When dkimpy does not sign it.
    pub fn sign(&self, mail: &[u8]) -> Vec<u8> {
        let mut python = Command::new("/usr/bin/python3");
        python.args(["-c", SIGN]).arg(&self.key).args([&self.domain, "s", self.fields]);
        python.args([i32::from(self.length).to_string(), self.ago.to_string(), self.life.to_string()]).arg(self.algorithm);
        let signed = run(python, mail);
        assert_eq!(signed.code, 0, "{}", signed.err);
        let mut out = signed.out.into_bytes();
        assert!(out.starts_with(b"DKIM-Signature"), "{}", String::from_utf8_lossy(&out));
        out.extend_from_slice(mail);
        out
    }
}
