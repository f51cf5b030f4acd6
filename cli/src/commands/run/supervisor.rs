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
    time::Duration,
};

use lock_core::Moment;
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::{Pid, WaitOptions, WaitStatus},
};

use super::{
    KILL_MARGIN,
    descriptors::close_all_but,
    ending::{Doom, nested_supervisors_are_gone},
    group::Group,
    launch::launch,
    signals::{Mask, SignalPipe},
    wire::{Ending, News, Order, Start, Wire},
};

/// The supervisor's name in process lists, by which a supervisor further up knows it. The kernel keeps 15 bytes.
pub(super) const NAME: &std::ffi::CStr = c"talkstick-guard";

/// How often an ending group is looked at: the end of a process that is not our child is told to nobody.
const PROBE_ENDING: Duration = Duration::from_millis(2);
/// How often what the child left behind is looked at while `run` releases the lock, so that a group is never signalled
/// long after its number may name another one.
const PROBE_REST: Duration = Duration::from_millis(20);
/// How often the deadline is looked at: the clock of `poll` stands still while the host is suspended, the lease's does
/// not.
const PROBE_DEADLINE: Duration = Duration::from_millis(200);

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
    let keep: Vec<_> = [wire.as_fd(), signals.as_fd(), signals.write_end()].into_iter().chain(gate.as_ref().map(AsFd::as_fd)).collect();
    // A descriptor that stays open holds up a reader; a child that is not watched would be worse.
    let _stays_open = close_all_but(&keep);
    let watch = Watch {
        group: Group::new(leader),
        leader,
        deadline: order.deadline_ns.map(Moment::from_since_boot_ns),
        order,
        wire,
        signals,
        run_is_gone: false,
        ended: None,
        doom: None,
        group_is_over: false,
        told: false,
    };
    let _gate: Option<OwnedFd> = gate;
    watch.until_done()
}

/// The watch over one child.
struct Watch {
    order: Start,
    wire: Wire,
    signals: SignalPipe,
    leader: Pid,
    group: Group,
    deadline: Option<Moment>,
    /// The other end of the wire is closed: killed, since `run` says [`Order::Released`] before it closes.
    run_is_gone: bool,
    /// How the child has ended.
    ended: Option<u8>,
    /// The end of the group, once it has begun.
    doom: Option<Doom>,
    /// No member of the group can act any more. From then on its number may name another group.
    group_is_over: bool,
    /// `run` knows how the child has ended.
    told: bool,
}

impl Watch {
    /// Returns when the gate may be let go.
    fn until_done(mut self) -> io::Result<()> {
        loop {
            self.reap()?;
            self.judge_deadline()?;
            if self.is_done()? {
                return Ok(());
            }
            self.sleep()?;
            while let Some(order) = self.next_order()? {
                match order {
                    Order::Released => return Ok(()),
                    order => self.obey(order)?,
                }
            }
        }
    }

    /// Reaps the child and whatever orphans came to us; remembers what matters of the child.
    fn reap(&mut self) -> io::Result<()> {
        while self.signals.next()?.is_some() {}
        loop {
            let options = WaitOptions::NOHANG | WaitOptions::UNTRACED;
            match rustix::io::retry_on_intr(|| rustix::process::wait(options)) {
                Ok(Some((pid, status))) if pid == self.leader => self.note(status)?,
                Ok(Some(_)) => {}
                Ok(None) | Err(rustix::io::Errno::CHILD) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn note(&mut self, status: WaitStatus) -> io::Result<()> {
        if let Some(signal) = status.stopping_signal() {
            return self.tell(&News::Stopped(signal));
        }
        let of_signal = |signal: i32| u8::try_from(128 + signal).unwrap_or(u8::MAX);
        let code = status.exit_status().map(|code| u8::try_from(code).unwrap_or(u8::MAX));
        self.ended = code.or(status.terminating_signal().map(of_signal)).or(self.ended);
        Ok(())
    }

    fn tell(&mut self, news: &News) -> io::Result<()> {
        match self.wire.send(news, None) {
            Err(error) if matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset) => Ok(()),
            sent => sent,
        }
    }

    /// Begins the end early enough for TERM, grace and KILL to fit into the lease.
    fn judge_deadline(&mut self) -> io::Result<()> {
        let needed = Duration::from_nanos(self.order.grace_ns) + KILL_MARGIN;
        match self.deadline {
            Some(deadline) if self.doom.is_none() && self.ended.is_none() && deadline.remaining() <= needed => {
                self.doom(self.order.grace_ns)
            }
            _ => Ok(()),
        }
    }

    fn doom(&mut self, grace_ns: u64) -> io::Result<()> {
        if self.doom.is_none() {
            self.doom = Some(Doom::begin(self.group, Duration::from_nanos(grace_ns), self.deadline)?);
        }
        Ok(())
    }

    /// Whether nothing is left to watch; tells `run` of the child's end on the way.
    fn is_done(&mut self) -> io::Result<bool> {
        if let Some(doom) = self.doom.as_ref().filter(|_| !self.group_is_over) {
            doom.press(self.group)?;
        }
        let Some(status) = self.ended else { return Ok(false) };
        let forced = self.doom.is_some();
        self.group_is_over |= match &self.doom {
            Some(doom) => doom.is_done(self.group),
            None => self.group.is_empty(),
        };
        let over = self.group_is_over && (!forced || nested_supervisors_are_gone());
        // After a forced end, `run` must not let go before the whole group is gone; after the child's own end, what it
        // left behind is not waited for.
        if !self.told && (over || !forced) {
            self.told = true;
            self.tell(&News::Ended(Ending { status, forced }))?;
        }
        Ok(over)
    }

    fn sleep(&self) -> io::Result<()> {
        let until_doom = self.deadline.map(|deadline| {
            let begin = deadline.remaining().saturating_sub(Duration::from_nanos(self.order.grace_ns) + KILL_MARGIN);
            begin.min(PROBE_DEADLINE)
        });
        let longest = match (&self.doom, self.ended) {
            (Some(_), _) => Some(PROBE_ENDING),
            (None, Some(_)) => Some(PROBE_REST),
            (None, None) => until_doom,
        };
        wait_for(&self.signals, (!self.run_is_gone).then_some(&self.wire), longest)
    }

    fn next_order(&mut self) -> io::Result<Option<Order>> {
        if self.run_is_gone || !is_readable(&self.wire)? {
            return Ok(None);
        }
        let received = self.wire.receive::<Order>()?;
        if received.is_none() {
            self.run_is_gone = true;
            self.doom(self.order.orphan_grace_ns)?;
        }
        Ok(received.map(|(order, _)| order))
    }

    fn obey(&mut self, order: Order) -> io::Result<()> {
        match order {
            Order::Deadline(since_boot_ns) => self.deadline = Some(Moment::from_since_boot_ns(since_boot_ns)),
            Order::Signal(signal) if !self.group_is_over => self.group.signal(signal)?,
            Order::End => self.doom(self.order.grace_ns)?,
            // Nobody is left to hear it; `Start` was said once, before; `Released` ends the watch.
            Order::Signal(_) | Order::Start(_) | Order::Released => {}
        }
        Ok(())
    }
}

/// Sleeps until a byte, a message, or `longest` has passed. A signal may end it early.
fn wait_for(signals: &SignalPipe, wire: Option<&Wire>, longest: Option<Duration>) -> io::Result<()> {
    let mut fds = vec![PollFd::new(signals, PollFlags::IN)];
    fds.extend(wire.map(|wire| PollFd::new(wire, PollFlags::IN)));
    // Never zero: a span below the clock's tick would spin.
    let timeout = longest.map(|span| span.max(Duration::from_millis(1)));
    poll_for(&mut fds, timeout).map(drop)
}

fn is_readable(wire: &Wire) -> io::Result<bool> {
    poll_for(&mut [PollFd::new(wire, PollFlags::IN)], Some(Duration::ZERO))
}

/// `poll`, with an interruption counting as nothing seen.
pub(super) fn poll_for(fds: &mut [PollFd<'_>], longest: Option<Duration>) -> io::Result<bool> {
    let timeout = longest.map(|span| Timespec {
        tv_sec: i64::try_from(span.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: span.subsec_nanos().into(),
    });
    match poll(fds, timeout.as_ref()) {
        Ok(seen) => Ok(seen > 0),
        Err(rustix::io::Errno::INTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
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
