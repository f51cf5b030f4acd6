//! Which driver delivers to this system's desktop.

use serde::Deserialize;

/// The choice, as the configuration names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Driver {
    /// X11, each act checked and done as one.
    Verified,
    /// The system's own means, looked at before and after each act.
    Portable,
}

impl Driver {
    /// The choice unless configured, as the table of settings has it.
    pub(super) const DEFAULT: &str =
        if cfg!(any(windows, target_os = "macos")) { "\"portable\"" } else { "\"verified\"" };
}
