//! Whether a waiting process is stopped (SIGSTOP, a debugger), where the system tells.

use crate::entry::Entry;

/// Whether the ticket's process is stopped now; `false` where that cannot be told.
pub(crate) fn is_stopped(entry: &Entry) -> bool {
    state(entry).is_some_and(|state| state.eq_ignore_ascii_case(&'T'))
}

/// Whether the ticket's process, which was stopped, runs now; `false` where that cannot be told.
pub(crate) fn runs_again(entry: &Entry) -> bool {
    state(entry).is_some_and(|state| !state.eq_ignore_ascii_case(&'T'))
}

/// The process's state as proc(5) has it; `None` where it is not the ticket's process any more.
#[cfg(target_os = "linux")]
fn state(entry: &Entry) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", entry.pid)).ok()?;
    // The command in parentheses may hold spaces; the state follows it, and the start 19 fields later.
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    let state = fields.next()?.chars().next();
    let start: u64 = fields.nth(18)?.parse().ok()?;
    state.filter(|_| start == entry.start)
}

#[cfg(not(target_os = "linux"))]
fn state(_entry: &Entry) -> Option<char> {
    None
}
