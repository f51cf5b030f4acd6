//! A terminal: an interactive shell with job control, on a pseudo terminal.

use crate::run_fixture::{Home, text};

const DRIVER: &str = include_str!("run_terminal.py");

#[test]
fn the_child_has_the_terminal_and_job_control_works() {
    tests::require!("python3", "bash");
    let home = Home::new();
    let output = home.program("python3", &["-c", DRIVER, env!("CARGO_BIN_EXE_talkstick")]).output().unwrap();
    assert!(output.status.success(), "{}\n{}", text(&output.stdout), text(&output.stderr));
    assert!(text(&output.stdout).ends_with("all seen\n"));
}
