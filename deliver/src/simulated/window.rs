//! Agent windows, and where they are.

use std::time::Duration;

use super::log::Submitted;
use crate::desktop::{WindowIdentity, unsent::Note};

/// A window's size, and so the grid's.
const WIDTH: i32 = 320;
const HEIGHT: i32 = 200;
/// Windows in a row.
const COLUMNS: i32 = 4;
/// Left edge of the leftmost column: half of the windows are on a monitor left of the first, as in the field.
const LEFT: i32 = -2 * WIDTH;
/// What window classes tell in the simulation.
const CLASS: &str = "simulated-agent";

#[derive(Debug)]
pub(super) struct Window {
    pub(super) title: String,
    left: i32,
    top: i32,
    pub(super) closed: bool,
    pub(super) covered: bool,
    /// How it fetches; `None`: never.
    pub(super) fetch: Option<Fetching>,
    /// How many fetches may happen until more are let; `None`: all.
    pub(super) may_fetch: Option<u32>,
    pub(super) draft: String,
    /// What may stand unsent in the draft.
    pub(super) note: Note,
    pub(super) submitted: Vec<Submitted>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Fetching {
    pub(super) count: u32,
    /// On top of the seeded delay.
    pub(super) extra: Duration,
}

impl Window {
    pub(super) fn new(index: u32, fetches: u32) -> Self {
        let place = i32::try_from(index).unwrap_or(0);
        Self {
            title: format!("Agent-{}", index + 1),
            left: LEFT + place % COLUMNS * WIDTH,
            top: place / COLUMNS * HEIGHT,
            closed: false,
            covered: false,
            fetch: Some(Fetching { count: fetches, extra: Duration::ZERO }),
            may_fetch: None,
            draft: String::new(),
            note: Note::default(),
            submitted: Vec::new(),
        }
    }

    pub(super) const fn holds(&self, (x, y): (i32, i32)) -> bool {
        self.left <= x && x < self.left + WIDTH && self.top <= y && y < self.top + HEIGHT
    }

    /// The point at `offset`, or the middle.
    pub(super) fn point(&self, offset: Option<(i32, i32)>) -> (i32, i32) {
        let (dx, dy) = offset.unwrap_or((WIDTH / 2, HEIGHT / 2));
        (self.left.saturating_add(dx), self.top.saturating_add(dy))
    }

    pub(super) fn fits(&self, identity: &WindowIdentity) -> bool {
        !self.closed
            && identity.class.as_deref().is_none_or(|class| class == CLASS)
            && identity.title.as_deref().is_none_or(|title| title == self.title)
            && identity.pid.is_none_or(|pid| pid == std::process::id())
    }
}

/// The screen that holds `windows` windows, as left, top, width and height.
pub(super) fn screen(windows: usize) -> (i32, i32, i32, i32) {
    let rows = i32::try_from(windows.div_ceil(COLUMNS as usize)).unwrap_or(1);
    (LEFT, 0, COLUMNS * WIDTH, rows * HEIGHT)
}
