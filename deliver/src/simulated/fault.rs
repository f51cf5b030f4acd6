//! Faults that a test or a demonstration sets off.

use serde::{Deserialize, Serialize};

use crate::desktop::Step;

/// A fault, and when it strikes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// What happens.
    pub kind: FaultKind,
    /// Right before this step of a delivery is done; `None`: at once.
    #[serde(default)]
    pub before: Option<Step>,
    /// Only when the delivery is to the window of this title; `None`: any.
    #[serde(default)]
    pub window: Option<String>,
    /// How often. At once means once.
    #[serde(default = "once")]
    pub times: u32,
}

const fn once() -> u32 {
    1
}

impl Fault {
    /// The fault, once, right before `step` of the next delivery.
    #[must_use]
    pub const fn before(step: Step, kind: FaultKind) -> Self {
        Self { kind, before: Some(step), window: None, times: 1 }
    }

    /// The fault, at once.
    #[must_use]
    pub const fn now(kind: FaultKind) -> Self {
        Self { kind, before: None, window: None, times: 1 }
    }

    /// The fault, in deliveries to the window of that title only. At once: on that window.
    #[must_use]
    pub fn window(self, title: &str) -> Self {
        Self { window: Some(title.to_owned()), ..self }
    }
}

/// What happens. "The window" is the delivery's target, or the one that the fault names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum FaultKind {
    /// The focus jumps to the window of this title, or to no agent's window.
    StealFocus {
        /// Where to.
        to: Option<String>,
    },
    /// Somebody copies this text to both selections.
    TakeClipboard {
        /// What.
        text: String,
    },
    /// The window closes.
    CloseWindow,
    /// Another window is put over the window.
    CoverWindow,
    /// What covers the window goes away.
    UncoverWindow,
    /// From now on each fetch of the window comes this late.
    SlowFetch {
        /// Milliseconds.
        ms: u64,
    },
    /// From now on the window never fetches.
    NeverFetch,
    /// From now on the window makes no fetch but those that are let happen.
    HoldFetches,
    /// Lets one fetch happen: the one that is held, or else the next.
    LetFetch,
    /// From now on the window fetches this often and inserts what it read last.
    Fetches {
        /// How often; at least 1.
        count: u32,
    },
    /// A clipboard manager reads the clipboard.
    ManagerFetch,
    /// An open menu or a screen lock grabs the keyboard, or lets go.
    Grab {
        /// Whether it grabs.
        held: bool,
    },
    /// A person types this into whatever has the focus.
    Person {
        /// What.
        text: String,
    },
    /// The desktop answers this late.
    Delay {
        /// Milliseconds.
        ms: u64,
    },
    /// The desktop dies.
    Kill,
}
