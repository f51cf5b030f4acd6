//! The supervisor: a small process between `run` and its child, so that the child never runs on beside the next holder.
//!
//! It is forked before `run` has a second thread or a lock, is the parent of the child, and shares the gate file. When
//! `run` is gone (the end of the wire), when the lease is about to end, or when it is told to, it ends the child's group
//! and only then lets go of the gate. It sits in a process group of its own, so no signal meant for `run` or the child
//! reaches it.

use std::{
    ffi::OsString,
    io,
    os::fd::{AsFd, OwnedFd},
    panic::AssertUnwindSafe,
};

use rustix::process::{Pid, WaitOptions};

use super::{
    descriptors::close_all_but,
    launch::launch,
    signals::{Mask, SignalPipe},
    watch::Watch,
    wire::{News, Order, Wire},
};

/// The supervisor's name in process lists, by which a supervisor further up knows it. The kernel keeps 15 bytes.
pub(super) const NAME: &std::ffi::CStr = c"talkstick-guard";

/// `run`'s side of the supervisor.
#[derive(Debug)]
pub(super) struct Supervisor {
    pub(super) wire: Wire,
    pub(super) pid: Pid,
}

impl Supervisor {
    /// Forks the supervisor for a command that may be started later.
    ///
    /// Must be called while this process has one thread.
    pub(super) fn fork(command: &[OsString]) -> io::Result<Self> {
        let (ours, theirs) = Wire::pair()?;
        // Blocked across the fork: a signal to the group would otherwise end the supervisor before it has left the group.
        let mask = Mask::block_all()?;
        // SAFETY: this process has one thread, so the child may do whatever this process may. It never returns from
        // here and runs no destructors of its parent's.
        let forked = unsafe { libc::fork() };
        if forked == 0 {
            drop(ours);
            leave(std::panic::catch_unwind(AssertUnwindSafe(|| supervise(command, theirs, mask))));
        }
        let error = io::Error::last_os_error();
        mask.restore()?;
        Pid::from_raw(forked).filter(|_| forked > 0).map(|pid| Self { wire: ours, pid }).ok_or(error)
    }

    /// Waits until the supervisor has left; it has been told to, or the wire is closed.
    pub(super) fn reap(self) {
        let Self { wire, pid } = self;
        drop(wire);
        // Not to be waited for only when the caller has SIGCHLD ignored; then the kernel has reaped it.
        let _reaped = rustix::io::retry_on_intr(|| rustix::process::waitpid(Some(pid), WaitOptions::empty()));
    }
}

/// Ends the process without running what belongs to the parent: its destructors, its exit handlers, its buffers.
fn leave(outcome: std::thread::Result<io::Result<()>>) -> ! {
    let code = match outcome {
        Ok(Ok(())) => 0,
        // `run` sees the end of the wire and takes over.
        Ok(Err(_)) | Err(_) => 1,
    };
    // SAFETY: ends this process; no preconditions.
    unsafe { libc::_exit(code) }
}

/// The life of the supervisor.
fn supervise(command: &[OsString], wire: Wire, mask: Mask) -> io::Result<()> {
    rustix::process::setpgid(None, None)?;
    adopt_orphans();
    let (order, gate) = match wire.receive()? {
        Some((Order::Start(start), gate)) => (start, gate),
        // `run` is gone, or gave up waiting: nothing was started.
        _ => return Ok(()),
    };
    let signals = SignalPipe::open()?;
    signals.catch(&[libc::SIGCHLD])?;
    Mask::only(libc::SIGCHLD)?;
    let leader = match launch(command, &order, mask) {
        Ok(leader) => leader,
        Err(not_started) => return wire.send(&not_started, None),
    };
    // A `run` that is gone by now is seen at the next look at the wire.
    let _gone = wire.send(&News::Started(leader.as_raw_nonzero().get()), None);
    let keep: Vec<_> = [wire.as_fd(), signals.as_fd(), signals.write_end()]
        .into_iter()
        .chain(gate.as_ref().map(AsFd::as_fd))
        .collect();
    // A descriptor that stays open holds up a reader; a child that is not watched would be worse.
    let _stays_open = close_all_but(&keep);
    // The gate is let go when the watch is over, however it comes to its end.
    let _gate: Option<OwnedFd> = gate;
    Watch::new(order, wire, signals, leader).until_done()
}

/// Makes the orphans of the child our children: they are reaped here, and nested supervisors are seen here.
#[cfg(target_os = "linux")]
fn adopt_orphans() {
    // Older kernels and strange sandboxes refuse; then orphans go to init, as they do elsewhere.
    let _refused = rustix::process::set_child_subreaper(rustix::process::Pid::from_raw(1));
    let _refused = rustix::thread::set_name(NAME);
}

#[cfg(not(target_os = "linux"))]
fn adopt_orphans() {}
