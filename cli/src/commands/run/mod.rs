//! `run`: a command under a lock.

use crate::{ExitStatus, args::RunArgs, error::CommandError, settings::Settings, ui::Ui};

/// Runs the command.
pub(crate) fn run(_args: RunArgs, _settings: Settings, ui: &mut Ui) -> ExitStatus {
    ui.fail(&CommandError::not_built("`run`"))
}
