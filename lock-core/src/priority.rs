//! Priorities of tickets.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Who goes first: higher priorities before lower ones, first come first served inside one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    /// After everything else.
    Low = 0,
    /// The default; the seed's `regular`.
    #[default]
    #[serde(alias = "regular")]
    Normal = 1,
    /// Before normal.
    High = 2,
    /// Before everything else.
    Urgent = 3,
}

impl Priority {
    /// All priorities, lowest first.
    pub const ALL: [Self; 4] = [Self::Low, Self::Normal, Self::High, Self::Urgent];

    /// The name used in commands, configuration and output.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Normal => "normal",
            Self::High => "high",
            Self::Urgent => "urgent",
        }
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Priority {
    type Err = UnknownPriority;
    fn from_str(text: &str) -> Result<Self, UnknownPriority> {
        let name = if text == "regular" { "normal" } else { text };
        Self::ALL.into_iter().find(|p| p.name() == name).ok_or_else(|| UnknownPriority(text.to_owned()))
    }
}

/// A word that names no priority.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown priority `{0}`; known are urgent, high, normal (or regular) and low")]
pub struct UnknownPriority(String);
