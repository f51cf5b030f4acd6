//! The disk of the root: every delivery is written down before it is made.

use std::path::Path;

use rustix::{fs::statvfs, io::Errno};

use super::Check;

/// Less than this is about to be full: lines, records and the journal take some kilobytes a message.
const FREE_BYTES_MIN: u64 = 1024 * 1024;

/// Says something only where it is read-only, full, nearly full, or cannot be asked.
pub(super) fn checks(root: &Path) -> Option<Check> {
    // The folder that is there already: the root of a first run is made when it is needed.
    let there = root.ancestors().find(|folder| folder.exists())?;
    let found = match statvfs(there) {
        Ok(found) => found,
        Err(Errno::NOSYS) => return None,
        Err(error) => {
            return Some(Check::fail(
                "disk",
                format!("{}: {error}", there.display()),
                "name another root with --root DIR",
            ));
        }
    };
    if found.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY) {
        let seen = format!("{} is on a read-only file system", there.display());
        return Some(Check::fail("disk", seen, "no lock can be taken there; name another root with --root DIR"));
    }
    let free = found.f_bavail.saturating_mul(found.f_frsize);
    let seen = format!("{} bytes are free at {}", free, there.display());
    let advice = "make room, or name another root with --root DIR";
    match free {
        0 => Some(Check::fail("disk", seen, advice)),
        free if free < FREE_BYTES_MIN => Some(Check::warn("disk", seen, advice)),
        _ => None,
    }
}
