//! `config`.

use std::path::{Path, PathBuf};

use crate::{ExitStatus, args::ConfigCommand, error::CommandError, settings::Settings, ui::Ui};

/// Runs the command.
pub(crate) fn run(_command: ConfigCommand, _settings: &Settings, _ui: &mut Ui) -> Result<ExitStatus, CommandError> {
    Err(CommandError::not_built("`config`"))
}

/// Writes a commented talkstick.toml.
pub(crate) fn init(_dir: Option<PathBuf>, _root: Option<&Path>, _ui: &mut Ui) -> Result<ExitStatus, CommandError> {
    Err(CommandError::not_built("`config init`"))
}
