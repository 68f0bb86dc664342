//! Mail into a Maildir.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::*;

/// A folder that goes away with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("ombud-relay-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        Self(path)
    }

    fn exit(&self) -> Exit {
        Exit::new(&Relay::Maildir(self.0.join("mail")), "desk.example").unwrap()
    }

    fn files(&self, part: &str) -> Vec<PathBuf> {
        fs::read_dir(self.0.join("mail").join(part)).unwrap().map(|entry| entry.unwrap().path()).collect()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn a_mail_lands_once_also_when_it_was_read_meanwhile() {
    let folder = Folder::new("once");
    let exit = folder.exit();
    for _ in 0..2 {
        assert!(matches!(exit.deliver("17", SENDER, ANN, b"Subject: x\n\n.a", &Fence::default()).await, Outcome::Sent { .. }));
    }
    let [file] = folder.files("new").try_into().unwrap();
    let mail = fs::read_to_string(&file).unwrap();
    assert_eq!(mail, "Return-Path: <support+t@desk.example>\r\nDelivered-To: ann@example.com\r\nSubject: x\r\n\r\n.a\r\n");
    assert_eq!((mode(&file), mode(file.parent().unwrap())), (0o600, 0o700));
    assert!(folder.files("tmp").is_empty());

    let name = file.file_name().unwrap().to_str().unwrap();
    fs::rename(&file, folder.0.join("mail/cur").join(format!("{name}:2,S"))).unwrap();
    assert!(matches!(exit.deliver("17", SENDER, ANN, b"Subject: x\n\n.a", &Fence::default()).await, Outcome::Sent { .. }));
    assert!(folder.files("new").is_empty());
}

#[tokio::test]
async fn the_same_id_of_another_desk_hides_nothing() {
    let folder = Folder::new("ids");
    for (recipient, mail) in [(ANN, "a"), (ANN, "b"), ("bob@example.com", "a")] {
        assert!(matches!(folder.exit().deliver("../1", SENDER, recipient, mail.as_bytes(), &Fence::default()).await, Outcome::Sent { .. }));
    }
    assert_eq!(folder.files("new").len(), 3);
}

#[tokio::test]
async fn what_a_crash_left_in_tmp_is_no_obstacle() {
    let folder = Folder::new("crash");
    assert!(matches!(folder.exit().deliver("1", SENDER, ANN, b"a", &Fence::default()).await, Outcome::Sent { .. }));
    let [file] = folder.files("new").try_into().unwrap();
    fs::rename(&file, folder.0.join("mail/tmp").join(file.file_name().unwrap())).unwrap();
    assert!(matches!(folder.exit().deliver("1", SENDER, ANN, b"a", &Fence::default()).await, Outcome::Sent { .. }));
    assert_eq!((folder.files("new").len(), folder.files("tmp").len()), (1, 0));
}

#[tokio::test]
async fn a_folder_that_cannot_be_is_the_destinations_trouble() {
    let folder = Folder::new("file");
    fs::create_dir_all(&folder.0).unwrap();
    fs::write(folder.0.join("mail"), "a file").unwrap();
    let outcome = folder.exit().deliver("1", SENDER, ANN, b"a", &Fence::default()).await;
    assert!(matches!(&outcome, Outcome::Destination { reply } if reply.contains("cannot write to")), "{outcome:?}");
    assert!(folder.exit().probe().await.unwrap_err().contains("cannot write to"));
}

#[tokio::test]
async fn a_probe_leaves_nothing_behind() {
    let folder = Folder::new("probe");
    folder.exit().probe().await.unwrap();
    folder.exit().probe().await.unwrap();
    assert!(["tmp", "new", "cur"].iter().all(|part| folder.files(part).is_empty()));
}
