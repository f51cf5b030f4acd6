//! Integration tests: one binary for all of them, so they link once and run beside each other.

#[cfg(target_os = "linux")]
mod adversaries;
#[cfg(target_os = "linux")]
mod agent_window_fixtures;
#[cfg(target_os = "linux")]
mod applications;
#[cfg(target_os = "linux")]
mod backend_pages;
#[cfg(target_os = "linux")]
mod browser_fixtures;
#[cfg(target_os = "linux")]
mod crash_hygiene;
#[cfg(target_os = "linux")]
mod desktop_delivery;
#[cfg(target_os = "linux")]
mod display_fixtures;
#[cfg(target_os = "linux")]
mod flood;
#[cfg(target_os = "linux")]
mod full_line;
#[cfg(target_os = "linux")]
mod input_boxes;
#[cfg(target_os = "linux")]
mod stacked;
#[cfg(target_os = "linux")]
mod terminal_fixtures;
mod tidy;

/// Every file of this folder is a module of this binary: one that is forgotten would look like tests that pass.
#[test]
fn no_file_is_forgotten() {
    let here = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("it");
    let main = std::fs::read_to_string(here.join("main.rs")).expect("this file");
    let mut seen = 0;
    for entry in std::fs::read_dir(&here).expect("this folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_stem().and_then(|stem| stem.to_str()).expect("a name in UTF-8").to_owned();
        let holds_code = path.extension().is_some_and(|ending| ending == "rs") || path.join("mod.rs").is_file();
        if holds_code && name != "main" {
            seen += 1;
            assert!(
                main.lines().any(|line| line.trim() == format!("mod {name};")),
                "it/{name} is no module of it/main.rs"
            );
        }
    }
    assert!(seen > 0, "no test file was found in {}", here.display());
}
