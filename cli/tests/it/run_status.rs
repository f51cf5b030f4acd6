//! The status, the environment and the streams of `run`.

use std::{io::Write, os::unix::fs::PermissionsExt, process::Stdio};

use crate::run_fixture::{Home, Running, json, text};

#[test]
fn every_exit_code_is_the_childs_own() {
    let home = Home::new();
    for code in 0..=255 {
        let output = home.run(&[], &format!("exit {code}"));
        assert_eq!(output.status.code(), Some(code), "{}", text(&output.stderr));
        assert_eq!(text(&output.stderr), "", "nothing to say of {code}");
    }
}

#[test]
fn a_child_killed_by_a_signal_is_128_and_the_signal() {
    let home = Home::new();
    for signal in [1, 2, 3, 6, 9, 10, 11, 13, 14, 15, 31, 40, 64] {
        let output = home.run(&[], &format!("ulimit -c 0; kill -{signal} $$"));
        assert_eq!(output.status.code(), Some(128 + signal), "{}", text(&output.stderr));
    }
}

#[test]
fn a_command_that_cannot_be_run_is_126_or_127_and_lets_go() {
    let home = Home::new();
    home.write("plain", "not a program");
    let plain = home.path("plain");
    std::fs::set_permissions(&plain, PermissionsExt::from_mode(0o644)).unwrap();
    for (command, code) in [(plain.to_str().unwrap(), 126), ("/no/such/program", 127), ("no-such-program-here", 127)] {
        let output = home.talkstick(&["--json", "run", "k", "-n", "--", command]).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{command}");
        assert!(text(&output.stderr).contains(command), "the command is named");
        assert_eq!((&json(&output)["outcome"], &json(&output)["exit"]), (&"not_started".into(), &code.into()));
    }
    assert_eq!(home.run(&["-n"], "exit 3").status.code(), Some(3), "the lock is free again");
}

#[test]
fn the_command_is_not_given_to_a_shell() {
    let home = Home::new();
    let output =
        home.talkstick(&["run", "k", "--", "printf", "%s|", "a b", "$HOME", "*", "-n", "--"]).output().unwrap();
    assert_eq!(text(&output.stdout), "a b|$HOME|*|-n|--|");
}

#[test]
fn the_child_finds_key_token_owner_and_no_deadline_in_its_environment() {
    let home = Home::new();
    let script =
        "printf '%s\n' \"$TALKSTICK_KEY\" \"$TALKSTICK_TOKEN\" \"$TALKSTICK_OWNER\" \"[$TALKSTICK_DEADLINE]\" $PPID";
    let (first, second) = (home.run(&[], script), home.run(&[], script));
    let lines = |bytes: &[u8]| text(bytes).lines().map(str::to_owned).collect::<Vec<_>>();
    let (first, second) = (lines(&first.stdout), lines(&second.stdout));
    assert_eq!((first[0].as_str(), first[3].as_str()), ("k", "[]"));
    assert!(first[2].contains("pid"), "{}", first[2]);
    assert!(first[1].parse::<u64>().unwrap() < second[1].parse().unwrap(), "tokens grow: {first:?} {second:?}");
}

#[test]
fn stdin_stdout_and_stderr_pass() {
    let home = Home::new();
    let mut command = home.run_command(&[], "tr a-z A-Z; echo told >&2; exit 4");
    let mut child = Running(command.stdin(Stdio::piped()).spawn().unwrap());
    child.0.stdin.take().unwrap().write_all(b"line one\nline two\n").unwrap();
    let output = child.end_with_output();
    assert_eq!(text(&output.stdout), "LINE ONE\nLINE TWO\n");
    assert_eq!((text(&output.stderr).as_str(), output.status.code()), ("told\n", Some(4)));
}

/// A supervisor that kept the caller's pipe would hold up its reader for as long as the background process lives.
#[test]
fn readers_of_our_pipes_see_the_end_although_something_stays_behind() {
    let home = Home::new();
    let script = "trap '' HUP; sleep 60 >/dev/null 2>&1 </dev/null & echo $! > left; echo done";
    let output = home.run(&[], script);
    assert_eq!(text(&output.stdout), "done\n");
    let left = home.until_pid("left");
    assert!(crate::run_fixture::is_alive(left), "what the command left behind at its own end lives on");
    rustix::process::kill_process(left, rustix::process::Signal::KILL).unwrap();
}

#[test]
fn the_child_inherits_no_lock_file_and_nothing_of_ours() {
    let home = Home::new();
    let list = "cd /proc/self/fd && for fd in *; do readlink $fd; done; true";
    let (under, bare) = (home.run(&[], list), home.program("sh", &["-c", list]).output().unwrap());
    let open = |output: &[u8]| text(output).lines().filter(|line| !line.starts_with("/proc")).count();
    assert_eq!(open(&under.stdout), open(&bare.stdout), "{}", text(&under.stdout));
    // Only this root's: the caller's own descriptors, lock files among them, are handed on.
    let root = home.path("").canonicalize().unwrap();
    assert!(!text(&under.stdout).contains(root.to_str().unwrap()), "{}", text(&under.stdout));
}

#[test]
fn what_contradicts_itself_is_a_usage_error() {
    let home = Home::new();
    for flags in [
        &["run", "k", "-n", "-w", "3", "--", "true"][..],
        &["run", "k", "--ttl", "10s", "--grace", "10s", "--", "true"],
        &["run", "k", "--ttl", "0", "--", "true"],
        &["run", "k"],
        &["run", "", "--", "true"],
        &["run", "k", "-p", "soon", "--", "true"],
        &["--json", "run", "k", "--json-fd", "97", "--", "true"],
    ] {
        let output = home.talkstick(flags).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{flags:?}: {}", text(&output.stderr));
        assert!(!output.stderr.is_empty());
    }
}

#[test]
fn a_ttl_where_leases_do_not_expire_is_said_to_have_no_effect() {
    let home = Home::new();
    let output = home.run(&["--ttl", "5s"], "true");
    assert!(output.status.success() && text(&output.stderr).contains("--ttl"), "{}", text(&output.stderr));
}

#[test]
fn a_store_that_cannot_be_used_is_69_and_nothing_runs() {
    let home = Home::new();
    home.write("plain", "no folder");
    let output =
        home.talkstick(&["--json", "--backend", "file:plain/locks", "run", "k", "--", "echo", "ran"]).output().unwrap();
    assert_eq!((output.status.code(), text(&output.stdout).as_str()), (Some(69), ""), "{}", text(&output.stderr));
    assert_eq!(json(&output)["outcome"], "unavailable");
}
