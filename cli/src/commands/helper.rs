//! Helper processes: programs of our own that outlive the command that starts them.

use crate::{ExitStatus, args::HelperArgs};

/// Runs the named helper.
pub(crate) fn run(_args: &HelperArgs) -> ExitStatus {
    ExitStatus::USAGE
}
