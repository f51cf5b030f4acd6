//! Names of the files.
//!
//! ```text
//! <dir>/<stem>.lock                       the gate: its flock is the lock; never written, renamed or unlinked
//! <dir>/.talkstick/<stem>/mutex           flock'd for microseconds around each change of the line
//! <dir>/.talkstick/<stem>/line            the tickets
//! <dir>/.talkstick/<stem>/holder          the last token, and who holds the gate; written only under the gate
//! <dir>/.talkstick/<stem>/baton           flock'd by the holder: the head of the line sleeps on it
//! <dir>/.talkstick/<stem>/broken          the token that somebody asked to be let go
//! <dir>/.talkstick/<stem>/waiters/<id>    one per waiting process, flock'd by it: proof of its life
//! ```
//!
//! Stems of keys never start with a dot, so `.talkstick` is no key's.

/// Where the gates are, under the root.
pub(crate) const DEFAULT: &str = "runtime/locks";
/// Folder of all side folders.
pub(crate) const SIDE: &str = ".talkstick";
pub(crate) const MUTEX: &str = "mutex";
pub(crate) const LINE: &str = "line";
pub(crate) const HOLDER: &str = "holder";
pub(crate) const BATON: &str = "baton";
pub(crate) const BROKEN: &str = "broken";
pub(crate) const BROKEN_NEW: &str = "broken.new";
pub(crate) const WAITERS: &str = "waiters";

/// The gate of a key.
pub(crate) fn gate(stem: &str) -> String {
    format!("{stem}.lock")
}

/// The wake file of a process.
pub(crate) fn wake(process: u64) -> String {
    format!("{process:016x}")
}

/// A wake file that is not yet locked: renamed to [`wake`] once it is.
pub(crate) fn wake_new(process: u64) -> String {
    format!("{process:016x}.new")
}
