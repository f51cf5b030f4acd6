//! The desktop as its connections share it: one world behind one lock, waits for what happens in it, and faults.

use std::{
    sync::{Condvar, Mutex, MutexGuard, PoisonError, mpsc},
    thread,
    time::{Duration, Instant},
};

use super::{
    DesktopConfig, Fault, FaultKind,
    clipboard::Actor,
    refused::Refused,
    requests::Client,
    wire::{Reply, Request},
    world::World,
};
use crate::desktop::{Selection, Step};

/// Longest wait of one request: no client can bind a thread for longer.
const WAIT_MAX: Duration = Duration::from_secs(120);
/// Faults that may lie in wait.
const FAULTS_MAX: usize = 1000;

/// The desktop as the connections share it.
pub(super) struct Desk {
    world: Mutex<World>,
    /// Something happened.
    changed: Condvar,
    end: mpsc::Sender<()>,
}

impl Desk {
    pub(super) fn new(config: &DesktopConfig, end: mpsc::Sender<()>) -> Self {
        Self { world: Mutex::new(World::new(config)), changed: Condvar::new(), end }
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets things happen when they are due, for as long as the process runs.
    pub(super) fn run_events(&self) {
        let mut world = self.world();
        loop {
            let due = world.advance(Instant::now());
            self.changed.notify_all();
            world = self.wait(world, due.map_or(WAIT_MAX, |due| due.saturating_duration_since(Instant::now())));
        }
    }

    fn wait<'w>(&self, world: MutexGuard<'w, World>, span: Duration) -> MutexGuard<'w, World> {
        self.changed.wait_timeout(world, span).unwrap_or_else(PoisonError::into_inner).0
    }

    /// A client has gone. What it put on the clipboard stays there, without an owner.
    pub(super) fn forget(&self, id: u64) {
        let mut world = self.world();
        for selection in [Selection::Clipboard, Selection::Primary] {
            let clipboard = world.clipboard(selection);
            if clipboard.owner == Some(Actor::Client(id)) {
                clipboard.owner = None;
            }
        }
    }

    pub(super) fn answer(&self, client: &mut Client, request: Request) -> Reply {
        let stall = step_of(&request).map_or(Duration::ZERO, |step| self.strike(client, step));
        if !stall.is_zero() {
            thread::sleep(stall);
        }
        let answer = match request {
            Request::AwaitFocus { window, within_ms } => self.await_focus(window, within_ms),
            Request::AwaitFetched { window, fetches, quiet_us, within_ms } => {
                self.await_fetched(client, window, fetches, Duration::from_micros(quiet_us), within_ms)
            }
            Request::AwaitChange { within_ms } => Ok(self.await_change(within_ms)),
            Request::Log => Ok(self.log()),
            Request::Fault { fault } => self.lay(fault),
            request => {
                let mut world = self.world();
                world.advance(Instant::now());
                world.answer(client, request)
            }
        };
        // The events' thread may sleep until a later event than the one that was caused here.
        self.changed.notify_all();
        answer.unwrap_or_else(|refused| Reply::Refused { refused })
    }

    fn await_focus(&self, window: u64, within_ms: u64) -> Result<Reply, Refused> {
        let until = Instant::now() + Duration::from_millis(within_ms).min(WAIT_MAX);
        let mut world = self.world();
        loop {
            world.advance(Instant::now());
            let index = world.alive(window)?;
            if world.focus == Some(index) {
                return Ok(Reply::Done);
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Refused::FocusElsewhere { on: world.focus_name() });
            }
            world = self.wait(world, left);
        }
    }

    fn await_change(&self, within_ms: u64) -> Reply {
        let span = Duration::from_millis(within_ms).min(WAIT_MAX);
        drop(self.wait(self.world(), span));
        Reply::Done
    }

    fn await_fetched(
        &self,
        client: &Client,
        window: u64,
        expected: u32,
        quiet: Duration,
        within_ms: u64,
    ) -> Result<Reply, Refused> {
        let until = Instant::now() + Duration::from_millis(within_ms).min(WAIT_MAX);
        let mut world = self.world();
        loop {
            world.advance(Instant::now());
            let index = world.alive(window)?;
            let clipboard = world.owned_by(client)?;
            let (by_target, by_others) = clipboard.fetches(index);
            let now = Instant::now();
            let quiet_at = clipboard.last_fetch().map_or(now, |last| last + quiet);
            if by_target >= expected && quiet_at <= now {
                return Ok(Reply::Fetched { by_target, by_others });
            }
            if until <= now {
                return Err(Refused::NotFetched { by_target, expected, by_others });
            }
            let next = if by_target >= expected { quiet_at.min(until) } else { until };
            world = self.wait(world, next.saturating_duration_since(now));
        }
    }

    /// The log once nothing is on its way, or as it stands after a while: a slow fetch may take for ever.
    fn log(&self) -> Reply {
        let until = Instant::now() + Duration::from_secs(30);
        let mut world = self.world();
        world.advance(Instant::now());
        while world.is_busy() && Instant::now() < until {
            world = self.wait(world, until.saturating_duration_since(Instant::now()));
            world.advance(Instant::now());
        }
        Reply::Log { log: world.log() }
    }

    /// Sets off a fault, or lays it in wait.
    fn lay(&self, fault: Fault) -> Result<Reply, Refused> {
        let mut world = self.world();
        let window = match &fault.window {
            Some(title) => Some(world.titled(title)?),
            None => None,
        };
        if fault.before.is_none() {
            let stall = self.set_off(&mut world, window, &fault.kind)?;
            drop(world);
            thread::sleep(stall);
        } else if world.faults.len() < FAULTS_MAX {
            world.faults.push(fault);
        } else {
            return Ok(Reply::Failed { message: format!("{FAULTS_MAX} faults lie in wait already") });
        }
        Ok(Reply::Done)
    }

    /// Sets off the faults that wait for this step of this client's delivery; says how long the desktop stalls.
    fn strike(&self, client: &Client, step: Step) -> Duration {
        let mut world = self.world();
        world.advance(Instant::now());
        let title = client.target.map(|target| world.windows[target].title.clone());
        let mut struck = Vec::new();
        for fault in &mut world.faults {
            if fault.before == Some(step) && fault.times > 0 && (fault.window.is_none() || fault.window == title) {
                fault.times -= 1;
                struck.push(fault.kind.clone());
            }
        }
        world.faults.retain(|fault| fault.times > 0);
        // A fault on a window that is no more has nothing to strike.
        struck.iter().filter_map(|kind| self.set_off(&mut world, client.target, kind).ok()).sum()
    }

    fn set_off(&self, world: &mut World, window: Option<usize>, kind: &FaultKind) -> Result<Duration, Refused> {
        let now = Instant::now();
        match kind {
            FaultKind::Delay { ms } => return Ok(Duration::from_millis(*ms).min(WAIT_MAX)),
            FaultKind::Kill => {
                // The receiver is gone when the desktop is ending already. The stall keeps the step from being done.
                let _already_ending = self.end.send(());
                return Ok(WAIT_MAX);
            }
            FaultKind::StealFocus { to } => {
                world.focus = to.as_ref().map(|title| world.titled(title)).transpose()?;
            }
            FaultKind::TakeClipboard { text } => {
                for selection in [Selection::Clipboard, Selection::Primary] {
                    world.clipboard(selection).take(Actor::Stranger, text.clone());
                }
            }
            FaultKind::ManagerFetch => {
                world.clipboard(Selection::Clipboard).fetch(None, now);
                world.clipboard(Selection::Primary).fetch(None, now);
            }
            FaultKind::Grab { held } => world.grabbed = *held,
            FaultKind::Person { text } => world.person_types(text),
            on_window => {
                let missing = || Refused::TargetGone { what: "the fault names no window".into() };
                world.set_off_on(window.ok_or_else(missing)?, on_window);
            }
        }
        Ok(Duration::ZERO)
    }
}

/// Which step of a delivery the request is, for the faults that wait for one. Raw requests are no delivery.
fn step_of(request: &Request) -> Option<Step> {
    match request {
        Request::Watch { .. } => Some(Step::Watch),
        Request::Bind { .. } => Some(Step::Bind),
        Request::Click { .. } => Some(Step::Click),
        Request::AwaitFocus { .. } => Some(Step::Focus),
        Request::Offer { .. } => Some(Step::Offer),
        Request::Submit { .. } => Some(Step::Submit),
        Request::Paste { .. } => Some(Step::Paste),
        Request::AwaitFetched { .. } => Some(Step::Fetch),
        Request::Restore => Some(Step::Restore),
        _ => None,
    }
}
