//! enigo's hands: one connection of its own, made anew for each hold of the lock.

#[cfg(not(windows))]
use enigo::Coordinate;
#[cfg(all(unix, not(target_os = "macos")))]
use enigo::Keyboard as _;
use enigo::{Button, Direction, Enigo, Mouse as _, NewConError, Settings};

use crate::desktop::Refusal;

/// Moves and clicks. Releases what it holds when it is dropped.
pub(super) struct Hands(Enigo);

impl Hands {
    /// New hands, which know the keyboard as it is now: enigo reads it once.
    pub(super) fn new(display: Option<&str>) -> Result<Self, NewConError> {
        let settings = Settings {
            x11_display: display.map(str::to_owned),
            // It would be a fixed pause in each press and each release.
            linux_delay: 0,
            // What must not be asked for in the middle of a delivery: `doctor` tells.
            open_prompt_to_get_permissions: false,
            ..Settings::default()
        };
        Enigo::new(&settings).map(Self)
    }

    /// On Windows it would know the primary monitor alone.
    #[cfg(not(windows))]
    pub(super) fn move_to(&mut self, (x, y): (i32, i32)) -> Result<(), Refusal> {
        self.0.move_mouse(x, y, Coordinate::Abs).map_err(broke("moving the pointer"))
    }

    pub(super) fn click(&mut self) -> Result<(), Refusal> {
        self.0.button(Button::Left, Direction::Click).map_err(broke("clicking"))
    }

    /// By its keycode: never by a symbol, for which enigo may change the keyboard's mapping for everybody.
    #[cfg(all(unix, not(target_os = "macos")))]
    pub(super) fn key(&mut self, keycode: u8, down: bool) -> Result<(), Refusal> {
        let direction = if down { Direction::Press } else { Direction::Release };
        self.0.raw(keycode.into(), direction).map_err(broke("pressing keys"))
    }
}

fn broke(during: &'static str) -> impl Fn(enigo::InputError) -> Refusal {
    move |error| Refusal::Disconnected { during, why: error.to_string() }
}
