//! `broadcast`.

use crate::{ExitStatus, args::BroadcastArgs, error::CommandError, settings::Settings, ui::Ui};

/// Runs the command.
pub(crate) fn run(_args: BroadcastArgs, _settings: &Settings, _ui: &mut Ui) -> Result<ExitStatus, CommandError> {
    Err(CommandError::not_built("`broadcast`"))
}
