//! `doctor`.

use crate::{ExitStatus, error::CommandError, settings::Settings, ui::Ui};

/// Runs the command.
pub(crate) fn run(_settings: &Settings, _ui: &mut Ui) -> Result<ExitStatus, CommandError> {
    Err(CommandError::not_built("`doctor`"))
}

/// Reports that the configuration itself is wrong.
pub(crate) fn only_configuration(error: &CommandError, ui: &mut Ui) -> ExitStatus {
    ui.fail(error)
}
