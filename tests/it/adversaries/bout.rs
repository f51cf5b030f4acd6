//! One row of the table: how often, with which driver, and where.

use deliver::agent_windows::Options;
use tests::xvfb::Xvfb;

use super::{arena::Arena, screen::Screen};

/// By what the desktop is driven.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Driver {
    X11,
    Portable,
}

impl Driver {
    /// As the table calls it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::X11 => "x11",
            Self::Portable => "portable",
        }
    }

    const fn config(self) -> &'static str {
        match self {
            Self::X11 => "desktop.driver = \"verified\"\n",
            Self::Portable => "desktop.driver = \"portable\"\n",
        }
    }
}

/// What an adversary is asked to do.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bout {
    pub(crate) driver: Driver,
    pub(crate) deliveries: usize,
    /// Under a window manager.
    pub(crate) managed: bool,
    pub(crate) seed: u64,
}

/// A profile for targets that do not fetch: they are given up after 300 ms instead of 5 s.
pub(crate) const IMPATIENT: &str = "[profiles.impatient]\nfetch_timeout_ms = 300\n";

impl Bout {
    pub(crate) fn arena(self, options: &Options) -> Arena {
        self.arena_with(options, |places| places.to_owned())
    }

    /// `config` makes the configuration from the places of the agents.
    pub(crate) fn arena_with(self, options: &Options, config: impl FnOnce(&str) -> String) -> Arena {
        self.arena_on(Screen::Unattended(Xvfb::start()), options, config)
    }

    pub(crate) fn arena_on(self, screen: Screen, options: &Options, config: impl FnOnce(&str) -> String) -> Arena {
        Arena::new(screen, options, |places| self.driver.config().to_owned() + &config(places))
    }

    /// With the profile [`IMPATIENT`] for all.
    pub(crate) fn impatient_arena(self, options: &Options) -> Arena {
        self.arena_with(options, impatient)
    }
}

/// The places of agents, each with the profile [`IMPATIENT`].
pub(crate) fn impatient(places: &str) -> String {
    IMPATIENT.to_owned() + &places.replace("\npoint", "\nprofile = \"impatient\"\npoint")
}
