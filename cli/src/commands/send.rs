//! `send`.

use crate::{ExitStatus, args::SendArgs, error::CommandError, settings::Settings, ui::Ui};

/// Runs the command.
pub(crate) fn run(_args: SendArgs, _settings: &Settings, _ui: &mut Ui) -> Result<ExitStatus, CommandError> {
    Err(CommandError::not_built("`send`"))
}
