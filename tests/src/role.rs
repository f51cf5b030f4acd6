//! A test program that starts itself again, to be another process.

use std::process::{Command, Stdio};

/// This program with one of its tests alone, which is told what to be by an environment variable; it is spoken with by pipes.
///
/// # Panics
/// When the system does not say where this program is.
pub fn role(test: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("the path of this program"));
    command.args(["--exact", test, "--nocapture", "--test-threads=1"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    command
}
