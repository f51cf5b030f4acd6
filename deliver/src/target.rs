//! Agents: who can be sent to, and by which way in.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{Profile, desktop::Place};

/// A way into an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SurfaceKind {
    /// A window on this host's desktop.
    #[default]
    Desktop,
    /// A window of the simulated desktop.
    Simulated,
    /// A tmux pane.
    Tmux,
    /// A folder of files.
    Inbox,
    /// A command that gets the message on its standard input.
    Exec,
}

impl SurfaceKind {
    /// The word used in the configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Desktop => "desktop",
            Self::Simulated => "simulated",
            Self::Tmux => "tmux",
            Self::Inbox => "inbox",
            Self::Exec => "exec",
        }
    }

    /// Whether this build can deliver that way.
    ///
    /// # Errors
    /// [`SurfaceNotBuilt`] says so, for configuration and sending alike.
    pub const fn check_built(self) -> Result<(), SurfaceNotBuilt> {
        match self {
            Self::Desktop | Self::Simulated => Ok(()),
            Self::Tmux | Self::Inbox | Self::Exec => Err(SurfaceNotBuilt(self)),
        }
    }
}

impl fmt::Display for SurfaceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for SurfaceKind {
    type Err = UnknownSurface;
    fn from_str(text: &str) -> Result<Self, UnknownSurface> {
        let all = [Self::Desktop, Self::Simulated, Self::Tmux, Self::Inbox, Self::Exec];
        all.into_iter().find(|kind| kind.name() == text).ok_or_else(|| UnknownSurface(text.to_owned()))
    }
}

/// A word that names no surface.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown surface `{0}`; known are desktop, simulated, tmux, inbox and exec")]
pub struct UnknownSurface(String);

/// A surface that this build cannot deliver by.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the surface `{0}` is not built yet; use desktop or simulated")]
pub struct SurfaceNotBuilt(pub SurfaceKind);

/// An agent as a sender needs to know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agent {
    /// Its name.
    pub name: String,
    /// By which way.
    pub surface: SurfaceKind,
    /// Where, on a desktop.
    pub place: Place,
    /// What kind of target it is.
    pub profile: Profile,
}
