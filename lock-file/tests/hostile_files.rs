//! What is planted, damaged or forbidden in the lock folder: refused with its path, healed, or said; never followed.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test fails where it panics, and says what it skips")]

use std::{
    error::Error as _,
    os::unix::fs::{MetadataExt, PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::Duration,
};

use lock_core::{AcquireOptions, BlockingLock, DistributedLock, DistributedLockExt, Error, LockKey};
use lock_file::{FileConfig, FileLock};

/// Every file of the key `k`, relative to the folder of the locks.
const FILES: [&str; 5] =
    ["k.lock", ".talkstick/k/mutex", ".talkstick/k/line", ".talkstick/k/holder", ".talkstick/k/baton"];

/// Puts something at the first path; the second is a file that must not be touched.
type Planter = fn(&Path, &Path);

fn key() -> LockKey {
    LockKey::new("k").unwrap()
}

fn open(dir: &Path) -> Result<Arc<dyn DistributedLock>, Error> {
    FileLock::open(FileConfig::new(dir)).map(|lock| Arc::new(lock) as Arc<dyn DistributedLock>)
}

fn within(time: Duration) -> AcquireOptions {
    AcquireOptions::default().timeout(time)
}

fn acquire_once(dir: &Path) -> Result<u64, Error> {
    let guard = BlockingLock::new(open(dir)?).acquire(&key(), &within(Duration::from_secs(5)))?;
    let token = guard.token().0;
    guard.release()?;
    Ok(token)
}

/// The error as a user reads it: with all its sources.
fn told(error: &Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

#[test]
fn a_gate_that_was_never_locked_is_looked_at_without_following_what_is_planted_there() {
    let plant: [(&str, Planter); 3] = [
        ("symbolic link", |path, victim| symlink(victim, path).unwrap()),
        ("FIFO", |path, _| assert!(Command::new("mkfifo").arg(path).status().unwrap().success())),
        ("folder", |path, _| std::fs::create_dir(path).unwrap()),
    ];
    for (what, plant) in plant {
        let folder = tempfile::tempdir().unwrap();
        let lock = open(folder.path()).unwrap();
        let victim = folder.path().join("victim");
        std::fs::write(&victim, "precious").unwrap();
        plant(&folder.path().join("k.lock"), &victim);
        // A thread of its own: an opening that waits for the FIFO's writer never ends.
        let (done, looked) = std::sync::mpsc::channel();
        std::thread::spawn(move || done.send(BlockingLock::new(lock).inspect(&key()).map_err(Box::new)).ok());
        let looked = looked.recv_timeout(Duration::from_secs(10)).expect("a look does not wait");
        let told = told(&looked.unwrap_err());
        assert!(told.contains(what), "{told}");
    }
}

#[test]
fn what_is_planted_in_place_of_a_file_is_refused_by_name_and_not_followed() {
    let plant: [(&str, Planter); 4] = [
        ("symbolic link", |path, victim| symlink(victim, path).unwrap()),
        ("FIFO", |path, _| assert!(Command::new("mkfifo").arg(path).status().unwrap().success())),
        ("folder", |path, _| std::fs::create_dir(path).unwrap()),
        ("hard link", |path, victim| std::fs::hard_link(victim, path).unwrap()),
    ];
    for (what, plant) in plant {
        for file in FILES {
            let folder = tempfile::tempdir().unwrap();
            let dir = folder.path().join("locks");
            acquire_once(&dir).unwrap();
            let victim = folder.path().join("victim");
            std::fs::write(&victim, "precious").unwrap();
            let path = dir.join(file);
            std::fs::remove_file(&path).unwrap();
            plant(&path, &victim);
            let error = acquire_once(&dir).expect_err(&format!("{what} as {file} was taken"));
            let told = told(&error);
            assert!(told.contains(what) && told.contains(file), "{what} as {file}: {told}");
            assert_eq!(std::fs::read(&victim).unwrap(), b"precious");
        }
    }
}

/// Also where nobody has locked the key through us yet, and so no file of ours is beside the gate.
#[test]
fn what_is_planted_in_place_of_a_gate_is_refused_by_a_look_too() {
    let plant: [(&str, Planter); 3] = [
        ("symbolic link", |path, victim| symlink(victim, path).unwrap()),
        ("FIFO", |path, _| assert!(Command::new("mkfifo").arg(path).status().unwrap().success())),
        ("folder", |path, _| std::fs::create_dir(path).unwrap()),
    ];
    for (what, plant) in plant {
        let folder = tempfile::tempdir().unwrap();
        let victim = folder.path().join("victim");
        std::fs::write(&victim, "precious").unwrap();
        plant(&folder.path().join("k.lock"), &victim);
        let lock = open(folder.path()).unwrap();
        // A look that sleeps on the FIFO would never end, so it must not be this thread's.
        let (done, looked) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let _gone = done.send(runtime.block_on(lock.inspect(&key())));
        });
        let looked = looked.recv_timeout(Duration::from_secs(20)).expect("a look never sleeps");
        let told = told(&looked.expect_err(&format!("{what} was taken")));
        assert!(told.contains(what) && told.contains("k.lock"), "{what}: {told}");
    }
}

#[test]
fn a_link_in_place_of_the_side_folder_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    symlink("/tmp", folder.path().join(".talkstick")).unwrap();
    let error = acquire_once(folder.path()).unwrap_err();
    assert!(told(&error).contains(".talkstick"), "{}", told(&error));
}

#[test]
fn garbage_in_any_file_costs_no_lock_and_no_order_of_tokens() {
    for file in &FILES[1..] {
        for garbage in [&b"\xFF garbage \x00"[..], b"", &[0; 5000]] {
            let folder = tempfile::tempdir().unwrap();
            let before = acquire_once(folder.path()).unwrap();
            std::fs::write(folder.path().join(file), garbage).unwrap();
            let after = acquire_once(folder.path()).unwrap();
            assert!(after > before, "garbage in {file}: {before} then {after}");
        }
    }
}

#[test]
fn the_files_are_this_users_alone() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("runtime/locks");
    acquire_once(&dir).unwrap();
    for file in FILES {
        assert_eq!(std::fs::metadata(dir.join(file)).unwrap().mode() & 0o7777, 0o600, "{file}");
    }
    for made in [&dir, &dir.join(".talkstick"), &dir.join(".talkstick/k")] {
        assert_eq!(std::fs::metadata(made).unwrap().mode() & 0o7777, 0o700, "{}", made.display());
    }
}

#[test]
fn a_folder_that_everybody_can_write_is_refused_with_advice() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o777)).unwrap();
    let error = acquire_once(folder.path()).unwrap_err();
    assert!(told(&error).contains("chmod 700"), "{}", told(&error));
    std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o1777)).unwrap();
    acquire_once(folder.path()).expect("sticky: nobody else can take our files away");
}

/// Tickets come back under their numbers, and the line goes on, whatever happens to its file meanwhile.
#[test]
fn a_line_that_is_damaged_while_many_wait_keeps_its_order() {
    let damage: [fn(&Path); 3] = [
        |line| std::fs::write(line, "garbage").unwrap(),
        |line| std::fs::OpenOptions::new().write(true).open(line).unwrap().set_len(100).unwrap(),
        |line| std::fs::write(line, [0; 64]).unwrap(),
    ];
    for damage in damage {
        let folder = tempfile::tempdir().unwrap();
        let clients: Vec<_> = (0..4).map(|_| open(folder.path()).unwrap()).collect();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let granted = runtime.block_on(async {
            let guard = clients[0].acquire(&key(), &within(Duration::ZERO)).await.unwrap();
            let (order, mut granted) = tokio::sync::mpsc::unbounded_channel();
            for i in 0..8 {
                let (client, order) = (Arc::clone(&clients[i % 4]), order.clone());
                tokio::spawn(async move {
                    let guard = client.acquire(&key(), &within(Duration::from_secs(20))).await.unwrap();
                    order.send(i).unwrap();
                    guard.release().await.unwrap();
                });
                while clients[0].inspect(&key()).await.unwrap().queue.len() != i + 1 {
                    tokio::task::yield_now().await;
                }
            }
            damage(&folder.path().join(".talkstick/k/line"));
            // At the latest at their second sweep all tickets are back.
            while clients[0].inspect(&key()).await.unwrap().queue.len() != 8 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            guard.release().await.unwrap();
            let mut all = Vec::new();
            while all.len() < 8 {
                all.push(granted.recv().await.unwrap());
            }
            all
        });
        assert_eq!(granted, (0..8).collect::<Vec<_>>());
    }
}

/// The holder is told, and who waits goes on in the new folder without being asked again.
#[test]
fn a_folder_that_is_deleted_while_one_holds_and_others_wait() {
    let folder = tempfile::tempdir().unwrap();
    let dir: PathBuf = folder.path().join("locks");
    let clients: Vec<_> = (0..3).map(|_| open(&dir).unwrap()).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let guard = clients[0].acquire(&key(), &within(Duration::ZERO)).await.unwrap();
        let mut waiters = Vec::new();
        for (i, client) in clients.iter().enumerate() {
            let client = Arc::clone(client);
            waiters.push(tokio::spawn(async move {
                let guard = client.acquire(&key(), &within(Duration::from_secs(20))).await.unwrap();
                guard.release().await
            }));
            while clients[0].inspect(&key()).await.unwrap().queue.len() != i + 1 {
                tokio::task::yield_now().await;
            }
        }
        std::fs::remove_dir_all(&dir).unwrap();
        let deleted = lock_core::Moment::now();
        guard.lost().await;
        assert!(deleted.elapsed() < Duration::from_millis(500), "told after {:?}", deleted.elapsed());
        drop(guard);
        for waiter in waiters {
            tokio::time::timeout(Duration::from_secs(15), waiter).await.expect("the line goes on").unwrap().unwrap();
        }
    });
}

fn is_root() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        eprintln!("SKIPPED: needs root");
    }
    root
}

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
#[cfg(target_os = "linux")]
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
#[cfg(target_os = "linux")]
fn a_read_only_disk_gives_no_lock_and_says_so() {
    let Some(mount) = is_root().then(|| Mount::new("size=64k")).flatten() else { return };
    let dir = mount.0.path().join("locks");
    open(&dir).unwrap();
    mount.remount("ro");
    let error = acquire_once(&dir).unwrap_err();
    assert!(told(&error).contains("can be written"), "{}", told(&error));
}

const SECOND_USER: &str = "TALKSTICK_TEST_SECOND_USER";

/// Not a test of its own: what [`two_users_of_a_setgid_group_folder_share_its_locks`] starts as another user.
#[test]
fn second_user() {
    let Some(dir) = std::env::var_os(SECOND_USER) else { return };
    match acquire_once(Path::new(&dir)) {
        Ok(token) => println!("\nTOKEN {token}"),
        Err(error) => println!("\nERROR {}", told(&error)),
    }
}

fn as_nobody(dir: &Path, group: u32) -> String {
    use std::os::unix::process::CommandExt;
    // Where nobody may run it: the build folder may be root's alone.
    let place = tempfile::tempdir_in("/tmp").unwrap();
    std::fs::set_permissions(place.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let binary = place.path().join("second_user");
    std::fs::copy(std::env::current_exe().unwrap(), &binary).unwrap();
    let output = Command::new(&binary)
        .args(["--exact", "second_user", "--nocapture", "--test-threads=1"])
        .env(SECOND_USER, dir)
        .current_dir("/")
        .uid(65534)
        .gid(group)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
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
    let waiting = as_nobody(&dir, GROUP);
    assert!(waiting.starts_with("ERROR") && waiting.contains("held it for"), "the holder is named: {waiting}");
    guard.release().unwrap();
    let theirs = as_nobody(&dir, GROUP);
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
    let theirs = as_nobody(folder.path(), 65534);
    assert!(theirs.contains("denied"), "{theirs}");
}
