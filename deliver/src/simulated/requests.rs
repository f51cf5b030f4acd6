//! What one request does to the desktop's world, which is locked meanwhile: check and act are one.

use std::time::{Duration, Instant};

use super::{
    FaultKind,
    clipboard::{Actor, Clipboard},
    refused::Refused,
    window::{Fetching, Window, screen},
    wire::{Reply, Request},
    world::World,
};
use crate::desktop::{Bound, Chord, Place, Selection};

/// What the desktop remembers of one connection.
pub(super) struct Client {
    pub(super) actor: Actor,
    pub(super) target: Option<usize>,
    /// Where in the target to click.
    point: (i32, i32),
    selection: Option<Selection>,
    /// Where the pointer was before our click, and where we put it.
    moved: Option<((i32, i32), (i32, i32))>,
    /// Since when it watches for a person.
    watching: Option<Instant>,
}

impl Client {
    pub(super) const fn new(id: u64) -> Self {
        let actor = Actor::Client(id);
        Self { actor, target: None, point: (0, 0), selection: None, moved: None, watching: None }
    }
}

impl World {
    pub(super) fn answer(&mut self, client: &mut Client, request: Request) -> Result<Reply, Refused> {
        match request {
            Request::Watch { idle_ms } => {
                let idle = Duration::from_millis(idle_ms);
                client.watching = Instant::now().checked_sub(idle);
                self.nobody_since(client)?;
                client.watching = Some(Instant::now());
                Ok(Reply::Done)
            }
            Request::Unwatch => {
                client.watching = None;
                Ok(Reply::Done)
            }
            Request::StillHindered { by, window, idle_ms } => {
                client.watching = Instant::now().checked_sub(Duration::from_millis(idle_ms));
                self.nobody_since(client)?;
                self.hindered(client, &by, window)
            }
            Request::Bind { place } => self.bind(client, &place),
            Request::Sweep => Ok(Reply::Swept { released: Vec::new() }),
            Request::Click { window } => self.verified_click(client, window),
            Request::Offer { text, selection } => {
                self.clipboard(selection).take(client.actor, text);
                client.selection = Some(selection);
                Ok(Reply::Done)
            }
            Request::Paste { window, chord, id } => {
                let index = self.verified_press(client, window, &chord)?;
                let note = &mut self.windows[index].note;
                let unsent = note.unsent_at(client.point);
                *note = std::mem::take(note).pasted(&id, client.point);
                Ok(Reply::Pasted { unsent })
            }
            Request::Submit { window, chord, seen } => {
                let index = self.verified_press(client, window, &chord)?;
                if seen {
                    let note = &mut self.windows[index].note;
                    *note = std::mem::take(note).emptied(client.point);
                }
                Ok(Reply::Done)
            }
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
                let at = |window: &Window| !window.closed && window.holds(point);
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

    /// Whether a person was at work since the client watches.
    fn nobody_since(&self, client: &Client) -> Result<(), Refused> {
        let (Some(since), Some(person_at)) = (client.watching, self.person_at) else { return Ok(()) };
        match person_at >= since {
            true => {
                let ago_ms = u64::try_from(person_at.elapsed().as_millis()).unwrap_or(u64::MAX);
                Err(Refused::Person { device: "the keyboard".into(), ago_ms })
            }
            false => Ok(()),
        }
    }

    /// Whether what was in the way still is.
    fn hindered(&self, client: &Client, by: &str, window: Option<u64>) -> Result<Reply, Refused> {
        let target = window.map(|window| self.alive(window)).transpose()?;
        match (by, target) {
            ("grabbed", _) if self.grabbed => Err(Refused::Grabbed),
            ("covered", Some(index)) => self.uncovered(index, client.point).map(|()| Reply::Done),
            ("focus_elsewhere", Some(index)) if self.focus != Some(index) => {
                Err(Refused::FocusElsewhere { on: self.focus_name() })
            }
            _ => Ok(Reply::Done),
        }
    }

    fn verified_click(&mut self, client: &mut Client, window: u64) -> Result<Reply, Refused> {
        let index = self.alive(window)?;
        let point = client.point;
        self.nobody_since(client)?;
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
    fn verified_press(&mut self, client: &Client, window: u64, chord: &Chord) -> Result<usize, Refused> {
        let index = self.alive(window)?;
        if self.grabbed {
            return Err(Refused::Grabbed);
        }
        self.nobody_since(client)?;
        if self.last_input != Some(client.actor) {
            return Err(Refused::Interference { device: "the keyboard or the pointer".into() });
        }
        if self.focus != Some(index) {
            return Err(Refused::FocusElsewhere { on: self.focus_name() });
        }
        self.owned_by(client)?;
        self.press(client, chord).map(|_| index)
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
    pub(super) fn owned_by(&mut self, client: &Client) -> Result<&Clipboard, Refused> {
        let clipboard = self.clipboard(client.selection.unwrap_or_default());
        match clipboard.owner {
            Some(owner) if owner == client.actor => Ok(clipboard),
            Some(Actor::Client(other)) => Err(Refused::ClipboardTaken { by: format!("client {other}") }),
            Some(Actor::Stranger) => Err(Refused::ClipboardTaken { by: "another program".into() }),
            None => Err(Refused::ClipboardTaken { by: "nobody; it was never ours".into() }),
        }
    }

    pub(super) fn alive(&self, window: u64) -> Result<usize, Refused> {
        let index = usize::try_from(window).ok().and_then(|window| window.checked_sub(1));
        let alive = index.filter(|index| self.windows.get(*index).is_some_and(|window| !window.closed));
        alive.ok_or_else(|| Refused::TargetGone { what: format!("window {window} has closed") })
    }

    pub(super) fn titled(&self, title: &str) -> Result<usize, Refused> {
        let found = self.windows.iter().position(|window| window.title == title);
        found.ok_or_else(|| Refused::TargetGone { what: format!("no window is called {title}") })
    }

    pub(super) fn focus_name(&self) -> String {
        self.focus.map_or_else(|| "no agent's window".to_owned(), |focus| self.windows[focus].title.clone())
    }

    pub(super) fn set_off_on(&mut self, index: usize, kind: &FaultKind) {
        let window = &mut self.windows[index];
        let usual = Fetching { count: 1, extra: Duration::ZERO };
        match kind {
            FaultKind::CloseWindow => self.close(index),
            FaultKind::CoverWindow => window.covered = true,
            FaultKind::UncoverWindow => window.covered = false,
            FaultKind::NeverFetch => window.fetch = None,
            FaultKind::HoldFetches => window.may_fetch = Some(0),
            FaultKind::LetFetch => self.let_fetch(index),
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
