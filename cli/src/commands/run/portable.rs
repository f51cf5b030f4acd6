//! `run` where there is no fork: waits for the lock, starts the child, ends it when the lease is lost.

use std::{process::Command, time::Duration};

use lock_core::{DistributedLockExt, Guard, Moment, background};

use super::{
    environment,
    plan::Plan,
    report::{Finished, Outcome},
};
use crate::{
    ExitStatus, backends,
    error::{CommandError, ErrorKind},
    settings::Settings,
    ui::Talk,
    waiting::Announcer,
};

/// How often the child and the lease are looked at: the system's wait for a child cannot be joined with the lease's.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Runs the plan.
pub(super) fn attend(plan: &Plan, settings: &Settings, talk: Talk) -> Finished {
    let began = Moment::now();
    let handle = match background::handle() {
        Ok(handle) => handle,
        Err(error) => return Finished::not_acquired(error, plan.not_acquired, plan.wait),
    };
    let guard = match handle.block_on(acquire(plan, settings, talk)) {
        Ok(guard) => guard,
        Err(finished) => return Finished { waited: began.elapsed(), ..*finished },
    };
    let (waited, granted) = (began.elapsed(), Moment::now());
    let finished = run_child(plan, &guard).under(&guard);
    if let Err(error) = handle.block_on(guard.release()) {
        talk.warn(&crate::error::chain(&error));
    }
    Finished { waited, held: Some(granted.elapsed()), ..finished }
}

async fn acquire(plan: &Plan, settings: &Settings, talk: Talk) -> Result<Guard, Box<Finished>> {
    let lock = backends::open(settings).await.map_err(Finished::unavailable)?;
    plan.check_against(&lock, talk).map_err(Finished::usage)?;
    let announcer = Announcer::new(&lock, talk);
    let waits = !plan.wait.is_zero();
    let options = plan.acquire_options(lock_core::Observer::new(move |event| {
        // Who does not wait has nothing to announce.
        if waits || !matches!(event, lock_core::LockEvent::Queued { .. }) {
            announcer.hear(event);
        }
    }));
    let acquired = lock.acquire(&plan.key, &options).await;
    Ok(acquired.map_err(|error| Finished::not_acquired(error, plan.not_acquired, plan.wait))?)
}

fn run_child(plan: &Plan, guard: &Guard) -> Finished {
    let Some((program, arguments)) = plan.command.split_first() else {
        return Finished::usage(CommandError::usage("no command"));
    };
    let mut command = Command::new(program);
    environment::hide_secrets(&mut command);
    command.args(arguments).envs(environment::of_child(plan, guard));
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => {
            let status = match error.kind() {
                std::io::ErrorKind::NotFound => ExitStatus::RUN_NOT_FOUND,
                _ => ExitStatus::RUN_NOT_EXECUTABLE,
            };
            let shown = CommandError::new(ErrorKind::Usage, format!("cannot run `{}`: {error}", program.display()));
            return Finished::without_lease(Outcome::NotStarted, status, Some(shown));
        }
    };
    loop {
        match child.try_wait() {
            Ok(Some(status)) => {
                // Exit codes beyond a byte cannot be passed on.
                let code = status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX);
                return Finished::without_lease(Outcome::Ran, ExitStatus::new(code), None);
            }
            Ok(None) => {}
            Err(error) => return Finished::system("watch the command", &error),
        }
        let about_to_end = guard.deadline().is_some_and(|deadline| deadline.remaining() <= super::KILL_MARGIN);
        if about_to_end || guard.check().is_err() {
            // The one way to end a child here gives it no time: a grace would have to be asked for by other means.
            let ended = child.kill().and_then(|()| child.wait());
            let error = ended.err().map_or_else(
                || Finished::lost(&plan.key, None),
                |error| {
                    CommandError::new(
                        ErrorKind::Backend,
                        format!("the lease is lost, and the command cannot be ended: {error}"),
                    )
                },
            );
            return Finished::without_lease(Outcome::Lost, ExitStatus::RUN_LEASE_LOST, Some(error));
        }
        std::thread::park_timeout(LOOK_EVERY);
    }
}
