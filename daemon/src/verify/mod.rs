//! Who wrote this: the checks of a mail's From.
//!
//! SPF, DKIM and DMARC are not built yet. Until they are, nothing is aligned unless the configuration says that a
//! gateway before us has verified (`require = "none"`); then every From counts as aligned.

use crate::config::{Config, Require};
use crate::model::Verdict;

/// The verdict about one mail.
pub fn verdict(config: &Config) -> Verdict {
    Verdict { aligned: config.authentication.require == Require::None, ..Verdict::default() }
}
