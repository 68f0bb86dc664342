//! What reads the octets of a server that mail is sent to, with plain values in and out: for what must hold for any octets.

use tokio::io::AsyncRead;

use super::dot;
use super::offers::Offers;
use super::reply::Reader;
use super::sts::Policy;

/// One reply: its code, its lines, how it is shown, and the mechanisms it would offer to log in.
pub(crate) struct Said {
    /// Three digits.
    pub(crate) code: u16,
    /// The text of each line.
    pub(crate) lines: Vec<String>,
    /// All of it in one line.
    pub(crate) shown: String,
    /// How often a word of a mechanism is offered.
    pub(crate) mechanisms: usize,
}

/// Replies until the first error, and that.
pub(crate) async fn replies(mut io: impl AsyncRead + Unpin) -> (Vec<Said>, String) {
    let (mut reader, mut replies) = (Reader::default(), Vec::new());
    loop {
        match reader.read(&mut io).await {
            Ok(answer) => {
                let mechanisms = Offers::read(&answer).auth.len();
                replies.push(Said { code: answer.code, shown: answer.to_string(), lines: answer.lines, mechanisms });
            }
            Err(error) => return (replies, error.to_string()),
        }
    }
}

/// A mail with its line ends in order, and as it goes over the wire with its end.
pub(crate) fn written(mail: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let normal = dot::normalise(mail);
    let wire = [dot::stuff(&normal).as_slice(), dot::FINAL_DOT].concat();
    (normal.into_owned(), wire)
}

/// Mode, servers, seconds, and whether each of the servers is named, of a policy of MTA-STS.
pub(crate) fn policy(text: &[u8]) -> Result<(String, Vec<String>, u64, bool), &'static str> {
    let policy = Policy::parse(text)?;
    let is_named = policy.mx.iter().all(|server| policy.names(&server.replacen("*.", "any.", usize::from(server.starts_with("*.")))));
    Ok((format!("{:?}", policy.mode).to_lowercase(), policy.mx, policy.max_age, is_named))
}
