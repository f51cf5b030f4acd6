//! The supervisor's watch over one child: its end, the end of `run`, the end of the lease.

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
    time::Duration,
};

use lock_core::Moment;
use rustix::{
    event::{PollFd, PollFlags},
    process::{Pid, WaitOptions, WaitStatus},
};

use super::{
    KILL_MARGIN,
    descriptors::close_all_but,
    ending::{Doom, nested_supervisors_are_gone},
    group::Group,
    signals::{SignalPipe, poll_for},
    wire::{Ending, News, Order, Start, Wire},
};

/// A child that has run for this long is no short one.
const SETTLED: Duration = Duration::from_millis(5);

/// How often an ending group is looked at: the end of a process that is not our child is told to nobody.
const PROBE_ENDING: Duration = Duration::from_millis(2);
/// How often what the child left behind is looked at while `run` releases the lock, so that a group is never signalled
/// long after its number may name another one.
const PROBE_REST: Duration = Duration::from_millis(20);
/// How often the deadline is looked at: the clock of `poll` stands still while the host is suspended, the lease's does
/// not.
const PROBE_DEADLINE: Duration = Duration::from_millis(200);

/// The watch over one child.
pub(super) struct Watch {
    order: Start,
    wire: Wire,
    signals: SignalPipe,
    leader: Pid,
    group: Group,
    deadline: Option<Moment>,
    /// Held for as long as the watch lasts; `None` where the lease is no file.
    gate: Option<OwnedFd>,
    launched: Moment,
    /// The child has run for longer than [`SETTLED`]: what a short one does not need has been done.
    settled: bool,
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
    pub(super) fn new(order: Start, wire: Wire, signals: SignalPipe, leader: Pid, gate: Option<OwnedFd>) -> Self {
        Self {
            group: Group::new(leader),
            leader,
            deadline: order.deadline_ns.map(Moment::from_since_boot_ns),
            order,
            wire,
            signals,
            gate,
            launched: Moment::now(),
            settled: false,
            run_is_gone: false,
            ended: None,
            doom: None,
            group_is_over: false,
            told: false,
        }
    }

    /// Returns when the gate may be let go.
    pub(super) fn until_done(mut self) -> io::Result<()> {
        loop {
            self.reap()?;
            self.judge_deadline()?;
            if self.is_done()? {
                return Ok(());
            }
            if self.launched.elapsed() >= SETTLED {
                self.settle()?;
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

    /// Closes what the caller handed to `run`: its readers are to see the end of their pipes although this process may
    /// outlive `run`.
    ///
    /// Not at once: most children of a lock are short, and this process would take the processor from them.
    fn settle(&mut self) -> io::Result<()> {
        if std::mem::replace(&mut self.settled, true) {
            return Ok(());
        }
        let ours = [self.wire.as_fd(), self.signals.as_fd(), self.signals.write_end()];
        let keep: Vec<_> = ours.into_iter().chain(self.gate.as_ref().map(AsFd::as_fd)).collect();
        // A descriptor that stays open holds up a reader; a child that is not watched would be worse.
        let _stays_open = close_all_but(&keep);
        Ok(())
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
        self.settle()?;
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
            (None, None) if !self.settled => Some(SETTLED.min(until_doom.unwrap_or(SETTLED))),
            (None, None) => until_doom,
        };
        wait_for(&self.signals, (!self.run_is_gone).then_some(&self.wire), longest)
    }

    fn next_order(&mut self) -> io::Result<Option<Order>> {
        if self.run_is_gone || !is_readable(&self.wire)? {
            return Ok(None);
        }
        match self.wire.receive::<Order>() {
            Ok(Some((order, _))) => Ok(Some(order)),
            // A message cut short is the end as well: killed in the middle of it.
            Ok(None) | Err(_) => {
                self.run_is_gone = true;
                self.doom(self.order.orphan_grace_ns).map(|()| None)
            }
        }
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
