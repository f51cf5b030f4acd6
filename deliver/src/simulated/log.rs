//! What arrived.

use serde::{Deserialize, Serialize};

/// What arrived on the whole desktop.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Log {
    /// When the desktop started, as [`lock_core::Moment::since_boot_ns`].
    pub started_ns: u64,
    /// Window by window, `Agent-1` first.
    pub windows: Vec<WindowLog>,
    /// Keys that were pressed while no agent's window had the focus.
    pub lost_keys: u32,
    /// What is on the clipboard.
    pub clipboard: String,
    /// Where the pointer is.
    pub pointer: (i32, i32),
}

/// What arrived in one window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WindowLog {
    /// Its title.
    pub title: String,
    /// What was submitted there, in order.
    pub submitted: Vec<Submitted>,
    /// What stands in its input box.
    pub draft: String,
    /// Whether it was closed.
    pub closed: bool,
}

/// One text that was submitted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Submitted {
    /// The text.
    pub text: String,
    /// Its number on the whole desktop, from 0.
    pub order: u64,
    /// When, in milliseconds since the desktop started.
    pub at_ms: f64,
}
