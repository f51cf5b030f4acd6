//! The seed's flags, without a command.

use std::ffi::OsString;

use crate::{
    args::{Command, GlobalArgs},
    error::CommandError,
    ui::Ui,
};

/// The flags as given.
#[derive(Debug)]
pub(crate) struct SeedFlags;

/// Whether the arguments hold flags only, no command.
pub(crate) fn is_seed_call(_argv: &[OsString]) -> bool {
    false
}

/// Reads the flags.
pub(crate) fn parse(_argv: &[OsString]) -> Result<(GlobalArgs, SeedFlags), clap::Error> {
    Ok((GlobalArgs::default(), SeedFlags))
}

/// The command that the flags ask for.
pub(crate) fn translate(_flags: &SeedFlags, _ui: &mut Ui) -> Result<Command, CommandError> {
    Err(CommandError::not_built("the old command line"))
}
