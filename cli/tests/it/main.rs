//! The program as its users meet it: arguments, environment and files in; stdout, stderr and status out.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test ends at what must not happen")]

mod agents;
mod break_lock;
mod broadcast;
mod case;
mod completions;
mod config;
mod doctor;
mod not_built;
mod root;
#[cfg(target_os = "linux")]
mod screen;
mod seed_flags;
mod send;
mod status;
mod usage;

/// A test file that nobody compiles proves nothing.
#[test]
fn no_test_file_is_forgotten() {
    let here = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it");
    let main = std::fs::read_to_string(here.join("main.rs")).unwrap();
    for entry in std::fs::read_dir(&here).unwrap() {
        let path = entry.unwrap().path();
        let stem = path.file_stem().unwrap().to_str().unwrap();
        assert!(stem == "main" || main.contains(&format!("mod {stem};")), "{} is not compiled", path.display());
    }
}
