//! Disks that are full or cannot be written.
#![cfg(target_os = "linux")]

use std::process::Command;

use lock_core::LockKey;

use super::{acquire_once, blocking, is_root, key, soon, told};

/// A mount of our own, taken down when dropped.
struct Mount(tempfile::TempDir);

impl Mount {
    fn new(options: &str) -> Option<Self> {
        if !is_root() {
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", options, "none"]).arg(folder.path()).status();
        if !mounted.is_ok_and(|status| status.success()) {
            eprintln!("SKIPPED: cannot mount");
            return None;
        }
        Some(Self(folder))
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        assert!(Command::new("umount").arg(self.0.path()).status().unwrap().success());
    }
}

#[test]
fn a_full_disk_gives_no_lock_and_says_so() {
    let Some(mount) = Mount::new("size=1m") else { return };
    let folder = mount.0.path();
    let before = {
        let (lock, waiting) = (blocking(folder), blocking(folder));
        let guard = lock.acquire(&key(), &soon()).unwrap();
        let filler = folder.join("filler");
        let _full = std::fs::write(&filler, vec![1; 4 << 20]).unwrap_err();
        // Whatever the log still has room for is used up by asking; then there is none.
        let error = (0..1000).find_map(|i| {
            let other = LockKey::new(format!("other{i}")).unwrap();
            lock.acquire(&other, &soon()).err()
        });
        let told = told(&error.expect("the log cannot grow for ever"));
        assert!(told.contains("no lock was taken"), "{told}");
        guard.check().expect("held on");
        let token = guard.token();
        guard.release().expect("a release needs no space");
        std::fs::remove_file(&filler).unwrap();
        assert!(waiting.acquire(&key(), &soon()).expect("space again").token() > token);
        token.0
    };
    assert!(acquire_once(folder).unwrap() > before);
}

#[test]
fn a_read_only_disk_gives_no_lock_and_says_so() {
    let Some(mount) = Mount::new("size=4m") else { return };
    acquire_once(mount.0.path()).unwrap();
    let remounted = Command::new("mount").args(["-o", "remount,ro"]).arg(mount.0.path()).status().unwrap();
    assert!(remounted.success());
    let error = acquire_once(mount.0.path()).unwrap_err();
    assert!(told(&error).contains("can be written"), "{}", told(&error));
}
