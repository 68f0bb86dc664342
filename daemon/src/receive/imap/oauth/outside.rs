//! What an endpoint answers, with plain values in and out.

use super::answer::read;

/// The tokens of an answer and their life in seconds, or what is shown of the trouble.
pub(crate) fn granted(status: u16, body: &[u8], secret: &str) -> Result<(String, Option<String>, u64), String> {
    let granted = read(status, body, &[secret.to_owned()]).map_err(|fault| fault.to_string())?;
    let refresh = granted.refresh.map(|token| token.reveal().to_owned());
    Ok((granted.access.reveal().to_owned(), refresh, granted.life.as_secs()))
}
