//! Commands whose part is not built yet: they say so and never pretend.

use std::ffi::OsString;

use clap::Subcommand;

use super::failure::Failure;

/// Whatever would be asked of it.
#[derive(Debug, clap::Args)]
pub(super) struct Rest {
    #[arg(hide = true, trailing_var_arg = true, allow_hyphen_values = true)]
    _rest: Vec<OsString>,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Check the chain of the event log (not built yet)
    Audit(Rest),
    /// Privacy requests (not built yet)
    Customer(Rest),
}

impl Command {
    /// What every one of them answers.
    pub(super) fn failure(&self) -> Failure {
        Failure::unbuilt(match self {
            Self::Audit(_) => "audit",
            Self::Customer(_) => "customer",
        })
    }
}
