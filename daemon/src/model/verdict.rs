//! Who wrote this: what the checks of a mail's author found.

use serde::{Deserialize, Serialize};

/// The outcome of authenticating the From of one mail, with what it was made from. `None` means that the check was not
/// made. The words are those of RFC 8601 §2.7.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// SPF of MAIL FROM, or of HELO when that is empty (RFC 7208 §2.6).
    pub spf: Option<String>,
    /// DKIM (RFC 6376 §3.9): `policy` when no signature is one that counts, `neutral` when all are of strangers.
    pub dkim: Option<String>,
    /// DMARC (RFC 9989).
    pub dmarc: Option<String>,
    /// Whether a verified identity is in the From's organizational domain.
    pub aligned: bool,
    /// What has proven it.
    #[serde(default)]
    pub by: Option<By>,
    /// The domain that was proven, or whose word was taken.
    #[serde(default)]
    pub identity: Option<String>,
    /// The domain of From.
    #[serde(default)]
    pub domain: Option<String>,
    /// What that domain asks for where DMARC fails: `none`, `quarantine` or `reject`.
    #[serde(default)]
    pub policy: Option<String>,
}

/// What has proven an author.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// A DKIM signature.
    Dkim,
    /// SPF alone.
    Spf,
    /// Authentication-Results (RFC 8601) of somebody who is trusted.
    Results,
    /// The author has authenticated (RFC 4954), to us or to a relay that is trusted with that.
    Submission,
    /// Nothing: the configuration believes every From.
    Nobody,
}

impl Verdict {
    /// Whether asking again later may find more.
    pub fn is_temporary(&self) -> bool {
        !self.aligned && [&self.spf, &self.dkim, &self.dmarc].into_iter().any(|word| word.as_deref() == Some("temperror"))
    }

    /// The verdict as a sentence for people.
    pub fn in_words(&self) -> String {
        let named = |domain: &Option<String>| domain.clone().unwrap_or_else(|| "?".to_owned());
        let identity = named(&self.identity);
        let proof = match self.by {
            Some(By::Dkim) => format!("proven by a DKIM signature of {identity}"),
            Some(By::Spf) => format!("proven by SPF of {identity} alone"),
            Some(By::Results) => format!("proven by the Authentication-Results of {identity}"),
            Some(By::Submission) => format!("proven by logging in as {identity}"),
            Some(By::Nobody) => "believed without a check (require = \"none\")".to_owned(),
            None if self.dmarc.as_deref() == Some("fail") => {
                format!("denied by the domain {} (DMARC, policy {})", named(&self.domain), named(&self.policy))
            }
            None if self.is_temporary() => "not proven; the DNS could not be asked".to_owned(),
            None if self.domain.is_none() => "nobody: From names no one author".to_owned(),
            None => "not proven".to_owned(),
        };
        let word = |name: &str, word: &Option<String>| word.as_ref().map(|word| format!("{name} {word}"));
        let words = [word("SPF", &self.spf), word("DKIM", &self.dkim), word("DMARC", &self.dmarc)];
        let words: Vec<String> = words.into_iter().flatten().collect();
        if words.is_empty() { proof } else { format!("{proof} ({})", words.join(", ")) }
    }
}
