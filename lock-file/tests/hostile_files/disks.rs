//! Disks that are full or cannot be written.
#![cfg(target_os = "linux")]

use tests::small_disk::SmallDisk;

use super::{acquire_once, is_root, open, told};

#[test]
fn a_full_disk_gives_no_lock_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let Some(disk) = is_root().then(|| SmallDisk::over(folder.path(), "64k")).flatten() else { return };
    let dir = disk.path().join("locks");
    open(&dir).unwrap();
    let filler = disk.path().join("filler");
    let _full = std::fs::write(&filler, vec![1; 1 << 20]).unwrap_err();
    let error = acquire_once(&dir).unwrap_err();
    assert!(told(&error).contains("free some space"), "{}", told(&error));
    std::fs::remove_file(&filler).unwrap();
    acquire_once(&dir).expect("space again");
}

#[test]
fn a_read_only_disk_gives_no_lock_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let Some(disk) = is_root().then(|| SmallDisk::over(folder.path(), "64k")).flatten() else { return };
    let dir = disk.path().join("locks");
    open(&dir).unwrap();
    disk.make_read_only();
    let error = acquire_once(&dir).unwrap_err();
    assert!(told(&error).contains("can be written"), "{}", told(&error));
}
