//! Links, FIFOs and folders in place of the database, its log, and the flock'd files.

use std::{
    fs::Metadata,
    os::unix::fs::{MetadataExt, PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::Command,
    sync::mpsc,
    time::Duration,
};

use lock_core::{BlockingGuard, BlockingLock, Error};

use super::{FILES, acquire_once, batons, blocking, key, open, soon, told};

/// Puts something at the first path; the second is a file that must not be touched.
type Planter = fn(&Path, &Path);

const PLANT: [(&str, Planter); 4] = [
    ("symbolic link", |path, victim| symlink(victim, path).unwrap()),
    ("FIFO", |path, _| assert!(Command::new("mkfifo").arg(path).status().unwrap().success())),
    ("folder", |path, _| std::fs::create_dir(path).unwrap()),
    ("hard link", |path, victim| std::fs::hard_link(victim, path).unwrap()),
];

/// What `attempt` says, which may sleep for ever on a FIFO: not on this thread.
fn in_time<T: Send + 'static>(attempt: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, answer) = mpsc::channel();
    std::thread::spawn(move || done.send(attempt()));
    answer.recv_timeout(Duration::from_secs(20)).expect("nothing sleeps on what is planted")
}

fn refused(told_by: &str, error: &Error, what: &str, file: &str) {
    let told = told(error);
    assert!(told.contains(what) && told.contains(file), "{what} as {file}, {told_by}: {told}");
}

/// By who opens the database, and by who has it open.
#[test]
fn what_is_planted_in_place_of_a_file_is_refused_by_name_and_not_followed() {
    for (what, plant) in PLANT {
        for file in FILES {
            let folder = tempfile::tempdir().unwrap();
            let dir = folder.path().join("locks");
            acquire_once(&dir).unwrap();
            let running = blocking(&dir);
            let victim = folder.path().join("victim");
            std::fs::write(&victim, "precious").unwrap();
            let path = dir.join(file);
            std::fs::remove_file(&path).unwrap();
            plant(&path, &victim);
            let error = in_time({
                let dir = dir.clone();
                move || acquire_once(&dir).expect_err("what is planted was taken")
            });
            refused("who opens it", &error, what, file);
            // The file of the opening is needed by nobody who has opened.
            if !file.ends_with("opening") {
                let error = in_time(move || running.acquire(&key(), &soon()).map(drop).expect_err("taken"));
                refused("who has it open", &error, what, file);
            }
            assert_eq!(std::fs::read(&victim).unwrap(), b"precious", "{what} as {file}");
        }
    }
}

#[test]
fn a_link_in_place_of_the_folder_of_the_batons_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    symlink(elsewhere.path(), folder.path().join("locks.sqlite.batons")).unwrap();
    let error = acquire_once(folder.path()).unwrap_err();
    assert!(told(&error).contains("locks.sqlite.batons"), "{}", told(&error));
    assert_eq!(std::fs::read_dir(elsewhere.path()).unwrap().count(), 0);
}

/// At once: a waiter that looked in between would put a file of its own there.
fn replace(path: &Path, plant: Planter, victim: &Path) {
    let aside = path.with_extension("aside");
    plant(&aside, victim);
    rustix::fs::renameat_with(rustix::fs::CWD, &aside, rustix::fs::CWD, path, rustix::fs::RenameFlags::EXCHANGE)
        .unwrap();
    std::fs::remove_file(&aside).unwrap();
}

fn held(dir: &Path) -> (BlockingLock, BlockingGuard, PathBuf) {
    let lock = blocking(dir);
    let guard = lock.acquire(&key(), &soon()).unwrap();
    let baton = batons(dir, "lease").pop().unwrap();
    (lock, guard, baton)
}

/// A lease whose baton cannot be looked at is unknown, not free: nobody is granted, and its holder is told.
#[test]
fn what_is_planted_in_place_of_a_leases_baton_is_refused_by_name_and_ends_no_lease() {
    for (what, plant) in PLANT {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("locks");
        let (_lock, guard, baton) = held(&dir);
        let victim = folder.path().join("victim");
        std::fs::write(&victim, "precious").unwrap();
        replace(&baton, plant, &victim);
        let name = baton.file_name().unwrap().to_str().unwrap().to_owned();
        let error = in_time({
            let dir = dir.clone();
            move || acquire_once(&dir).expect_err("what is planted was taken")
        });
        refused("who asks", &error, what, &name);
        while guard.check().is_ok() {
            std::thread::yield_now();
        }
        let token = guard.token().0;
        drop(guard);
        if what == "folder" { std::fs::remove_dir(&baton) } else { std::fs::remove_file(&baton) }.unwrap();
        assert!(acquire_once(&dir).expect("removed, as the error says") > token);
        assert_eq!(std::fs::read(&victim).unwrap(), b"precious", "{what}");
    }
}

/// What is planted in a waiter's place holds up nobody: it waits on, puts its file back, and is granted.
#[test]
fn what_is_planted_in_place_of_a_waiters_file_holds_up_no_line() {
    for (what, plant) in PLANT {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("locks");
        let (lock, guard, _) = held(&dir);
        let waiting = blocking(&dir);
        let waiter = std::thread::spawn(move || waiting.acquire(&key(), &soon()).map(|guard| guard.token()));
        while lock.inspect(&key()).unwrap().queue.len() != 1 {
            std::thread::yield_now();
        }
        let victim = folder.path().join("victim");
        std::fs::write(&victim, "precious").unwrap();
        let place = batons(&dir, "line").pop().unwrap();
        replace(&place, plant, &victim);
        let is_ours = |found: Metadata| found.is_file() && found.ino() != std::fs::metadata(&victim).unwrap().ino();
        while !std::fs::symlink_metadata(&place).is_ok_and(is_ours) && !waiter.is_finished() {
            std::thread::yield_now();
        }
        let token = guard.token();
        guard.release().unwrap();
        let granted = waiter.join().unwrap().unwrap_or_else(|error| panic!("{what}: {}", told(&error)));
        assert!(granted > token);
        assert_eq!(std::fs::read(&victim).unwrap(), b"precious", "{what}");
    }
}

#[test]
fn the_files_are_this_users_alone() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("runtime/locks");
    let (_lock, _guard, baton) = held(&dir);
    for file in FILES.map(|file| dir.join(file)).into_iter().chain([baton]) {
        assert_eq!(std::fs::metadata(&file).unwrap().mode() & 0o7777, 0o600, "{}", file.display());
    }
    for made in [&dir, &dir.join("locks.sqlite.batons")] {
        assert_eq!(std::fs::metadata(made).unwrap().mode() & 0o7777, 0o700, "{}", made.display());
    }
}

#[test]
fn a_folder_that_everybody_can_write_is_refused_with_advice() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o777)).unwrap();
    let error = open(folder.path()).unwrap_err();
    assert!(told(&error).contains("chmod 700"), "{}", told(&error));
    std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o1777)).unwrap();
    acquire_once(folder.path()).expect("sticky: nobody else can take our files away");
}
