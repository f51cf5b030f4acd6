//! Arguments of the hidden companion processes.

use std::ffi::OsString;

use clap::Args;

/// What makes this program the keeper of the clipboard.
#[cfg(unix)]
pub(crate) const KEEPER_ARGUMENTS: [&str; 2] = ["helper", "keeper"];

/// A helper's name and what it is told: each helper reads its own.
#[derive(Debug, Args)]
pub(crate) struct CompanionArgs {
    /// Which helper
    pub(crate) name: String,
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub(crate) rest: Vec<OsString>,
}
