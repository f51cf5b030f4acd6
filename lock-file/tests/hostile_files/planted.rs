//! Links, FIFOs, folders and garbage in place of our files.

use std::{
    os::unix::fs::{MetadataExt, PermissionsExt, symlink},
    path::Path,
    process::Command,
    time::Duration,
};

use super::{FILES, acquire_once, key, open, told};

/// Puts something at the first path; the second is a file that must not be touched.
type Planter = fn(&Path, &Path);

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
