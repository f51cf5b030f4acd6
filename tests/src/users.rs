//! Other users than the one who runs the tests.

use std::{
    ffi::OsStr,
    io::Write as _,
    os::unix::{fs::PermissionsExt, process::CommandExt as _},
    process::Command,
};

/// Nobody in particular.
const NOBODY: u32 = 65534;

/// Whether this process may become others; says on the terminal when not.
pub fn is_root() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        // Written to the stream itself: the test runner swallows what `eprintln!` says in a test that passes.
        let _closed = writeln!(std::io::stderr(), "SKIPPED: needs root");
    }
    root
}

/// Runs a test of this program as nobody, in this group and with these variables; gives what it printed.
pub fn run_as_nobody<V: AsRef<OsStr>>(test: &str, group: u32, variables: &[(&str, V)]) -> String {
    // Where nobody may run it: the build folder may be root's alone.
    let place = tempfile::tempdir_in("/tmp").expect("a folder");
    std::fs::set_permissions(place.path(), PermissionsExt::from_mode(0o755)).expect("a folder of ours");
    let program = place.path().join("as_nobody");
    // By a program of its own: while we wrote it, a child of another test could be made with a copy of the open file, and
    // nothing can be executed that somebody may still write.
    let copied = Command::new("cp").arg(std::env::current_exe().expect("this program")).arg(&program).status();
    assert!(copied.expect("cp runs").success());
    let output = Command::new(&program)
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .envs(variables.iter().map(|(name, value)| (name, value)))
        .current_dir("/")
        .uid(NOBODY)
        .gid(group)
        .output();
    String::from_utf8(output.expect("it runs").stdout).expect("UTF-8")
}
