//! The wait for the lock: what ends it, what is said, and what is heard of the lease later.

use std::{
    io,
    ops::ControlFlow,
    sync::{Arc, mpsc},
};

use lock_core::{DistributedLock, DistributedLockExt, Guard, LockEvent, Observer};

use super::{
    drive::{Driven, drive},
    plan::Plan,
    report::{Finished, Outcome},
    signals::SignalPipe,
};
use crate::{ExitStatus, backends, settings::Settings, ui::Talk, waiting::Announcer};

/// Opens the store and waits in line.
pub(super) fn acquire(
    plan: &Plan,
    settings: &Settings,
    talk: Talk,
    signals: &SignalPipe,
    events: mpsc::Sender<LockEvent>,
) -> Result<Guard, Box<Finished>> {
    let settings = settings.clone();
    let opening = drive(async move { backends::open(&settings).await }, signals, ends_wait);
    let lock = until_done(opening)?.map_err(Finished::unavailable)?;
    plan.check_against(&lock, talk).map_err(Finished::usage)?;
    let announcer = Announcer::new(talk);
    let options = plan.acquire_options(observer(plan, &lock, &announcer, events, signals));
    let key = plan.key.clone();
    let waiting = async move {
        let acquired = lock.acquire(&key, &options).await;
        if acquired.is_err() {
            announcer.settle().await;
        }
        acquired
    };
    let acquiring = drive(waiting, signals, ends_wait);
    Ok(until_done(acquiring)?.map_err(|error| Finished::not_acquired(error, plan.not_acquired, plan.wait))?)
}

fn until_done<T>(driven: io::Result<Driven<T>>) -> Result<T, Box<Finished>> {
    match driven {
        Ok(Driven::Done(output)) => Ok(output),
        Ok(Driven::Interrupted(signal)) => {
            Err(Box::new(Finished::without_lease(Outcome::Interrupted, status_of_signal(signal), None)))
        }
        Err(error) => Err(Box::new(Finished::system("wait for the lock", &error))),
    }
}

fn status_of_signal(signal: i32) -> ExitStatus {
    ExitStatus::signalled(u8::try_from(signal).unwrap_or(u8::MAX))
}

/// What signals mean while there is no child: to end ends the wait, to stop stops us, the rest has nobody to go to.
fn ends_wait(signal: i32) -> io::Result<ControlFlow<()>> {
    match signal {
        libc::SIGTERM | libc::SIGINT | libc::SIGHUP | libc::SIGQUIT => Ok(ControlFlow::Break(())),
        libc::SIGTSTP => stop_ourselves().map(ControlFlow::Continue),
        _ => Ok(ControlFlow::Continue(())),
    }
}

/// Stops this process as a shell's ^Z would; returns when it is continued.
pub(super) fn stop_ourselves() -> io::Result<()> {
    Ok(rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::STOP)?)
}

/// Announces the wait, and passes on what the attendance must hear.
fn observer(
    plan: &Plan,
    lock: &Arc<dyn DistributedLock>,
    announcer: &Announcer,
    events: mpsc::Sender<LockEvent>,
    signals: &SignalPipe,
) -> Observer {
    let waits = !plan.wait.is_zero();
    let (announcer, lock, bell) = (announcer.clone(), Arc::clone(lock), signals.bell());
    Observer::new(move |event| {
        // Who does not wait has nothing to announce.
        if waits || !matches!(event, LockEvent::Queued { .. }) {
            announcer.hear(&lock, event);
        }
        if matches!(event, LockEvent::Renewed { .. } | LockEvent::Unconfirmed { .. } | LockEvent::Lost { .. }) {
            // Nobody hears any more when the run is over.
            let _over = events.send(event.clone());
            bell.ring();
        }
    })
}
