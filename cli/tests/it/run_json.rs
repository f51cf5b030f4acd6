//! What `run` says to programs.

use std::{fs::File, process::Output};

use crate::run_fixture::{Home, Running, json, talk, text, until};

#[test]
fn the_json_object_goes_to_stderr_or_to_the_descriptor_that_was_named() {
    let home = Home::new();
    let output = home.talkstick(&["--json", "run", "k", "--", "sh", "-c", "exit 9"]).output().unwrap();
    let object = json(&output);
    assert_eq!((&object["key"], &object["outcome"], &object["exit"]), (&"k".into(), &"ran".into(), &9.into()));
    for number in ["token", "ticket", "waited_ms", "held_ms"] {
        assert!(object[number].is_u64(), "{number}: {object}");
    }
    let quoted = env!("CARGO_BIN_EXE_talkstick");
    let script =
        format!("{quoted} --root . run k --json-fd 7 -- sh -c '[ ! -e /proc/self/fd/7 ]' 7>object && cat object");
    let output = home.program("sh", &["-c", &script]).output().unwrap();
    assert_eq!(text(&output.stderr), "");
    assert_eq!(serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap()["outcome"], "ran");
}

/// Whoever reads stderr line by line finds nothing there that cannot be read, but what the command writes.
#[test]
fn with_json_every_line_of_ours_on_stderr_is_an_object() {
    let home = Home::new();
    let mut holder = home.start(&[], "echo > held; exec sleep 60");
    home.until_written("held");
    let script = "echo child talks >&2; echo > runs; exec sleep 60";
    let mut waiter = home.talkstick(&["--json", "-v", "run", "k", "--ttl", "9s", "-w", "60", "--", "sh", "-c", script]);
    waiter.env("TALKSTICK_HELD", "garbage").stderr(File::create(home.path("said")).unwrap());
    let mut waiter = Running(waiter.spawn().unwrap());
    // A lock that is granted before its holder is known is not announced.
    until("it says for whom it waits", || home.read("said").contains("waiting for `k`"));
    holder.signal(rustix::process::Signal::TERM);
    holder.end();
    home.until_written("runs");
    home.break_lease();
    let status = waiter.end();
    let output = Output { status, stdout: Vec::new(), stderr: home.read("said").into() };
    assert_eq!(output.status.code(), Some(76), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("child talks\n"), "{}", text(&output.stderr));
    let said = talk(&output);
    let says = |kind: &str, part: &str| {
        let part = |object: &serde_json::Value| object[kind].as_str().is_some_and(|text| text.contains(part));
        assert!(said.iter().any(part), "{kind} in {said:?}");
    };
    says("warning", "--ttl has no effect");
    says("warning", "TALKSTICK_HELD cannot be read");
    says("note", "waiting for `k`");
    says("level", "DEBUG");
    let end = json(&output);
    assert_eq!((&end["outcome"], &end["exit"]), (&"lost".into(), &76.into()));
    assert!(end["error"]["message"].as_str().unwrap().contains("broken"), "{end}");
    assert_eq!(said.iter().filter(|object| object.get("error").is_some()).count(), 1, "said once");
}

#[test]
fn without_json_words_stay_words_also_beside_the_descriptor() {
    let home = Home::new();
    let script = format!(
        "{} --root . run k --json-fd 7 --ttl 9s -- no-such-program 7>object; cat object",
        env!("CARGO_BIN_EXE_talkstick")
    );
    let output = home.program("sh", &["-c", &script]).output().unwrap();
    let stderr = text(&output.stderr);
    assert!(stderr.contains("warning: --ttl") && stderr.contains("error: cannot run"), "{stderr}");
    assert_eq!(serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap()["outcome"], "not_started");
}
