//! The supervisor: a small process between `run` and its child, so that the child never runs on beside the next holder.
//!
//! It is forked before `run` has a second thread or a lock, is the parent of the child, and shares the gate file. When
//! `run` is gone (the end of the wire), when the lease is about to end, or when it is told to, it ends the child's group
//! and only then lets go of the gate. It sits in a process group of its own, so no signal meant for `run` or the child
//! reaches it.

use std::{ffi::OsString, io, panic::AssertUnwindSafe, sync::Arc};

use rustix::process::{Pid, WaitOptions};

#[cfg(target_os = "linux")]
use super::ending::NAME;
use super::{
    group::Group,
    launch::launch,
    shared_pid::SharedPid,
    signals::{Mask, SignalPipe},
    watch::Watch,
    wire::{Order, Wire},
};

/// `run`'s side of the supervisor.
#[derive(Debug)]
pub(super) struct Supervisor {
    pub(super) wire: Wire,
    /// The child, once it runs; its pid is also its process group.
    pub(super) child: Arc<SharedPid>,
    pid: Pid,
}

impl Supervisor {
    /// Forks the supervisor for a command that may be started later.
    ///
    /// Must be called while this process has one thread.
    pub(super) fn fork(command: &[OsString]) -> io::Result<Self> {
        let (ours, theirs) = Wire::pair()?;
        let child = Arc::new(SharedPid::new()?);
        // Blocked across the fork: a signal to the group would otherwise end the supervisor before it has left the group.
        let mask = Mask::block_all()?;
        // SAFETY: this process has one thread, so the child may do whatever this process may. It never returns from
        // here and runs no destructors of its parent's.
        let forked = unsafe { libc::fork() };
        if forked == 0 {
            drop(ours);
            leave(std::panic::catch_unwind(AssertUnwindSafe(|| supervise(command, theirs, mask, child))));
        }
        let error = io::Error::last_os_error();
        mask.restore()?;
        Pid::from_raw(forked).filter(|_| forked > 0).map(|pid| Self { wire: ours, child, pid }).ok_or(error)
    }

    /// Waits until the supervisor has left; it has been told to, or the wire is closed.
    pub(super) fn reap(self) {
        let Self { wire, pid, .. } = self;
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
fn supervise(command: &[OsString], wire: Wire, mask: Mask, child: Arc<SharedPid>) -> io::Result<()> {
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
    let leader = match launch(command, &order, mask, child) {
        Ok(leader) => leader,
        Err(not_started) => return wire.send(&not_started, None),
    };
    let watched = Watch::new(order, wire, signals, leader, gate).until_done();
    if watched.is_err() {
        // Whatever went wrong, the gate must not be let go beside a child that runs.
        Group::new(leader).end_by_force();
    }
    watched
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

#[cfg(all(test, target_os = "linux"))]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::{process::Command, time::Duration};

    use lock_core::Moment;

    use super::*;
    use crate::commands::run::wire::{Ending, News, Start};

    const GRACE: Duration = Duration::from_millis(200);

    /// Runs an ignored test alone in a process of its own: only a process with nothing else in it may fork.
    fn in_a_process_of_its_own(test: &str) {
        let name = format!("commands::run::supervisor::tests::{test}");
        let mut command = Command::new(std::env::current_exe().unwrap());
        let output = command.args(["--exact", &name, "--ignored", "--test-threads=1"]).output().unwrap();
        let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success() && stdout.contains("1 passed"), "{stdout}");
    }

    fn start(script: &str, deadline: Moment) -> Supervisor {
        let supervisor = Supervisor::fork(&["sh".into(), "-c".into(), script.into()]).unwrap();
        let grace_ns = u64::try_from(GRACE.as_nanos()).unwrap();
        let start = Start {
            environment: Vec::new(),
            terminal: false,
            deadline_ns: Some(deadline.since_boot_ns()),
            grace_ns,
            orphan_grace_ns: grace_ns,
        };
        supervisor.wire.send(&Order::Start(start), None).unwrap();
        supervisor
    }

    fn ended(supervisor: &Supervisor) -> Ending {
        match supervisor.wire.receive().unwrap() {
            Some((News::Ended(ending), _)) => ending,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_ignores_term_is_killed_before_the_lease_ends() {
        in_a_process_of_its_own("killed_before_the_lease_ends");
    }

    #[test]
    #[ignore = "run by the test above"]
    fn killed_before_the_lease_ends() {
        let began = Moment::now();
        let deadline = began + Duration::from_secs(2);
        let supervisor = start("trap '' TERM; while :; do sleep 0.01; done", deadline);
        assert_eq!(ended(&supervisor), Ending { status: 128 + 9, forced: true });
        assert!(!deadline.is_past(), "all of it inside the lease");
        assert!(began.elapsed() > Duration::from_millis(1500), "not earlier than the grace needs");
        assert!(Group::new(supervisor.child.get().unwrap()).is_empty());
        supervisor.reap();
    }

    #[test]
    fn a_renewed_lease_lets_the_child_go_on() {
        in_a_process_of_its_own("renewed");
    }

    #[test]
    #[ignore = "run by the test above"]
    fn renewed() {
        let first = Moment::now() + Duration::from_millis(800);
        let supervisor = start("exec sleep 60", first);
        let second = Moment::now() + Duration::from_secs(600);
        supervisor.wire.send(&Order::Deadline(second.since_boot_ns()), None).unwrap();
        while !first.is_past() {
            std::thread::park_timeout(first.remaining());
        }
        supervisor.wire.send(&Order::Signal(libc::SIGUSR1), None).unwrap();
        assert_eq!(ended(&supervisor), Ending { status: 128 + 10, forced: false });
        supervisor.reap();
    }
}
