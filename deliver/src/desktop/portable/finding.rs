//! What this system lets the driver do, for a person's diagnosis.

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What.
    pub name: &'static str,
    /// What was seen.
    pub seen: String,
    /// What to do, where it stands in the way.
    pub advice: Option<&'static str>,
}

/// Looks at everything that a delivery needs, without touching anything.
#[must_use]
pub fn findings() -> Vec<Finding> {
    #[cfg(windows)]
    return super::windows::findings();
    #[cfg(target_os = "macos")]
    return super::macos::findings();
}
