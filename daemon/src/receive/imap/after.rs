//! What is done with a mail on the server once it is kept here, and never before.

use crate::config::Imap;

use super::error::Fault;
use super::names;
use super::session::Session;

/// `after` of `[mailboxes.imap]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum After {
    Keep,
    Seen,
    Move(String),
    Delete,
}

impl After {
    pub(super) fn of(imap: &Imap) -> Self {
        match (imap.after.as_str(), imap.after.strip_prefix("move:")) {
            (_, Some(folder)) => Self::Move(folder.trim().to_owned()),
            ("seen", _) => Self::Seen,
            ("delete", _) => Self::Delete,
            _ => Self::Keep,
        }
    }

    /// Does it with these mails, by a set of UIDs as `names::set` writes it. A text is what a person should know.
    pub(super) async fn carry_out(&self, session: &mut Session, set: &str) -> Result<Option<String>, Fault> {
        match self {
            Self::Keep => Ok(None),
            Self::Seen => flag(session, set, "\\Seen").await.map(|()| None),
            Self::Move(folder) => {
                let folder = names::quoted(&names::folder(folder));
                if session.can("MOVE") {
                    session.simple("MOVE", &format!("UID MOVE {set} {folder}")).await?;
                    return Ok(None);
                }
                session.simple("COPY", &format!("UID COPY {set} {folder}")).await?;
                match delete(session, set).await {
                    // To copy it again each time would fill that folder.
                    Err(Fault::Refused { text, .. }) => Ok(Some(format!(
                        "fetched mail was copied and stays in its folder as well: the server refuses to delete it: {text}"
                    ))),
                    other => other,
                }
            }
            Self::Delete => delete(session, set).await,
        }
    }
}

async fn flag(session: &mut Session, set: &str, flag: &str) -> Result<(), Fault> {
    session.simple("STORE", &format!("UID STORE {set} +FLAGS.SILENT ({flag})")).await
}

/// Without UIDPLUS (RFC 4315) only a plain EXPUNGE is left, which would take what others have marked as well.
async fn delete(session: &mut Session, set: &str) -> Result<Option<String>, Fault> {
    flag(session, set, "\\Deleted").await?;
    if session.can("UIDPLUS") {
        session.simple("EXPUNGE", &format!("UID EXPUNGE {set}")).await?;
        return Ok(None);
    }
    let note = "fetched mail is marked \\Deleted and stays until somebody expunges the folder: the server lacks UIDPLUS";
    Ok(Some(note.to_owned()))
}
