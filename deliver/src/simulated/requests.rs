//! What clients ask of the simulated desktop, each answered with the whole world locked: check and act are one.

use std::{
    sync::{Condvar, Mutex, MutexGuard, PoisonError, mpsc},
    thread,
    time::{Duration, Instant},
};

use super::{
    DesktopConfig, Fault, FaultKind,
    clipboard::Actor,
    refused::Refused,
    window::{Fetching, screen},
    wire::{Reply, Request},
    world::World,
};
use crate::desktop::{Bound, Chord, Fetched, Place, Selection, Step};

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

/// What the desktop remembers of one connection.
pub(super) struct Client {
    actor: Actor,
    target: Option<usize>,
    /// Where in the target to click.
    point: (i32, i32),
    selection: Option<Selection>,
    /// Where the pointer was before our click, and where we put it.
    moved: Option<((i32, i32), (i32, i32))>,
}

impl Client {
    pub(super) const fn new(id: u64) -> Self {
        Self { actor: Actor::Client(id), target: None, point: (0, 0), selection: None, moved: None }
    }
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
                return Ok(Fetched { by_target, by_others }.into());
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
        Request::Bind { .. } => Some(Step::Bind),
        Request::Click { .. } => Some(Step::Click),
        Request::AwaitFocus { .. } => Some(Step::Focus),
        Request::Offer { .. } => Some(Step::Offer),
        Request::Press { chord, .. } if chord.key == "return" => Some(Step::Submit),
        Request::Press { .. } => Some(Step::Paste),
        Request::AwaitFetched { .. } => Some(Step::Fetch),
        Request::Restore => Some(Step::Restore),
        _ => None,
    }
}

impl World {
    fn answer(&mut self, client: &mut Client, request: Request) -> Result<Reply, Refused> {
        match request {
            Request::Bind { place } => self.bind(client, &place),
            Request::Sweep => Ok(Reply::Swept { released: Vec::new() }),
            Request::Click { window } => self.verified_click(client, window),
            Request::Offer { text, selection } => {
                self.clipboard(selection).take(client.actor, text);
                client.selection = Some(selection);
                Ok(Reply::Done)
            }
            Request::Press { window, chord } => self.verified_press(client, window, &chord),
            Request::Restore => Ok(self.restore(client)),
            Request::RawMove { x, y } => {
                self.pointer = (x, y);
                Ok(Reply::Done)
            }
            Request::RawClick => {
                self.click(client.actor);
                Ok(Reply::Done)
            }
            Request::RawCopy { text } => {
                self.clipboard(Selection::Clipboard).take(client.actor, text);
                Ok(Reply::Done)
            }
            Request::RawChord { chord } => self.press(client, &chord),
            _ => Ok(Reply::Failed { message: "not a request for here".into() }),
        }
    }

    fn bind(&self, client: &mut Client, place: &Place) -> Result<Reply, Refused> {
        let (index, point) = match (&place.window, place.point) {
            (Some(identity), offset) => {
                let fitting = || (0..self.windows.len()).filter(|i| self.windows[*i].fits(identity));
                let index = fitting().next().ok_or_else(|| Refused::TargetGone { what: format!("{identity:?}") })?;
                match fitting().count() {
                    1 => (index, self.windows[index].point(offset)),
                    count => return Err(Refused::Ambiguous { count }),
                }
            }
            (None, Some(point)) => {
                self.on_screen(point)?;
                let gone = || Refused::TargetGone { what: format!("no window at ({}, {})", point.0, point.1) };
                let at = |window: &super::window::Window| !window.closed && window.holds(point);
                (self.windows.iter().position(at).ok_or_else(gone)?, point)
            }
            (None, None) => return Err(Refused::TargetGone { what: "neither a point nor a window is given".into() }),
        };
        self.on_screen(point)?;
        self.uncovered(index, point)?;
        (client.target, client.point) = (Some(index), point);
        let id = window_id(index);
        Ok(Bound { window: id, client: id, point, description: self.windows[index].title.clone() }.into())
    }

    fn on_screen(&self, (x, y): (i32, i32)) -> Result<(), Refused> {
        let (left, top, width, height) = screen(self.windows.len());
        match (left..left + width).contains(&x) && (top..top + height).contains(&y) {
            true => Ok(()),
            false => Err(Refused::OutsideScreens { x, y, screens: format!("{width}x{height}{left:+}{top:+}") }),
        }
    }

    fn uncovered(&self, index: usize, point: (i32, i32)) -> Result<(), Refused> {
        match self.window_at(point) {
            Some(found) if found == index => Ok(()),
            Some(found) => Err(Refused::Covered { by: self.windows[found].title.clone() }),
            None => Err(Refused::Covered { by: "another window".into() }),
        }
    }

    fn verified_click(&mut self, client: &mut Client, window: u64) -> Result<Reply, Refused> {
        let index = self.alive(window)?;
        let point = client.point;
        self.uncovered(index, point)?;
        if self.grabbed {
            return Err(Refused::Grabbed);
        }
        client.moved = Some((self.pointer, point));
        self.pointer = point;
        self.click(client.actor);
        Ok(Reply::Done)
    }

    /// Check and press with the world locked: nothing can come between.
    fn verified_press(&mut self, client: &Client, window: u64, chord: &Chord) -> Result<Reply, Refused> {
        let index = self.alive(window)?;
        if self.grabbed {
            return Err(Refused::Grabbed);
        }
        if self.last_input != Some(client.actor) {
            return Err(Refused::Interference { device: "the keyboard or the pointer".into() });
        }
        if self.focus != Some(index) {
            return Err(Refused::FocusElsewhere { on: self.focus_name() });
        }
        self.owned_by(client)?;
        self.press(client, chord)
    }

    fn press(&mut self, client: &Client, chord: &Chord) -> Result<Reply, Refused> {
        match self.chord(client.actor, chord) {
            true => Ok(Reply::Done),
            false => Err(Refused::NoSuchKey { key: chord.key.clone() }),
        }
    }

    fn restore(&mut self, client: &mut Client) -> Reply {
        if let Some(selection) = client.selection.take() {
            self.clipboard(selection).give_back(client.actor);
        }
        if let Some((before, ours)) = client.moved.take()
            && self.pointer == ours
        {
            self.pointer = before;
        }
        Reply::Done
    }

    /// The clipboard that the client offers, if it is still its own.
    fn owned_by(&mut self, client: &Client) -> Result<&super::clipboard::Clipboard, Refused> {
        let clipboard = self.clipboard(client.selection.unwrap_or_default());
        match clipboard.owner {
            Some(owner) if owner == client.actor => Ok(clipboard),
            Some(Actor::Client(other)) => Err(Refused::ClipboardTaken { by: format!("client {other}") }),
            Some(Actor::Stranger) => Err(Refused::ClipboardTaken { by: "another program".into() }),
            None => Err(Refused::ClipboardTaken { by: "nobody; it was never ours".into() }),
        }
    }

    fn alive(&self, window: u64) -> Result<usize, Refused> {
        let index = usize::try_from(window).ok().and_then(|window| window.checked_sub(1));
        let alive = index.filter(|index| self.windows.get(*index).is_some_and(|window| !window.closed));
        alive.ok_or_else(|| Refused::TargetGone { what: format!("window {window} has closed") })
    }

    fn titled(&self, title: &str) -> Result<usize, Refused> {
        let found = self.windows.iter().position(|window| window.title == title);
        found.ok_or_else(|| Refused::TargetGone { what: format!("no window is called {title}") })
    }

    fn focus_name(&self) -> String {
        self.focus.map_or_else(|| "no agent's window".to_owned(), |focus| self.windows[focus].title.clone())
    }

    fn set_off_on(&mut self, index: usize, kind: &FaultKind) {
        let window = &mut self.windows[index];
        let usual = Fetching { count: 1, extra: Duration::ZERO };
        match kind {
            FaultKind::CloseWindow => self.close(index),
            FaultKind::CoverWindow => window.covered = true,
            FaultKind::UncoverWindow => window.covered = false,
            FaultKind::NeverFetch => window.fetch = None,
            FaultKind::SlowFetch { ms } => {
                let extra = Duration::from_millis(*ms);
                window.fetch = Some(Fetching { extra, ..window.fetch.unwrap_or(usual) });
            }
            FaultKind::Fetches { count } => {
                window.fetch = Some(Fetching { count: (*count).max(1), ..window.fetch.unwrap_or(usual) });
            }
            _ => {}
        }
    }
}

/// Windows are numbered from 1, so that 0 is none.
fn window_id(index: usize) -> u64 {
    u64::try_from(index).unwrap_or(u64::MAX - 1) + 1
}
