//! `run` on Unix: waits for the lock, has the supervisor start the child, and stands between the child and the world.

use std::{io, ops::ControlFlow, os::fd::AsFd, sync::mpsc, time::Duration};

use lock_core::{Guard, LockEvent, Moment};
use rustix::event::{PollFd, PollFlags};

use super::{
    acquire::{acquire, stop_ourselves},
    drive::{Driven, drive},
    environment,
    group::Group,
    plan::Plan,
    report::{Finished, Loss, Outcome, Release, Report},
    signals::{BELL, PASSED_ON, SignalPipe, ignore, poll_for},
    supervisor::Supervisor,
    terminal::Terminal,
    wire::{Ending, News, Order, Start},
};
use crate::{ExitStatus, settings::Settings, ui::Talk};

/// Runs the plan. Must be called while the process has one thread.
pub(super) fn attend(plan: &Plan, settings: &Settings, report: Report) -> ExitStatus {
    let supervisor = match Supervisor::fork(&plan.command) {
        Ok(supervisor) => supervisor,
        Err(error) => return report.tell(&Finished::system("start the supervisor", &error)),
    };
    let status = match hear_signals() {
        Ok(signals) => wait_and_run(plan, settings, report, &supervisor, &signals),
        Err(error) => report.tell(&Finished::system("catch signals", &error)),
    };
    supervisor.reap();
    status
}

fn hear_signals() -> io::Result<SignalPipe> {
    let signals = SignalPipe::open()?;
    signals.catch(&PASSED_ON)?;
    // Taking the terminal back from the child is an act from the background, which would stop us otherwise.
    ignore(libc::SIGTTOU)?;
    Ok(signals)
}

fn wait_and_run(
    plan: &Plan,
    settings: &Settings,
    report: Report,
    supervisor: &Supervisor,
    signals: &SignalPipe,
) -> ExitStatus {
    let began = Moment::now();
    let (events, heard) = mpsc::channel();
    let talk = report.talk;
    let guard = match acquire(plan, settings, talk, signals, events) {
        Ok(guard) => guard,
        Err(finished) => return report.tell(&Finished { waited: began.elapsed(), ..*finished }),
    };
    let (waited, granted) = (began.elapsed(), Moment::now());
    let mut attendance = Attendance {
        plan,
        talk,
        supervisor,
        signals,
        heard,
        terminal: Terminal::open(),
        loss: Loss::default(),
        told_to_stop: false,
    };
    let finished = attendance.run(&guard);
    // Before the release, which may take its time in the very outage that this tells of.
    let release = Release::of(&guard, &finished);
    let status = report.tell(&Finished { waited, held: Some(granted.elapsed()), ..finished });
    attendance.release(guard, release);
    status
}

/// What the next look at the wire brought.
enum Heard {
    Nothing,
    News(News),
    /// The supervisor is gone.
    End,
}

/// A run under its lease.
struct Attendance<'a> {
    plan: &'a Plan,
    talk: Talk,
    supervisor: &'a Supervisor,
    signals: &'a SignalPipe,
    heard: mpsc::Receiver<LockEvent>,
    terminal: Terminal,
    loss: Loss,
    /// TSTP came to us, not to the child alone.
    told_to_stop: bool,
}

impl Attendance<'_> {
    fn run(&mut self, guard: &Guard) -> Finished {
        let finished = match self.start(guard).and_then(|()| self.until_ended(guard)) {
            Ok(finished) => finished,
            Err(error) => {
                self.end_without_supervisor();
                Finished::system("watch the command", &error)
            }
        };
        self.terminal.take_back(self.supervisor.child.get());
        finished.under(guard)
    }

    fn start(&mut self, guard: &Guard) -> io::Result<()> {
        let nanoseconds = |span: Duration| u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
        let terminal = self.terminal.is_for_child();
        let grace_ns = nanoseconds(self.plan.grace);
        let start = Start {
            environment: environment::of_child(self.plan, guard),
            terminal,
            deadline_ns: guard.deadline().map(Moment::since_boot_ns),
            grace_ns,
            // Below another run, the lease is not ours: its own supervisor waits for ours, but not beyond the lease.
            orphan_grace_ns: if guard.is_inherited() && guard.deadline().is_some() { 0 } else { grace_ns },
        };
        if terminal {
            self.terminal.taken_by_child();
        }
        self.supervisor.wire.send(&Order::Start(start), guard.liveness().map(|gate| gate.as_fd()))
    }

    fn until_ended(&mut self, guard: &Guard) -> io::Result<Finished> {
        loop {
            // First the bytes, then what they stand for: what comes after a byte was read rings once more.
            while let Some(byte) = self.signals.next()? {
                if byte != BELL {
                    self.pass_on(byte.into())?;
                }
            }
            while let Ok(event) = self.heard.try_recv() {
                self.lease_changed(guard, event)?;
            }
            match self.listen()? {
                Heard::News(News::Stopped(signal)) => self.child_stopped(signal)?,
                Heard::News(News::NotStarted { not_found, why }) => return Ok(self.not_started(not_found, &why)),
                Heard::News(News::Ended(ending)) => return Ok(self.ended(guard, ending)),
                Heard::End => return Err(io::Error::other("the supervisor is gone")),
                Heard::Nothing => {}
            }
        }
    }

    /// Sleeps until the supervisor says something, a signal comes, or the lease changes.
    fn listen(&self) -> io::Result<Heard> {
        let wire = &self.supervisor.wire;
        poll_for(&mut [PollFd::new(wire, PollFlags::IN), PollFd::new(self.signals, PollFlags::IN)], None)?;
        if !poll_for(&mut [PollFd::new(wire, PollFlags::IN)], Some(Duration::ZERO))? {
            return Ok(Heard::Nothing);
        }
        Ok(self.supervisor.wire.receive()?.map_or(Heard::End, |(news, _)| Heard::News(news)))
    }

    fn order(&self, order: &Order) -> io::Result<()> {
        match self.supervisor.wire.send(order, None) {
            // Its last words are still to be read.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            sent => sent,
        }
    }

    fn pass_on(&mut self, signal: i32) -> io::Result<()> {
        match signal {
            libc::SIGTSTP => self.told_to_stop = true,
            libc::SIGCONT => {
                // A stop that has not come about yet is not to come any more.
                self.told_to_stop = false;
                // The shell put us in the foreground: there the child belongs.
                self.give_terminal();
            }
            _ => {}
        }
        self.order(&Order::Signal(signal))
    }

    fn give_terminal(&mut self) {
        if let Some(group) = self.supervisor.child.get() {
            self.terminal.give_again(group);
        }
    }

    fn child_stopped(&mut self, signal: i32) -> io::Result<()> {
        let wants_terminal = matches!(signal, libc::SIGTTIN | libc::SIGTTOU);
        if wants_terminal && self.supervisor.child.get().is_some_and(|group| self.terminal.give(group)) {
            return self.order(&Order::Signal(libc::SIGCONT));
        }
        match std::mem::take(&mut self.told_to_stop) {
            true => stop_ourselves(),
            false => {
                self.terminal.stop_along();
                Ok(())
            }
        }
    }

    fn lease_changed(&mut self, guard: &Guard, event: LockEvent) -> io::Result<()> {
        match event {
            LockEvent::Renewed { .. } => {
                self.loss.unconfirmed = None;
                match guard.deadline() {
                    Some(deadline) => self.order(&Order::Deadline(deadline.since_boot_ns())),
                    None => Ok(()),
                }
            }
            LockEvent::Unconfirmed { error, .. } => {
                self.loss.unconfirmed = Some(error);
                Ok(())
            }
            LockEvent::Lost { reason, .. } => {
                self.loss.reason = Some(reason);
                self.order(&Order::End)
            }
            _ => Ok(()),
        }
    }

    fn not_started(&self, not_found: bool, why: &str) -> Finished {
        let status = if not_found { ExitStatus::RUN_NOT_FOUND } else { ExitStatus::RUN_NOT_EXECUTABLE };
        let program = self.plan.command.first().map(|program| program.to_string_lossy()).unwrap_or_default();
        Finished::not_started(&program, status, why)
    }

    fn ended(&mut self, guard: &Guard, ending: Ending) -> Finished {
        // A host that was suspended or a process that was stopped learns only now that the lease ended before the child.
        let lost = ending.forced || self.loss.reason.is_some() || guard.check().is_err();
        if !lost {
            return Finished::without_lease(Outcome::Ran, ExitStatus::new(ending.status.into()), None);
        }
        while let Ok(event) = self.heard.try_recv() {
            match event {
                LockEvent::Lost { reason, .. } => drop(self.loss.reason.get_or_insert(reason)),
                LockEvent::Unconfirmed { error, .. } => self.loss.unconfirmed = Some(error),
                _ => {}
            }
        }
        Finished::lost(guard, &self.loss, &what_became_of_it(ending))
    }

    /// The supervisor was killed, which the child's kernel belt has noticed; what is left of its group is ended here.
    fn end_without_supervisor(&self) {
        if let Some(group) = self.supervisor.child.get() {
            Group::new(group).end_by_force();
        }
    }

    /// Lets go. Inheritors may still be at work under the lease: signals go on to what is left of the group.
    fn release(&self, guard: Guard, release: Release) {
        let supervisor = self.supervisor;
        let released = drive(guard.release(), self.signals, |signal| {
            // The group may be gone, and the supervisor with it.
            let _gone = supervisor.wire.send(&Order::Signal(signal), None);
            Ok(ControlFlow::Continue(()))
        });
        match released {
            Ok(Driven::Done(Ok(())) | Driven::Interrupted(_)) => {}
            Ok(Driven::Done(Err(error))) => release.failed(&self.plan.key, &error, self.talk),
            Err(error) => self.talk.warn(&format!("the release of the lock was not seen through: {error}")),
        }
        let _gone = self.order(&Order::Released);
    }
}

/// In words, for a lease that was lost.
fn what_became_of_it(Ending { status, forced }: Ending) -> String {
    match (forced, i32::from(status) - 128) {
        (false, _) => format!("the command ended by itself, with status {status}"),
        (true, libc::SIGKILL) => "the command was killed".to_owned(),
        (true, libc::SIGTERM) => "the command was ended by TERM".to_owned(),
        (true, _) => format!("the command was told to end (TERM), and did with status {status}"),
    }
}
