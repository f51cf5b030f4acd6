//! `completions`: scripts for shells.

use clap::{Command, CommandFactory};

use crate::{ExitStatus, args::Cli, ui::Ui};

/// Prints the script.
pub(crate) fn run(shell: clap_complete::Shell, ui: &mut Ui) -> ExitStatus {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut shown(&Cli::command()), "talkstick", &mut script);
    let script = String::from_utf8_lossy(&script);
    match ui.is_json() {
        true => ui.json(&serde_json::json!({"shell": shell.to_string(), "script": script})),
        false => ui.data(script.trim_end()),
    }
    ExitStatus::SUCCESS
}

/// The command without what is hidden: scripts would offer it.
fn shown(command: &Command) -> Command {
    let arguments = command.get_arguments().filter(|argument| !argument.is_hide_set()).cloned();
    let below = command.get_subcommands().filter(|below| !below.is_hide_set()).map(shown);
    let new = Command::new(command.get_name().to_owned()).args(arguments).subcommands(below);
    match command.get_about() {
        Some(about) => new.about(about.clone()),
        None => new,
    }
}
