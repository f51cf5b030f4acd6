//! `completions`: scripts for shells.

use clap::CommandFactory;

use crate::{ExitStatus, args::Cli, ui::Ui};

/// Prints the script.
pub(crate) fn run(shell: clap_complete::Shell, ui: &mut Ui) -> ExitStatus {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "talkstick", &mut script);
    let script = String::from_utf8_lossy(&script);
    match ui.is_json() {
        true => ui.json(&serde_json::json!({"shell": shell.to_string(), "script": script})),
        false => ui.data(script.trim_end()),
    }
    ExitStatus::SUCCESS
}
