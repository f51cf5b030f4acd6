//! The end of a child's group: TERM, grace, KILL, all inside the lease.

use std::{io, time::Duration};

use lock_core::Moment;

use super::{KILL_MARGIN, group::Group};

/// How long after KILL the group's zombies may wait for their parents. Most parents are in the group, and then the
/// supervisor reaps them; a parent that has left the group may never do it.
const ZOMBIE_PATIENCE: Duration = Duration::from_millis(100);

/// The supervisor's name in process lists, by which a supervisor further up knows it. The kernel keeps 15 bytes.
#[cfg(target_os = "linux")]
pub(super) const NAME: &std::ffi::CStr = c"talkstick-guard";

/// An end that has begun.
#[derive(Debug)]
pub(super) struct Doom {
    kill_at: Moment,
}

impl Doom {
    /// Sends TERM. Members that are stopped are continued: they could not act on it otherwise.
    pub(super) fn begin(group: Group, grace: Duration, deadline: Option<Moment>) -> io::Result<Self> {
        group.signal(libc::SIGTERM)?;
        group.signal(libc::SIGCONT)?;
        let by_grace = Moment::now() + grace;
        let by_lease = deadline.map(|deadline| Moment::now() + deadline.remaining().saturating_sub(KILL_MARGIN));
        Ok(Self { kill_at: by_lease.map_or(by_grace, |by_lease| by_grace.min(by_lease)) })
    }

    /// Sends KILL once the grace is over; again at each call, for a member may have forked in between.
    pub(super) fn press(&self, group: Group) -> io::Result<()> {
        match self.kill_at.is_past() {
            true => group.signal(libc::SIGKILL),
            false => Ok(()),
        }
    }

    /// Whether no member of the group can act any more.
    pub(super) fn is_done(&self, group: Group) -> bool {
        group.is_empty() || (self.kill_at.elapsed() > ZOMBIE_PATIENCE && group.has_only_zombies())
    }
}

/// Whether no supervisor of a `run` below ours is left. It ends a group of its own, under a lease that ours lends it,
/// and as its `run` is dead, it has become our child.
#[cfg(target_os = "linux")]
pub(super) fn nested_supervisors_are_gone() -> bool {
    let Ok(children) = std::fs::read_to_string("/proc/thread-self/children") else { return true };
    let name = NAME.to_string_lossy();
    !children
        .split_ascii_whitespace()
        .any(|child| std::fs::read_to_string(format!("/proc/{child}/comm")).is_ok_and(|comm| comm.trim_end() == name))
}

#[cfg(not(target_os = "linux"))]
pub(super) fn nested_supervisors_are_gone() -> bool {
    true
}
