//! Signals while the child runs.

use rustix::process::Signal;

use crate::run_fixture::{Home, is_stopped, json, on_every_store, text, until};

on_every_store! {
    stop_and_continue_reach_the_child_without_a_terminal
    a_broken_lease_is_told_to_the_whole_group_by_term
    a_broken_lease_ends_the_whole_group_before_the_next_one_starts
}

#[test]
fn signals_reach_the_child_which_decides_what_becomes_of_them() {
    let home = Home::new();
    let names = ["TERM", "INT", "HUP", "QUIT", "USR1", "USR2", "WINCH"];
    let signals = [Signal::TERM, Signal::INT, Signal::HUP, Signal::QUIT, Signal::USR1, Signal::USR2, Signal::WINCH];
    let traps: String = names.iter().map(|name| format!("trap 'echo {name} >> seen' {name}; ")).collect();
    let script = format!("{traps} echo > ready; until [ -e stop ]; do sleep 0.02; done; exit 42");
    let mut run = home.start(&[], &script);
    home.until_written("ready");
    for (signal, name) in signals.into_iter().zip(names) {
        run.signal(signal);
        until(name, || home.read("seen").ends_with(&format!("{name}\n")));
    }
    home.write("stop", "");
    assert_eq!(run.end().code(), Some(42), "the child's own status");
    assert_eq!(home.read("seen"), names.map(|name| format!("{name}\n")).concat(), "each once");
}

#[test]
fn a_signal_that_kills_the_child_is_the_status() {
    let home = Home::new();
    for (signal, number) in [(Signal::TERM, 15), (Signal::INT, 2), (Signal::HUP, 1), (Signal::USR1, 10)] {
        let mut run = home.start(&[], "echo > ready; exec sleep 60");
        home.until_written("ready");
        run.signal(signal);
        assert_eq!(run.end().code(), Some(128 + number));
        std::fs::remove_file(home.path("ready")).unwrap();
    }
}

/// The whole group is told, since shells do not pass signals on to what they wait for.
#[test]
fn a_grandchild_is_told_too() {
    let home = Home::new();
    let mut run = home.start(
        &[],
        "sh -c 'trap \"echo told > grandchild; exit\" TERM; echo > ready; while :; do sleep 0.02; done'; true",
    );
    home.until_written("ready");
    run.signal(Signal::TERM);
    assert_eq!(home.until_written("grandchild"), "told\n");
    run.end();
}

#[test]
fn a_signal_that_the_caller_ignores_stays_ignored() {
    let home = Home::new();
    let talkstick = env!("CARGO_BIN_EXE_talkstick");
    let script = format!(
        "trap '' HUP; exec {talkstick} --root . run k -- sh -c 'echo > ready; until [ -e stop ]; do sleep 0.02; done; kill -HUP $$; exit 5'"
    );
    let mut run = crate::run_fixture::Running(home.program("sh", &["-c", &script]).spawn().unwrap());
    home.until_written("ready");
    run.signal(Signal::HUP);
    home.write("stop", "");
    assert_eq!(run.end().code(), Some(5));
}

fn stop_and_continue_reach_the_child_without_a_terminal(home: &Home) {
    let mut run = home.start(&[], "echo $$ > child; exec sleep 60");
    let child = home.until_pid("child");
    run.signal(Signal::TSTP);
    until("the child is stopped, and run with it", || is_stopped(child) && is_stopped(run.pid()));
    assert_eq!(home.run(&["-n"], "true").status.code(), Some(75), "still held");
    run.signal(Signal::CONT);
    until("both go on", || !is_stopped(child) && !is_stopped(run.pid()));
    run.signal(Signal::TERM);
    assert_eq!(run.end().code(), Some(128 + 15));
}

/// Who ends at TERM has the time for it: KILL, a minute later, would be too late for the test.
fn a_broken_lease_is_told_to_the_whole_group_by_term(home: &Home) {
    let script = "sh -c 'trap \"echo told > grandchild; exit\" TERM; echo > ready; while :; do sleep 0.02; done'; true";
    let mut run = home.start(&["--ttl", "120s", "--grace", "60s"], script);
    home.until_written("ready");
    home.break_lease();
    assert_eq!(home.until_written("grandchild"), "told\n");
    assert_eq!(run.end().code(), Some(76));
}

fn a_broken_lease_ends_the_whole_group_before_the_next_one_starts(home: &Home) {
    let script = "sh -c 'trap \"\" TERM; echo $$ > stubborn; while :; do sleep 0.02; done' & wait";
    let command =
        home.talkstick(&["--json", "run", "k", "--grace", "300ms", "--", "sh", "-c", script]).spawn().unwrap();
    let run = crate::run_fixture::Running(command);
    let stubborn = home.until_pid("stubborn");
    let next = home.start(&["-w", "60"], "kill -0 $(cat stubborn) 2>/dev/null && echo alive || echo dead");
    home.until_waiting(1);
    home.break_lease();
    let output = run.end_with_output();
    assert_eq!(output.status.code(), Some(76), "{}", text(&output.stderr));
    assert_eq!(json(&output)["outcome"], "lost");
    assert!(text(&output.stderr).contains("broken"), "{}", text(&output.stderr));
    assert!(!crate::run_fixture::is_alive(stubborn));
    assert_eq!(text(&next.end_with_output().stdout), "dead\n");
}
