//! The disks of the root and of the lock store: every delivery and every lock is written down before it is made.

use std::{os::unix::fs::MetadataExt as _, path::Path};

use rustix::{fs::statvfs, io::Errno};

use super::Check;
use crate::{backends, settings::Settings};

/// Less than this is about to be full: lines, records and the journal take some kilobytes a message.
const FREE_BYTES_MIN: u64 = 1024 * 1024;

/// Says something only of those that are read-only, full, nearly full, or cannot be asked: each of the root and of the lock
/// store, where that keeps files and they are on another file system.
pub(super) fn checks(settings: &Settings) -> Vec<Check> {
    let mut seen = Vec::new();
    let mut checks = Vec::new();
    for path in [Some(settings.root.path.clone()), backends::files(settings)].into_iter().flatten() {
        // The folder that is there already: what is below it is made when it is needed.
        let Some(there) = path.ancestors().find(|folder| folder.is_dir()) else { continue };
        let device = std::fs::metadata(there).map(|there| there.dev()).ok();
        if device.is_none() || !seen.contains(&device) {
            seen.push(device);
            checks.extend(check(there));
        }
    }
    checks
}

fn check(there: &Path) -> Option<Check> {
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
    let advice = "make room, or name another root (--root DIR) or lock store (--backend)";
    match free {
        0 => Some(Check::fail("disk", seen, advice)),
        free if free < FREE_BYTES_MIN => Some(Check::warn("disk", seen, advice)),
        _ => None,
    }
}
