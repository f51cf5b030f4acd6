//! `run` on Windows: waits for the lock, starts the child in a job, ends the job when the lease is lost.
//!
//! The job is what the supervisor is on Unix: its one handle is ours, so when this process ends, however it does, the
//! system ends the child and all that it started.

use std::{
    io,
    process::{Child, Command},
    sync::{Arc, mpsc},
};

use lock_core::{DistributedLockExt, Error, Guard, LockEvent, LossReason, Moment, Observer, background};
use tokio::{
    runtime::Handle,
    signal::windows::{CtrlBreak, CtrlC, ctrl_break, ctrl_c},
};

use super::{
    environment,
    job::Job,
    plan::Plan,
    report::{Finished, Loss, Outcome, Release, Report},
};
use crate::{ExitStatus, backends, env_vars, error::CommandError, settings::Settings, ui::Talk, waiting::Announcer};

/// What SIGINT is where there are signals; shells know the status.
const INTERRUPT: u8 = 2;

/// What the run waits for once the child runs.
enum News {
    /// The child has ended.
    Ended(io::Result<std::process::ExitStatus>),
    /// The lease is lost.
    Lost(LossReason),
    /// The lease was renewed: there is a new deadline.
    Renewed,
    /// The store could not be asked to renew it.
    Unconfirmed(Error),
}

/// Runs the plan.
pub(super) fn attend(plan: &Plan, settings: &Settings, report: Report) -> ExitStatus {
    let talk = report.talk;
    let began = Moment::now();
    // Before the lock's files are opened: a process that ends lets go of its handles in the order of their making.
    let job = match Job::new() {
        Ok(job) => job,
        Err(error) => return report.tell(&Finished::system("make a job for the command", &error)),
    };
    let handle = match background::handle() {
        Ok(handle) => handle,
        Err(error) => return report.tell(&Finished::not_acquired(error, plan.not_acquired, plan.wait)),
    };
    let (tell, news) = mpsc::channel();
    let mut interrupts = match Interrupts::hear(&handle) {
        Ok(interrupts) => interrupts,
        Err(error) => return report.tell(&Finished::system("hear Ctrl-C", &error)),
    };
    let acquired = handle.block_on(async {
        tokio::select! {
            acquired = acquire(plan, settings, talk, tell.clone()) => acquired,
            () = interrupts.next() => {
                let status = ExitStatus::signalled(INTERRUPT);
                Err(Box::new(Finished::without_lease(Outcome::Interrupted, status, None)))
            }
        }
    });
    let guard = match acquired {
        Ok(guard) => guard,
        Err(finished) => return report.tell(&Finished { waited: began.elapsed(), ..*finished }),
    };
    let (waited, granted) = (began.elapsed(), Moment::now());
    // From here on Ctrl-C is the child's, which shares our console and hears it too: `interrupts` only keeps it from
    // ending us.
    let finished = run_child(plan, &guard, &job, tell, &news).under(&guard);
    let release = Release::of(&guard, &finished);
    // Before the release, which may take its time in the very outage that this tells of.
    let status = report.tell(&Finished { waited, held: Some(granted.elapsed()), ..finished });
    if let Err(error) = handle.block_on(guard.release()) {
        release.failed(&plan.key, &error, talk);
    }
    if let Err(error) = job.let_go() {
        talk.warn(&format!("what the command left in the background ends now: {error}"));
    }
    drop(interrupts);
    status
}

/// Ctrl-C and Ctrl-Break. While one of these lives, they do not end this process.
struct Interrupts {
    c: CtrlC,
    r#break: CtrlBreak,
}

impl Interrupts {
    fn hear(handle: &Handle) -> io::Result<Self> {
        let _context = handle.enter();
        Ok(Self { c: ctrl_c()?, r#break: ctrl_break()? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.c.recv() => {}
            _ = self.r#break.recv() => {}
        }
    }
}

async fn acquire(
    plan: &Plan,
    settings: &Settings,
    talk: Talk,
    tell: mpsc::Sender<News>,
) -> Result<Guard, Box<Finished>> {
    let lock = backends::open(settings).await.map_err(Finished::unavailable)?;
    plan.check_against(&lock, talk).map_err(Finished::usage)?;
    let announcer = Announcer::new(talk);
    let (hears, of) = (announcer.clone(), Arc::clone(&lock));
    let waits = !plan.wait.is_zero();
    let options = plan.acquire_options(Observer::new(move |event| {
        // Who does not wait has nothing to announce.
        if waits || !matches!(event, LockEvent::Queued { .. }) {
            hears.hear(&of, event);
        }
        // Nobody hears any more when the run is over.
        let _over = match event {
            LockEvent::Lost { reason, .. } => tell.send(News::Lost(reason.clone())),
            LockEvent::Renewed { .. } => tell.send(News::Renewed),
            LockEvent::Unconfirmed { error, .. } => tell.send(News::Unconfirmed(error.clone())),
            _ => Ok(()),
        };
    }));
    let acquired = lock.acquire(&plan.key, &options).await;
    if acquired.is_err() {
        announcer.settle().await;
    }
    Ok(acquired.map_err(|error| Finished::not_acquired(error, plan.not_acquired, plan.wait))?)
}

fn run_child(plan: &Plan, guard: &Guard, job: &Job, tell: mpsc::Sender<News>, news: &mpsc::Receiver<News>) -> Finished {
    let Some((program, arguments)) = plan.command.split_first() else {
        return Finished::usage(CommandError::usage("no command"));
    };
    let mut command = Command::new(program);
    env_vars::hide_secrets(&mut command);
    command.args(arguments).envs(environment::of_child(plan, guard));
    match job.start(&mut command) {
        Ok(child) => {
            wait_in_background(child, tell);
            until_ended(guard, job, news)
        }
        Err(error) => {
            let status = match error.kind() {
                io::ErrorKind::NotFound => ExitStatus::RUN_NOT_FOUND,
                _ => ExitStatus::RUN_NOT_EXECUTABLE,
            };
            Finished::not_started(&program.to_string_lossy(), status, &error.to_string())
        }
    }
}

/// The system's wait for a child cannot be joined with the lease's, so it has a thread.
fn wait_in_background(mut child: Child, tell: mpsc::Sender<News>) {
    std::thread::spawn(move || {
        let ended = child.wait();
        // Nobody hears any more when the run is over.
        let _over = tell.send(News::Ended(ended));
    });
}

fn until_ended(guard: &Guard, job: &Job, news: &mpsc::Receiver<News>) -> Finished {
    let mut loss = Loss::default();
    loop {
        let left = guard.deadline().map(|deadline| deadline.remaining().saturating_sub(super::KILL_MARGIN));
        let heard = match left {
            Some(left) => news.recv_timeout(left),
            None => news.recv().map_err(mpsc::RecvTimeoutError::from),
        };
        match heard {
            Ok(News::Renewed) => loss.unconfirmed = None,
            Ok(News::Unconfirmed(error)) => loss.unconfirmed = Some(error),
            Ok(News::Lost(reason)) => return end(guard, job, &Loss { reason: Some(reason), ..loss }),
            Err(mpsc::RecvTimeoutError::Timeout) => return end(guard, job, &loss),
            // A host that was suspended learns only now that the lease ended before the child.
            Ok(News::Ended(_)) if guard.check().is_err() => return end(guard, job, &loss),
            Ok(News::Ended(Ok(status))) => {
                let code = status.code().map_or(u32::MAX, i32::cast_unsigned);
                return Finished::without_lease(Outcome::Ran, ExitStatus::new(code), None);
            }
            Ok(News::Ended(Err(error))) => return Finished::system("watch the command", &error),
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                return Finished::system("watch the command", &io::Error::other("its watcher is gone"));
            }
        }
    }
}

/// Ends the child and all that it started. The system gives no way to ask them for it, so there is no grace.
fn end(guard: &Guard, job: &Job, loss: &Loss) -> Finished {
    match job.end() {
        Ok(()) => Finished::lost(guard, loss, "the command was ended"),
        Err(error) => Finished::lost(guard, loss, &format!("the command cannot be ended: {error}")),
    }
}
