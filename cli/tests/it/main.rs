//! The program as its users meet it: arguments, environment and files in; stdout, stderr and status out; real
//! processes, real signals, a real terminal, a real X server.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test ends at what must not happen")]

mod agents;
mod break_lock;
mod broadcast;
mod case;
mod completions;
mod config;
mod demo;
mod doctor;
mod not_built;
mod root;
mod seed_flags;
mod send;
mod sqlite;
mod status;
mod streams;
#[cfg(all(target_os = "linux", feature = "redis"))]
mod two_hosts;
mod usage;

// Signal numbers, and what is read from /proc, are Linux's; so are the fixtures of screens.
#[cfg(target_os = "linux")]
mod demo_folder;
#[cfg(target_os = "linux")]
mod drivers;
#[cfg(all(target_os = "linux", feature = "redis"))]
mod redis;
#[cfg(all(target_os = "linux", feature = "redis"))]
mod redis_left_behind;
#[cfg(all(target_os = "linux", feature = "redis"))]
mod redis_quorum;
#[cfg(all(target_os = "linux", feature = "redis"))]
mod redis_says;
#[cfg(target_os = "linux")]
mod run_fixture;
#[cfg(target_os = "linux")]
mod run_foreign;
#[cfg(all(target_os = "linux", feature = "redis"))]
mod run_full_line;
#[cfg(target_os = "linux")]
mod run_json;
#[cfg(target_os = "linux")]
mod run_killed;
#[cfg(target_os = "linux")]
mod run_line;
#[cfg(target_os = "linux")]
mod run_nested;
#[cfg(target_os = "linux")]
mod run_signals;
#[cfg(target_os = "linux")]
mod run_status;
#[cfg(target_os = "linux")]
mod run_terminal;
#[cfg(target_os = "linux")]
mod run_waiting;
#[cfg(target_os = "linux")]
mod screen;

/// A test file that nobody compiles proves nothing.
#[test]
fn no_test_file_is_forgotten() {
    let here = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it");
    let main = std::fs::read_to_string(here.join("main.rs")).unwrap();
    for entry in std::fs::read_dir(&here).unwrap() {
        let path = entry.unwrap().path();
        let stem = path.file_stem().unwrap().to_str().unwrap();
        let is_code = path.extension().is_some_and(|extension| extension == "rs");
        assert!(
            !is_code || stem == "main" || main.contains(&format!("mod {stem};")),
            "{} is not compiled",
            path.display()
        );
    }
}
