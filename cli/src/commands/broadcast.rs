//! `broadcast`: a message to many agents.

use deliver::Agent;

use super::sending::{Done, Sending};
use crate::{
    ExitStatus,
    args::BroadcastArgs,
    error::CommandError,
    settings::{Agents, Settings},
    ui::Ui,
};

/// Runs the command.
pub(crate) fn run(args: BroadcastArgs, settings: &Settings, ui: &mut Ui) -> Result<ExitStatus, CommandError> {
    let agents = chosen(&args, &settings.agents)?;
    let sending = Sending::prepare(&args.delivering, settings, ui)?;
    match args.delivering.dry_run {
        true => sending.dry_run(&agents, ui, report),
        false => sending.deliver(&agents, ui, report),
    }
}

/// Those who are meant. Every name is checked before anything is typed.
fn chosen<'a>(args: &BroadcastArgs, known: &'a Agents) -> Result<Vec<&'a Agent>, CommandError> {
    for name in &args.except {
        known.get(name)?;
    }
    let mut chosen: Vec<&Agent> = Vec::new();
    match args.agents.is_empty() {
        true => chosen.extend(known.iter().map(|(agent, _)| agent)),
        false => {
            for name in &args.agents {
                let agent = known.get(name)?;
                // A name given twice means one message all the same.
                if !chosen.iter().any(|c| c.name == agent.name) {
                    chosen.push(agent);
                }
            }
        }
    }
    chosen.retain(|agent| !args.except.contains(&agent.name));
    match chosen.is_empty() {
        true => Err(CommandError::usage("there is nobody to send to")
            .hint("`talkstick agents list` shows who is known; --except may name all of them")),
        false => Ok(chosen),
    }
}

fn report(done: &Done<'_>, ui: &mut Ui) {
    if ui.is_json() {
        return ui.json(&done.as_json());
    }
    ui.data(&done.receipt.to_string());
    if let Some(hint) = done.hint() {
        ui.talk().hint(&format!("{}: {hint}", done.receipt.agent));
    }
}
