//! Refusals as they go over the socket.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::desktop::Refusal;

/// The refusals that a simulated desktop can give.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Refused {
    OutsideScreens { x: i32, y: i32, screens: String },
    TargetGone { what: String },
    Ambiguous { count: usize },
    Covered { by: String },
    FocusElsewhere { on: String },
    ClipboardTaken { by: String },
    NotFetched { by_target: u32, expected: u32, by_others: u32 },
    Grabbed,
    Person { device: String, ago_ms: u64 },
    Interference { device: String },
    NoSuchKey { key: String },
}

impl From<Refused> for Refusal {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::OutsideScreens { x, y, screens } => Self::OutsideScreens { x, y, screens },
            Refused::TargetGone { what } => Self::TargetGone(what),
            Refused::Ambiguous { count } => Self::Ambiguous(count),
            Refused::Covered { by } => Self::Covered { by },
            Refused::FocusElsewhere { on } => Self::FocusElsewhere { on },
            Refused::ClipboardTaken { by } => Self::ClipboardTaken { by },
            Refused::NotFetched { by_target, expected, by_others } => {
                Self::NotFetched { by_target, expected, by_others }
            }
            Refused::Grabbed => Self::Grabbed { device: "keyboard" },
            Refused::Person { device, ago_ms } => {
                Self::Person { device, ago: Duration::from_millis(ago_ms), may_type: true }
            }
            Refused::Interference { device } => Self::Interference { device },
            Refused::NoSuchKey { key } => Self::NoSuchKey(key),
        }
    }
}
