//! Owners: who asks for a lock.

use std::{
    fmt,
    sync::{LazyLock, OnceLock},
};

use serde::{Deserialize, Serialize};

use crate::process_start;

/// Longest agent label in bytes; longer ones are cut at a character.
pub const LABEL_BYTES_MAX: usize = 64;

/// Who asks: enough to find the process, and to tell it from a later one with the same pid.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Owner {
    /// Name of the host.
    pub host: String,
    /// Process id on that host.
    pub pid: u32,
    /// Start of the process in the host's own unit (clock ticks since boot on Linux): with `pid` it names one process.
    pub start: u64,
    /// Who the process speaks for, such as an agent's name; may be empty.
    pub label: String,
}

/// This host's name.
static HOST: LazyLock<String> = LazyLock::new(|| gethostname::gethostname().to_string_lossy().into_owned());

impl Owner {
    /// This process, speaking for `label`. Control characters in the label are dropped.
    #[must_use]
    pub fn current(label: &str) -> Self {
        let pid = std::process::id();
        Self { host: HOST.clone(), pid, start: own_start(pid), label: clean_label(label) }
    }

    /// Whether the owner is this very process.
    #[must_use]
    pub fn is_this_process(&self) -> bool {
        self.pid == std::process::id() && self.start == own_start(self.pid) && self.host == *HOST
    }

    /// Whether the owner's process runs on this host. A hint: where the system does not tell it is `false`.
    #[must_use]
    pub fn runs(&self) -> bool {
        process_start(self.pid).is_some_and(|start| start == self.start || self.start == 0)
    }

    /// Whether the owner's process is stopped (SIGSTOP, a debugger) on this host. A hint: where the system does not tell it
    /// is `false`.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.host == *HOST && crate::process_is_stopped(self.pid, self.start) == Some(true)
    }

    /// Whether the owner's process is proven to have ended. Where the system does not tell, it counts as alive.
    #[must_use]
    pub fn has_died(&self) -> bool {
        self.start != 0 && !self.runs()
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.label.is_empty() {
            write!(f, "{} ", self.label)?;
        }
        write!(f, "(pid {} on {})", self.pid, self.host)
    }
}

/// The start of this process, read once; a forked child has another pid and reads its own.
fn own_start(pid: u32) -> u64 {
    static OWN: OnceLock<(u32, u64)> = OnceLock::new();
    let read = || process_start(pid).unwrap_or(0);
    match OWN.get_or_init(|| (pid, read())) {
        (known, start) if *known == pid => *start,
        _ => read(),
    }
}

fn clean_label(label: &str) -> String {
    let mut clean: String = label.chars().filter(|c| !c.is_control()).collect();
    let mut end = LABEL_BYTES_MAX.min(clean.len());
    while !clean.is_char_boundary(end) {
        end -= 1;
    }
    clean.truncate(end);
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_lose_control_characters_and_length() {
        assert_eq!(clean_label("a\x1b[2Jb"), "a[2Jb");
        assert_eq!(clean_label(&"\u{e9}".repeat(40)).len(), 64);
    }

    #[test]
    fn this_process_knows_itself() {
        let me = Owner::current("me");
        assert!(me.is_this_process() && me.runs() == cfg!(target_os = "linux") && !me.has_died());
        assert!(!Owner { start: me.start + 1, ..me }.is_this_process());
    }
}
