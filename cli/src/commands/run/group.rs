//! A process group: who is in it, and how it is signalled.

use std::{io, time::Duration};

use rustix::{
    io::Errno,
    process::{Pid, Signal, kill_process_group, test_kill_process_group},
};

use super::signals::poll_for;

/// How often a group that was killed is looked at: the end of a process that is not our child is told to nobody.
const PROBE: Duration = Duration::from_millis(2);

/// The child's process group.
#[derive(Debug, Clone, Copy)]
pub(super) struct Group(Pid);

impl Group {
    pub(super) fn new(leader: Pid) -> Self {
        Self(leader)
    }

    /// Sends a signal to all members; a group without members is no error.
    pub(super) fn signal(self, signal: i32) -> io::Result<()> {
        let Some(signal) = Signal::from_named_raw(signal) else { return Ok(()) };
        match kill_process_group(self.0, signal) {
            // macOS says PERM of a group of zombies.
            Ok(()) | Err(Errno::SRCH | Errno::PERM) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether no member is left. Zombies count as members until they are reaped.
    pub(super) fn is_empty(self) -> bool {
        test_kill_process_group(self.0) == Err(Errno::SRCH)
    }

    /// Kills all members and returns when none can act any more. A member that cannot be killed is waited for.
    pub(super) fn end_by_force(self) {
        while !self.is_empty() && !self.has_only_zombies() {
            let _refused = self.signal(libc::SIGKILL);
            let _interrupted = poll_for(&mut [], Some(PROBE));
        }
    }

    /// Whether no member can act any more: only zombies are left.
    pub(super) fn has_only_zombies(self) -> bool {
        has_only_zombies(self.0)
    }
}

#[cfg(target_os = "linux")]
fn has_only_zombies(group: Pid) -> bool {
    let Ok(processes) = std::fs::read_dir("/proc") else { return false };
    let group = group.as_raw_nonzero().get();
    let states = processes.flatten().filter_map(|process| {
        let stat = lock_core::process_stat(process.file_name().to_str()?.parse().ok()?)?;
        (stat.group == group).then_some(stat.state)
    });
    let (zombies, others): (Vec<char>, Vec<char>) = states.partition(|state| matches!(state, 'Z' | 'X'));
    // Seeing nobody proves nothing: /proc may hide the processes of others.
    !zombies.is_empty() && others.is_empty()
}

#[cfg(not(target_os = "linux"))]
fn has_only_zombies(_group: Pid) -> bool {
    false
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_zombie_is_a_member_that_cannot_act() {
        use std::os::unix::process::CommandExt;
        let mut child = std::process::Command::new("sleep").arg("60").process_group(0).spawn().unwrap();
        let group = Group::new(Pid::from_child(&child));
        assert!(!group.is_empty() && !group.has_only_zombies());
        group.signal(libc::SIGKILL).unwrap();
        let deadline = lock_core::Moment::now() + std::time::Duration::from_secs(10);
        while !group.has_only_zombies() {
            assert!(!deadline.is_past(), "killed, yet alive");
            std::thread::yield_now();
        }
        assert!(!group.is_empty(), "not reaped yet");
        child.wait().unwrap();
        assert!(group.is_empty());
    }
}
