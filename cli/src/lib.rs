//! The `talkstick` program in three thin steps: typed arguments (no IO), settings (resolved and validated, each value
//! with its origin), command. [`run`] returns an exit status; `main` only hands it on.

mod args;
mod backends;
mod commands;
mod demo;
mod env_vars;
mod error;
mod exit;
mod gates;
mod legacy;
mod log;
mod message_source;
mod notices;
mod runtime;
mod settings;
mod signals;
mod surfaces;
mod ui;
mod usage;
mod waiting;

use std::ffi::OsString;

use args::{Cli, Command};
use clap::Parser;
pub use exit::ExitStatus;
use settings::Settings;
use ui::Ui;

/// Runs the program with these arguments, the program's name first. Prints; never exits the process.
pub fn run(argv: impl IntoIterator<Item = OsString>) -> ExitStatus {
    let status = run_command(argv.into_iter().collect());
    runtime::drain();
    status
}

fn run_command(argv: Vec<OsString>) -> ExitStatus {
    let (global, request) = match parse(&argv) {
        Ok(parsed) => parsed,
        Err(refused) => return usage::show(&refused, &argv),
    };
    let mut ui = Ui::new(&global);
    log::start(&global, &ui);
    let command = match request {
        Request::Command(command) => command,
        Request::Seed(seed) => match legacy::translate(*seed, &mut ui) {
            Ok(command) => command,
            Err(error) => return ui.fail(&error),
        },
    };
    if let Some(helper) = commands::helper(&command) {
        return helper;
    }
    match Settings::resolve(&global) {
        Ok(settings) => commands::dispatch(command, settings, &mut ui),
        // A wrong configuration is what these three are there to look at, or do not need.
        Err(error) => commands::without_settings(command, error, &global, &mut ui),
    }
}

/// What the arguments ask for.
enum Request {
    /// A command of ours.
    Command(Command),
    /// The seed's flags, without a command.
    Seed(Box<legacy::SeedFlags>),
}

fn parse(argv: &[OsString]) -> Result<(args::GlobalArgs, Request), clap::Error> {
    if legacy::is_seed_call(argv) {
        let (global, flags) = legacy::parse(argv)?;
        return Ok((global, Request::Seed(Box::new(flags))));
    }
    let Cli { global, command } = Cli::try_parse_from(argv)?;
    Ok((global, Request::Command(command)))
}
