//! `status`.

use crate::{ExitStatus, error::CommandError, settings::Settings, ui::Ui};

/// Runs the command.
pub(crate) fn run(_key: Option<String>, _settings: &Settings, _ui: &mut Ui) -> Result<ExitStatus, CommandError> {
    Err(CommandError::not_built("`status`"))
}
