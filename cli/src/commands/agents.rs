//! `agents`.

use crate::{ExitStatus, args::AgentsCommand, error::CommandError, settings::Settings, ui::Ui};

/// Runs the command.
pub(crate) fn run(_command: AgentsCommand, _settings: &Settings, _ui: &mut Ui) -> Result<ExitStatus, CommandError> {
    Err(CommandError::not_built("`agents`"))
}
