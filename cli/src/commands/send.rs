//! `send`: a message to one agent.

use super::sending::{Done, Sending};
use crate::{ExitStatus, args::SendArgs, error::CommandError, settings::Settings, ui::Ui};

/// Runs the command.
pub(crate) fn run(args: SendArgs, settings: &Settings, ui: &mut Ui) -> Result<ExitStatus, CommandError> {
    let agent = settings.agents.get(&args.agent)?;
    let sending = Sending::prepare(&args.delivering, settings, ui)?;
    match args.delivering.dry_run {
        true => sending.dry_run(&[agent], ui, report),
        false => sending.deliver(&[agent], ui, report),
    }
}

fn report(done: &Done<'_>, ui: &mut Ui) {
    match done.status {
        _ if ui.is_json() => ui.json(&done.as_json()),
        ExitStatus::SUCCESS => ui.data(&done.receipt.to_string()),
        _ => ui.talk().failure(&done.receipt.to_string(), done.hint().as_deref()),
    }
}
