//! The supervisor starts the child: its own process group, the terminal if it is ours to give, and nothing inherited that
//! the caller did not hand to `run`.

use std::{
    ffi::OsString,
    io,
    os::{fd::BorrowedFd, unix::process::CommandExt},
    process::{Command, Stdio},
    sync::Arc,
};

use rustix::process::Pid;

use super::{
    shared_pid::SharedPid,
    signals::Mask,
    wire::{News, Start},
};
use crate::env_vars::hide_secrets;

/// Starts the command; on failure, the news for `run`.
///
/// The child cannot run unseen: its parent is the supervisor itself, and `run` knows its group by the child's own first
/// act, so that `run` can end the group should the supervisor be killed at any instant.
pub(super) fn launch(command: &[OsString], start: &Start, mask: Mask, child: Arc<SharedPid>) -> Result<Pid, News> {
    let Some((program, arguments)) = command.split_first() else {
        return Err(News::NotStarted { not_found: true, why: "no command".into() });
    };
    let mut command = Command::new(program);
    let environment = start.environment.iter().map(|(name, value)| (name, value));
    hide_secrets(&mut command);
    command.args(arguments).envs(environment).process_group(0);
    command.stdin(Stdio::inherit()).stdout(Stdio::inherit()).stderr(Stdio::inherit());
    let (terminal, supervisor) = (start.terminal, rustix::process::getpid());
    let own = Arc::clone(&child);
    // SAFETY: `prepare` makes system calls and writes an atomic: nothing that allocates, locks or unwinds.
    unsafe { command.pre_exec(move || prepare(terminal, supervisor, mask, &own)) };
    match command.spawn() {
        // Waited for by pid, together with the orphans of the child.
        Ok(started) => Ok(Pid::from_child(&started)),
        Err(error) => {
            child.set(None);
            let not_found = error.kind() == io::ErrorKind::NotFound;
            Err(News::NotStarted { not_found, why: error.to_string() })
        }
    }
}

/// Runs in the child, right before exec.
fn prepare(terminal: bool, supervisor: Pid, mask: Mask, own: &SharedPid) -> io::Result<()> {
    die_with(supervisor)?;
    own.set(Some(rustix::process::getpid()));
    if terminal {
        // The child is in the background until this call has worked, and who does it from there is stopped by TTOU
        // unless that is blocked.
        Mask::block_all()?;
        // SAFETY: descriptor 0 is open: `run` has seen the terminal there.
        let stdin = unsafe { BorrowedFd::borrow_raw(0) };
        // The terminal may have gone since `run` looked; then there is nothing to be given.
        let _gone = rustix::termios::tcsetpgrp(stdin, rustix::process::getpid());
    }
    mask.restore()
}

/// A second belt: if the supervisor itself is killed, the kernel kills the child.
#[cfg(target_os = "linux")]
fn die_with(supervisor: Pid) -> io::Result<()> {
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    // It may have died before the call above, which then never strikes.
    match rustix::process::getppid() == Some(supervisor) {
        true => Ok(()),
        false => Err(io::ErrorKind::BrokenPipe.into()),
    }
}

#[cfg(not(target_os = "linux"))]
fn die_with(_supervisor: Pid) -> io::Result<()> {
    Ok(())
}
