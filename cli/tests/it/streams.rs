//! Streams that take nothing.

use std::process::{Command, Stdio};

use crate::case::Case;

fn into(case: &Case, args: &[&str], stdout: Stdio) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_talkstick"));
    command.env_clear().env("HOME", case.home()).arg("--root").arg(case.root()).args(args);
    let output = command.stdout(stdout).stderr(Stdio::piped()).output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

/// A script that reads a list from a file must not take half of it for the whole.
#[test]
#[cfg(target_os = "linux")]
fn data_that_cannot_be_written_is_an_error_of_those_who_only_print() {
    let full = || Stdio::from(std::fs::File::options().write(true).open("/dev/full").unwrap());
    let case = Case::new(["status"]);
    let why = "the output could not be written: No space left on device (os error 28)";
    let says = format!("warning: {why}\n");
    for args in [&["status"][..], &["completions", "bash"]] {
        assert_eq!(into(&case, args, full()), (Some(9), says.clone()), "{args:?}");
    }
    let (code, talk) = into(&case, &["--json", "config", "show"], full());
    assert_eq!((code, talk), (Some(9), format!("{{\"warning\":\"{why}\"}}\n")));
    // What was sent is sent, and must not look as if it were to be sent again.
    let (_desktop, config) = crate::send::desktop();
    let case = case.config(&config);
    assert_eq!(into(&case, &["send", "-a", "Agent-1", "-m", "x"], full()), (Some(0), says));
}

#[test]
fn a_reader_who_has_gone_is_no_error() {
    let case = Case::new(["status"]);
    for args in [&["status"][..], &["--json", "config", "show"], &["completions", "bash"], &["--help"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        assert_eq!(into(&case, args, writer.into()), (Some(0), String::new()), "{args:?}");
    }
}
