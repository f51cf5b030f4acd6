//! Several users of one folder.

use std::{
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
    time::Duration,
};

use lock_core::BlockingLock;
use tests::{
    told::told,
    users::{is_root, run_as_nobody},
};

use super::{FILES, acquire_once, acquire_within, key, open, within};

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
    let dir = root.join("runtime/locks");
    let lock = BlockingLock::new(open(&dir).unwrap());
    let guard = lock.acquire(&key(), &within(Duration::ZERO)).unwrap();
    let token = guard.token().0;
    for file in FILES {
        assert_eq!(std::fs::metadata(dir.join(file)).unwrap().mode() & 0o7777, 0o660, "{file}");
    }
    let waiting = as_nobody(&dir, GROUP, 0);
    assert!(waiting.starts_with("ERROR") && waiting.contains("held it for"), "the holder is named: {waiting}");
    guard.release().unwrap();
    let theirs = as_nobody(&dir, GROUP, 5);
    assert!(theirs.strip_prefix("TOKEN ").is_some_and(|t| t.parse::<u64>().unwrap() > token), "{theirs}");
    lock.acquire(&key(), &within(Duration::from_secs(5))).expect("and back").release().unwrap();
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
    assert!(theirs.contains("denied"), "{theirs}");
}

/// What stands above the folder of the locks is not ours to judge, as long as what we make in it stays where it is.
#[test]
fn a_folder_is_made_below_one_that_cannot_be_read_or_where_each_takes_only_what_is_its_own() {
    let folder = tempfile::tempdir_in("/tmp").unwrap();
    for mode in [0o1777, 0o311] {
        let above = folder.path().join(format!("{mode:o}"));
        std::fs::create_dir(&above).unwrap();
        std::fs::set_permissions(&above, PermissionsExt::from_mode(mode)).unwrap();
        let dir = above.join("made/locks");
        acquire_once(&dir).unwrap_or_else(|error| panic!("{mode:o}: {}", told(&error)));
        assert_eq!(std::fs::metadata(above.join("made")).unwrap().mode() & 0o7777, 0o700);
    }
}

/// Every user could rename the new folder away, and put another one there for those who come later.
#[test]
fn no_folder_is_made_below_one_that_is_open_to_all() {
    let folder = tempfile::tempdir_in("/tmp").unwrap();
    let above = folder.path().join("open");
    std::fs::create_dir(&above).unwrap();
    std::fs::set_permissions(&above, PermissionsExt::from_mode(0o777)).unwrap();
    let told = told(&acquire_once(&above.join("made/locks")).unwrap_err());
    assert!(told.contains(above.to_str().unwrap()) && told.contains("chmod +t"), "{told}");
    assert!(!above.join("made").exists());
}
