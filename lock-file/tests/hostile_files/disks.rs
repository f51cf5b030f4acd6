//! Disks that are full or cannot be written.
#![cfg(target_os = "linux")]

use std::process::Command;

use super::{acquire_once, is_root, open, told};

/// A mount of our own, taken down when dropped.
struct Mount(tempfile::TempDir);

impl Mount {
    fn new(options: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", options, "none"]).arg(folder.path()).status();
        if !mounted.is_ok_and(|status| status.success()) {
            eprintln!("SKIPPED: cannot mount");
            return None;
        }
        Some(Self(folder))
    }

    fn remount(&self, options: &str) {
        let remounted = Command::new("mount").args(["-o", &format!("remount,{options}")]).arg(self.0.path()).status();
        assert!(remounted.unwrap().success());
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        assert!(Command::new("umount").arg(self.0.path()).status().unwrap().success());
    }
}

#[test]
fn a_full_disk_gives_no_lock_and_says_so() {
    let Some(mount) = is_root().then(|| Mount::new("size=64k")).flatten() else { return };
    let dir = mount.0.path().join("locks");
    open(&dir).unwrap();
    let filler = mount.0.path().join("filler");
    let _full = std::fs::write(&filler, vec![1; 1 << 20]).unwrap_err();
    let error = acquire_once(&dir).unwrap_err();
    assert!(told(&error).contains("free some space"), "{}", told(&error));
    std::fs::remove_file(&filler).unwrap();
    acquire_once(&dir).expect("space again");
}

#[test]
fn a_read_only_disk_gives_no_lock_and_says_so() {
    let Some(mount) = is_root().then(|| Mount::new("size=64k")).flatten() else { return };
    let dir = mount.0.path().join("locks");
    open(&dir).unwrap();
    mount.remount("ro");
    let error = acquire_once(&dir).unwrap_err();
    assert!(told(&error).contains("can be written"), "{}", told(&error));
}
