//! Who has a gate, without touching it: `/proc/locks`.
//!
//! A try-lock would tell too, but for that instant a `flock -n` of another program would fail for no reason.

use std::{fs::File, path::Path};

use lock_core::dir::{self, FileId};

use crate::error::Trouble;

/// Whether a gate is locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GateLock {
    /// Nobody has it.
    Free,
    /// The process that locked it, where the system tells. It may be dead while a copy of its file lives.
    Locked(Option<u32>),
}

/// Looks at the gate. `device` is the device as the lock list shows it; see [`shown_device`]. `expect_locked` says
/// that there is reason to believe that somebody has it: not finding it in the list then is no proof.
pub(crate) fn look(gate: &Path, open: &File, device: Option<u64>, expect_locked: bool) -> Result<GateLock, Trouble> {
    let id = dir::id_of(open).map_err(Trouble::io("look at", gate))?;
    // The list is read in pieces, and an entry can be missed when others move meanwhile.
    for _ in 0..2 {
        if let Some(pid) = listed(id, device)? {
            return Ok(GateLock::Locked((pid > 0).then_some(pid)));
        }
    }
    if shows_all() && !expect_locked {
        return Ok(GateLock::Free);
    }
    let free = lock_core::flock::try_shared(open).map_err(Trouble::io("look at", gate))?;
    if free {
        lock_core::flock::unlock(open).map_err(Trouble::io("unlock", gate))?;
    }
    Ok(if free { GateLock::Free } else { GateLock::Locked(None) })
}

/// The locker of a file in the list.
#[cfg(target_os = "linux")]
fn listed(id: FileId, device: Option<u64>) -> Result<Option<u32>, Trouble> {
    let list = std::fs::read_to_string("/proc/locks").map_err(Trouble::io("read", "/proc/locks"))?;
    let devices = [Some(id.device), device];
    Ok(list.lines().filter_map(parse).find(|l| l.inode == id.inode && devices.contains(&Some(l.device))).map(|l| l.pid))
}

#[cfg(not(target_os = "linux"))]
fn listed(_id: FileId, _device: Option<u64>) -> Result<Option<u32>, Trouble> {
    Ok(None)
}

/// Whether the list shows the locks of all processes: not in a container, where it hides those of the others.
#[cfg(target_os = "linux")]
fn shows_all() -> bool {
    /// The number of the first process namespace, fixed in the kernel.
    const FIRST: &str = "pid:[4026531836]";
    std::fs::read_link("/proc/self/ns/pid").is_ok_and(|namespace| namespace.as_os_str() == FIRST)
}

#[cfg(not(target_os = "linux"))]
fn shows_all() -> bool {
    false
}

/// The device of a file on which we have a lock, as the list shows it: on some file systems (btrfs, overlays) not the one
/// that stat shows.
#[cfg(target_os = "linux")]
pub(crate) fn shown_device(locked: &File) -> Option<u64> {
    use std::os::fd::AsRawFd;
    let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", locked.as_raw_fd())).ok()?;
    info.lines().filter_map(|line| parse(line.strip_prefix("lock:")?)).map(|l| l.device).next()
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn shown_device(_locked: &File) -> Option<u64> {
    None
}

#[cfg(target_os = "linux")]
#[derive(Debug, PartialEq, Eq)]
struct Listed {
    pid: u32,
    device: u64,
    inode: u64,
}

/// One line such as `1: FLOCK  ADVISORY  WRITE 708 08:01:1048 0 EOF`; `None` for other locks, and for who only waits.
#[cfg(target_os = "linux")]
fn parse(line: &str) -> Option<Listed> {
    let mut words = line.split_ascii_whitespace().skip(1);
    if words.next()? != "FLOCK" {
        return None;
    }
    let mut words = words.skip(2);
    // A process outside our namespace is shown as 0 or below.
    let pid = words.next()?.parse::<i64>().ok().and_then(|pid| u32::try_from(pid).ok()).unwrap_or(0);
    let mut parts = words.next()?.split(':');
    let mut number = || u32::from_str_radix(parts.next()?, 16).ok();
    let device = rustix::fs::makedev(number()?, number()?);
    Some(Listed { pid, device, inode: parts.next()?.parse().ok()? })
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn reads_holders_and_skips_waiters_and_other_locks() {
        let device = rustix::fs::makedev(8, 1);
        let held = Listed { pid: 708, device, inode: 1048 };
        assert_eq!(parse("1: FLOCK  ADVISORY  WRITE 708 08:01:1048 0 EOF"), Some(held));
        assert_eq!(parse("1: -> FLOCK  ADVISORY  WRITE 709 08:01:1048 0 EOF"), None);
        assert_eq!(parse("2: POSIX  ADVISORY  READ 5 08:01:9 0 EOF"), None);
        assert_eq!(parse("3: FLOCK  ADVISORY  WRITE -1 08:01:9 0 EOF").map(|l| l.pid), Some(0));
        assert_eq!(parse("rubbish"), None);
    }

    #[test]
    fn finds_our_own_lock() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gate");
        let (held, other) = (File::create(&path).unwrap(), File::open(&path).unwrap());
        assert_eq!(look(&path, &other, None, false).unwrap(), GateLock::Free);
        assert!(lock_core::flock::try_exclusive(&held).unwrap());
        let device = shown_device(&held);
        assert!(matches!(look(&path, &other, device, false).unwrap(), GateLock::Locked(_)));
    }
}
