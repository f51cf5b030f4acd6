//! What doctor sees.

use crate::case::{Case, TWO_AGENTS};

#[test]
fn without_a_display_it_fails_with_advice() {
    let ran = Case::new(["doctor", "--json"]).config(TWO_AGENTS).run();
    assert_eq!(ran.code, Some(9));
    let checks = ran.json();
    let state = |name: &str| checks.iter().find(|c| c["check"] == name).map(|c| c["state"].clone());
    assert_eq!(state("root"), Some("ok".into()));
    assert_eq!(state("configuration"), Some("ok".into()));
    assert_eq!(state("lock store"), Some("ok".into()));
    assert_eq!(state("lock `messaging_pyautogui`"), Some("ok".into()));
    assert_eq!(state("display"), Some("fail".into()));
    assert!(checks.iter().filter(|c| c["state"] == "fail").all(|c| c["advice"].is_string()));
}

#[test]
fn a_broken_configuration_is_its_finding() {
    Case::new(["doctor"]).config("[lock]\nbackedn = 1").run().is(
        9,
        "fail  configuration: `lock.backedn` is no setting ([root]/talkstick.toml:2)\n      did you mean `lock.backend`?\n",
        "",
    );
}

#[test]
fn a_lock_folder_that_everybody_can_write_fails() {
    use std::os::unix::fs::PermissionsExt;
    let case = Case::new(["doctor"]).file("runtime/locks/x.lock", "");
    let locks = case.root().join("runtime/locks");
    std::fs::set_permissions(&locks, std::fs::Permissions::from_mode(0o777)).unwrap();
    let ran = case.run();
    assert_eq!(ran.code, Some(9));
    assert!(ran.stdout.contains("fail  lock store: ") && ran.stdout.contains("every user"), "{}", ran.stdout);
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_and_one_that_is_nearly_full_are_told() {
    let case = Case::new(["doctor", "--json"]);
    let Some(disk) = tests::small_disk::SmallDisk::over(&case.root(), "64k") else { return };
    let told = || {
        let checks = case.run().json();
        checks.into_iter().find(|check| check["check"] == "disk").expect("a word about the disk")["state"].clone()
    };
    assert_eq!(told(), "warn");
    let _full = std::fs::write(disk.path().join("filler"), vec![1; 1 << 20]).unwrap_err();
    assert_eq!(told(), "fail");
}

/// The lock store may be elsewhere than the root.
#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_of_the_lock_store_is_told_whatever_the_root_is_on() {
    let case =
        Case::new(["doctor"]).config("lock.backend = \"sqlite:disk/locks.sqlite\"").file("disk/locks.sqlite", "");
    std::fs::remove_file(case.root().join("disk/locks.sqlite")).unwrap();
    let folder = case.root().join("disk");
    let Some(disk) = tests::small_disk::SmallDisk::over(&folder, "64k") else { return };
    let told = || case.again_here(["doctor"]).run().stdout;
    let seen = told();
    assert!(seen.contains("warn  disk: ") && seen.contains("are free at [root]/disk"), "{seen}");
    let _full = std::fs::write(disk.path().join("filler"), vec![1; 1 << 20]).unwrap_err();
    let seen = told();
    assert!(seen.contains("fail  disk: 0 bytes are free at [root]/disk"), "{seen}");
    // Files are looked at as well.
    let seen = case.again_here(["--backend", "file:disk/locks", "doctor"]).run().stdout;
    assert!(seen.contains("fail  disk: 0 bytes are free at [root]/disk"), "{seen}");
}
