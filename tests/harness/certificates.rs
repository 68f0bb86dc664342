//! Certificates for servers on loopback, of an authority that only this test knows.

use std::fs;
use std::path::Path;
use std::process::Command;

/// Puts `ca.pem`, `cert.pem` and `key.pem` for 127.0.0.1 and localhost into a folder; what was there is replaced.
///
/// # Panics
/// When openssl is missing: `tests/run` installs it.
pub fn make(folder: &Path) {
    make_for(folder, "IP:127.0.0.1,DNS:localhost");
}

/// The same for these names (as in subjectAltName).
///
/// # Panics
/// When openssl is missing.
pub fn make_for(folder: &Path, names: &str) {
    let at = |name: &str| folder.join(name).display().to_string();
    let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
    let ca = ["-x509", "-days", "30", "-subj", "/CN=Test authority", "-keyout", &at("ca.key"), "-out", &at("ca.pem")];
    openssl(&[&["req"], &key[..], &ca[..]].concat());
    openssl(&[&["req"], &key[..], &["-subj", "/CN=localhost", "-keyout", &at("key.pem"), "-out", &at("request.pem")]].concat());
    fs::write(folder.join("extensions"), format!("subjectAltName={names}\nextendedKeyUsage=serverAuth\n")).expect("a file");
    let (request, authority, extensions) = (at("request.pem"), at("ca.pem"), at("extensions"));
    let sign = ["x509", "-req", "-days", "30", "-in", &request, "-CA", &authority, "-CAkey", &at("ca.key"), "-CAcreateserial"];
    openssl(&[&sign[..], &["-extfile", &extensions, "-out", &at("cert.pem")]].concat());
}

fn openssl(arguments: &[&str]) {
    let ran = Command::new("openssl").args(arguments).output().expect("openssl (tests/run installs it)");
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
}
