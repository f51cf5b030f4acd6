//! Disks that are full or cannot be written.
#![cfg(target_os = "linux")]

use lock_core::LockKey;
use tests::small_disk::SmallDisk;

use super::{acquire_once, blocking, is_root, key, soon, told};

#[test]
fn a_full_disk_gives_no_lock_and_says_so() {
    let place = tempfile::tempdir().unwrap();
    let Some(disk) = is_root().then(|| SmallDisk::over(place.path(), "1m")).flatten() else { return };
    let folder = disk.path();
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
    let place = tempfile::tempdir().unwrap();
    let Some(disk) = is_root().then(|| SmallDisk::over(place.path(), "4m")).flatten() else { return };
    acquire_once(disk.path()).unwrap();
    disk.make_read_only();
    let error = acquire_once(disk.path()).unwrap_err();
    assert!(told(&error).contains("can be written"), "{}", told(&error));
}
