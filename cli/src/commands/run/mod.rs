//! `run`: a command under a lock.

#[cfg(unix)]
mod acquire;
#[cfg(unix)]
mod attend;
#[cfg(unix)]
mod descriptors;
#[cfg(unix)]
mod drive;
#[cfg(unix)]
mod ending;
mod environment;
#[cfg(unix)]
mod group;
#[cfg(windows)]
mod job;
#[cfg(unix)]
mod launch;
mod plan;
mod report;
#[cfg(unix)]
mod shared_pid;
#[cfg(unix)]
mod signals;
#[cfg(unix)]
mod supervisor;
#[cfg(unix)]
mod terminal;
#[cfg(unix)]
mod watch;
#[cfg(windows)]
mod windows;
#[cfg(unix)]
mod wire;

use std::time::Duration;

#[cfg(unix)]
use attend::attend;
use plan::Plan;
use report::{Finished, JsonTo, Report};
#[cfg(windows)]
use windows::attend;

use crate::{ExitStatus, args::RunArgs, error::CommandError, settings::Settings, ui::Ui};

/// How long before the lease's end the child's group is killed: time for the kernel to end it and for us to see it.
const KILL_MARGIN: Duration = Duration::from_millis(50);

/// Runs the command. Must be called while the process has one thread.
pub(crate) fn run(args: RunArgs, settings: Settings, ui: &mut Ui) -> ExitStatus {
    let (to, usable) = match json_to(&args, ui) {
        Ok(to) => (to, Ok(())),
        Err(error) => (JsonTo::Stderr, Err(error)),
    };
    let report = Report { key: args.key.clone(), to, talk: ui.talk() };
    match usable.and_then(|()| Plan::new(args, &settings)) {
        Ok(plan) => attend(&plan, &settings, report),
        Err(error) => report.tell(&Finished::usage(error)),
    }
}

#[cfg(unix)]
fn json_to(args: &RunArgs, ui: &Ui) -> Result<JsonTo, CommandError> {
    match args.json_fd {
        None if ui.is_json() => Ok(JsonTo::Stderr),
        None => Ok(JsonTo::Nobody),
        Some(number) => terminal::adopt_descriptor(number).map(JsonTo::File).map_err(|error| {
            CommandError::usage(format!("--json-fd {number}: {error}")).hint("open it, such as 3>file")
        }),
    }
}

#[cfg(windows)]
fn json_to(args: &RunArgs, ui: &Ui) -> Result<JsonTo, CommandError> {
    match args.json_fd {
        None if ui.is_json() => Ok(JsonTo::Stderr),
        None => Ok(JsonTo::Nobody),
        Some(_) => Err(CommandError::usage("--json-fd needs descriptors by number, which this system does not have")),
    }
}
