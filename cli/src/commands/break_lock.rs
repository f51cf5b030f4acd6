//! `break`.

use crate::{ExitStatus, error::CommandError, settings::Settings, ui::Ui};

/// Runs the command.
pub(crate) fn run(
    _key: &str,
    _token: u64,
    _kill: bool,
    _settings: &Settings,
    _ui: &mut Ui,
) -> Result<ExitStatus, CommandError> {
    Err(CommandError::not_built("`break`"))
}
