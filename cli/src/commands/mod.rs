//! The commands, one file each.

mod agents;
mod break_lock;
mod broadcast;
mod companion;
mod completions;
mod config;
mod demo;
mod doctor;
mod run;
mod send;
mod sending;
mod status;

use crate::{
    ExitStatus,
    args::{Command, ConfigCommand, GlobalArgs},
    error::CommandError,
    settings::Settings,
    ui::Ui,
};

/// Runs the helper processes, which need no settings: what they work with, their starter tells them.
pub(crate) fn helper(command: &Command) -> Option<ExitStatus> {
    match command {
        Command::Helper(args) => Some(companion::run(args)),
        _ => None,
    }
}

/// Runs a command.
pub(crate) fn dispatch(command: Command, settings: Settings, ui: &mut Ui) -> ExitStatus {
    let outcome = match command {
        // These two have statuses of their own.
        Command::Run(args) => return run::run(args, settings, ui),
        Command::Demo(args) => return demo::run(&args, &settings, ui),
        // And what these two did is done, whatever becomes of the report.
        Command::Send(args) => return send::run(args, &settings, ui).unwrap_or_else(|error| ui.fail(&error)),
        Command::Broadcast(args) => return broadcast::run(args, &settings, ui).unwrap_or_else(|error| ui.fail(&error)),
        Command::Status { key } => status::run(key, &settings, ui),
        Command::Break { key, token, kill } => break_lock::run(&key, token, kill, &settings, ui),
        Command::Agents(command) => agents::run(command, &settings, ui),
        Command::Doctor => doctor::run(&settings, ui),
        Command::Config(command) => config::run(command, &settings, ui),
        Command::Completions { shell } => Ok(completions::run(shell, ui)),
        Command::Outbox(_) => Err(CommandError::not_built("`outbox`")),
        Command::History(_) => Err(CommandError::not_built("`history`")),
        Command::Stats(_) => Err(CommandError::not_built("`stats`")),
        Command::Top(_) => Err(CommandError::not_built("`top`")),
        Command::Helper(args) => Ok(companion::run(&args)),
    };
    let status = outcome.unwrap_or_else(|error| ui.fail(&error));
    ui.unless_lost(status)
}

/// What still works when the settings cannot be resolved.
pub(crate) fn without_settings(command: Command, error: CommandError, global: &GlobalArgs, ui: &mut Ui) -> ExitStatus {
    match command {
        Command::Completions { shell } => completions::run(shell, ui),
        Command::Doctor => doctor::only_configuration(&error, ui),
        Command::Config(ConfigCommand::Init { dir }) => {
            config::init(dir, global.root.as_deref(), ui).unwrap_or_else(|error| ui.fail(&error))
        }
        _ => ui.fail(&error),
    }
}
