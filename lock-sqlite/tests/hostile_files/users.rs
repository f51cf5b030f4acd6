//! Several users of one folder.

use std::{
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
    time::Duration,
};

use tests::{
    told::told,
    users::{is_root, run_as_nobody},
};

use super::{FILES, acquire_once, acquire_within, batons, blocking, key, within};

const SECOND_USER: &str = "TALKSTICK_TEST_SECOND_USER";
/// How many seconds it waits.
const WAIT: &str = "TALKSTICK_TEST_SECOND_USERS_WAIT";

/// Not a test of its own: what [`two_users_of_a_setgid_group_folder_share_its_locks`] starts as another user.
#[test]
fn second_user() {
    let Some(dir) = std::env::var_os(SECOND_USER) else { return };
    let wait: u64 = std::env::var(WAIT).unwrap().parse().unwrap();
    match acquire_within(Path::new(&dir), Duration::from_secs(wait)) {
        Ok(token) => println!("\nTOKEN {token}"),
        Err(error) => println!("\nERROR {}", told(&error)),
    }
}

fn as_nobody(dir: &Path, group: u32, wait: u64) -> String {
    let wait = wait.to_string();
    let text = run_as_nobody("users::second_user", group, &[(SECOND_USER, dir.as_os_str()), (WAIT, wait.as_ref())]);
    text.lines().find(|l| l.starts_with("TOKEN") || l.starts_with("ERROR")).unwrap_or(&text).to_owned()
}

#[test]
fn two_users_of_a_setgid_group_folder_share_its_locks() {
    const GROUP: u32 = 54_321;
    if !is_root() {
        return;
    }
    let folder = tempfile::tempdir_in("/tmp").unwrap();
    std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let root = folder.path().join("root");
    std::fs::create_dir(&root).unwrap();
    std::os::unix::fs::chown(&root, None, Some(GROUP)).unwrap();
    std::fs::set_permissions(&root, PermissionsExt::from_mode(0o2770)).unwrap();
    // The root's own layout: what is made below it is for the group too.
    let dir = root.join("runtime");
    let lock = blocking(&dir);
    let guard = lock.acquire(&key(), &within(Duration::ZERO)).unwrap();
    let token = guard.token().0;
    let shared = || FILES.map(|file| dir.join(file)).into_iter().chain(batons(&dir, "lease"));
    for file in shared() {
        assert_eq!(std::fs::metadata(&file).unwrap().mode() & 0o7777, 0o660, "{}", file.display());
    }
    let waiting = as_nobody(&dir, GROUP, 0);
    assert!(waiting.starts_with("ERROR") && waiting.contains("held it for"), "the holder is named: {waiting}");
    guard.release().unwrap();
    drop(lock);
    let theirs = as_nobody(&dir, GROUP, 5);
    assert!(theirs.strip_prefix("TOKEN ").is_some_and(|t| t.parse::<u64>().unwrap() > token), "{theirs}");
    for file in shared() {
        assert_eq!(std::fs::metadata(&file).unwrap().mode() & 0o7777, 0o660, "{}", file.display());
    }
    acquire_once(&dir).expect("and back");
    // Made by the other one: the log and the batons are still the group's.
    for suffix in ["", "-wal", "-shm"] {
        std::fs::remove_file(dir.join(format!("locks.sqlite{suffix}"))).unwrap();
    }
    assert!(as_nobody(&dir, GROUP, 5).starts_with("TOKEN"));
    for file in shared() {
        assert_eq!(std::fs::metadata(&file).unwrap().mode() & 0o7777, 0o660, "{}", file.display());
        assert_eq!(std::fs::metadata(&file).unwrap().gid(), GROUP, "{}", file.display());
    }
    acquire_once(&dir).expect("and back");
}

#[test]
fn a_user_outside_the_group_is_told_why_not() {
    if !is_root() {
        return;
    }
    let folder = tempfile::tempdir_in("/tmp").unwrap();
    std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).unwrap();
    acquire_once(folder.path()).unwrap();
    let theirs = as_nobody(folder.path(), 65534, 5);
    assert!(theirs.starts_with("ERROR") && theirs.contains("locks.sqlite"), "{theirs}");
    assert!(theirs.contains("belongs to user 0") || theirs.contains("denied"), "{theirs}");
}

/// A file of a stranger's in our folder could be changed by it at any time.
#[test]
fn a_file_of_another_user_is_refused_by_name() {
    if !is_root() {
        return;
    }
    for file in FILES {
        let folder = tempfile::tempdir().unwrap();
        acquire_once(folder.path()).unwrap();
        std::os::unix::fs::chown(folder.path().join(file), Some(12_345), None).unwrap();
        let told = told(&acquire_once(folder.path()).expect_err(file));
        assert!(told.contains(file) && told.contains("belongs to user 12345"), "{file}: {told}");
    }
}
