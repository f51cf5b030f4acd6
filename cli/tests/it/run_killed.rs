//! `run` itself is killed or stopped.

use lock_core::Holder;
use rustix::process::{Pid, Signal, kill_process};

use crate::run_fixture::{Home, Running, is_alive, is_stopped, on_every_store, on_stores_of_this_host, text, until};

on_every_store! {
    the_group_of_a_killed_run_is_dead_before_the_next_one_starts
    a_killed_run_costs_the_line_a_lease_at_most
    a_run_killed_while_it_waits_leaves_nothing
    a_nested_run_does_not_outlive_the_lease_it_works_under
    a_killed_supervisor_takes_the_child_with_it_and_run_says_so
}

mod on_this_host {
    use super::*;
    on_stores_of_this_host! {
        a_dead_run_is_shown_as_dead_while_its_command_is_ended
        a_killed_run_costs_the_line_what_its_child_needs_to_end
        a_stopped_run_keeps_the_lock
    }
}

/// The next holder looks whether the pid in this file is still there.
const LOOK: &str = "kill -0 $(cat stubborn) 2>/dev/null && echo alive || echo dead";

fn the_group_of_a_killed_run_is_dead_before_the_next_one_starts(home: &Home) {
    let script =
        "sh -c 'trap \"\" TERM; echo $$ > stubborn; while :; do sleep 0.01; done' & echo $$ > child; exec sleep 60";
    let mut run = home.start(&["--ttl", "2s", "--grace", "200ms"], script);
    let (stubborn, child) = (home.until_pid("stubborn"), home.until_pid("child"));
    let next = home.start(&["-w", "60"], LOOK);
    home.until_waiting(1);
    run.signal(Signal::KILL);
    run.end();
    let output = next.end_with_output();
    assert_eq!(text(&output.stdout), "dead\n", "{}", text(&output.stderr));
    assert!(!is_alive(stubborn) && !is_alive(child));
}

/// While the supervisor ends the command, the lock is not free; but a dead process is not its holder.
fn a_dead_run_is_shown_as_dead_while_its_command_is_ended(home: &Home) {
    let mut run = home.start(&["--grace", "20s"], "trap '' TERM; echo $$ > child; while :; do sleep 0.01; done");
    let child = home.until_pid("child");
    run.signal(Signal::KILL);
    run.end();
    until("the holder is shown as dead", || matches!(home.state().holder, Holder::Ending { .. }));
    let refused = home.run(&["-n"], "true");
    assert_eq!(refused.status.code(), Some(75));
    assert!(text(&refused.stderr).contains("has died"), "{}", text(&refused.stderr));
    kill_process(child, Signal::KILL).unwrap();
    until("the lock is free", || home.state().holder == Holder::Free);
}

/// What ends at TERM costs the line no grace, which would be longer than the test waits.
fn a_killed_run_costs_the_line_what_its_child_needs_to_end(home: &Home) {
    let mut run = home.start(&["--grace", "10m"], "echo $$ > child; exec sleep 60");
    home.until_pid("child");
    the_next_goes_on_after_the_death_of(home, &mut run);
}

/// Of its own lease: the configured one would be longer than the test waits.
fn a_killed_run_costs_the_line_a_lease_at_most(home: &Home) {
    home.write("talkstick.toml", &(home.read("talkstick.toml") + "lock.ttl = \"10m\"\n"));
    let mut run = home.start(&["--ttl", "2s", "--grace", "200ms"], "echo > held; exec sleep 60");
    home.until_written("held");
    the_next_goes_on_after_the_death_of(home, &mut run);
}

/// Kills a holder behind which another run waits, and waits for that one's end.
fn the_next_goes_on_after_the_death_of(home: &Home, holder: &mut Running) {
    let mut next = home.start(&["-w", "10m"], "true");
    home.until_waiting(1);
    holder.signal(Signal::KILL);
    holder.end();
    assert_eq!(next.end().code(), Some(0));
}

fn a_run_killed_while_it_waits_leaves_nothing(home: &Home) {
    let mut holder = home.start(&[], "echo > held; exec sleep 60");
    home.until_written("held");
    let mut waiter = home.start(&["-w", "60"], "echo > must-not-run");
    home.until_waiting(1);
    waiter.signal(Signal::KILL);
    waiter.end();
    holder.signal(Signal::TERM);
    holder.end();
    until("the lock is free", || home.run(&["-n"], "true").status.success());
    assert!(!home.path("must-not-run").exists());
}

fn a_stopped_run_keeps_the_lock(home: &Home) {
    let mut run = home.start(&[], "echo > held; until [ -e stop ]; do sleep 0.01; done; exit 8");
    home.until_written("held");
    run.signal(Signal::STOP);
    until("run is stopped", || is_stopped(run.pid()));
    home.write("stop", "");
    for _ in 0..3 {
        let refused = home.run(&["-w", "0.1"], "true");
        assert_eq!(refused.status.code(), Some(75));
        assert!(text(&refused.stderr).contains(" and is stopped"), "{}", text(&refused.stderr));
    }
    run.signal(Signal::CONT);
    assert_eq!(run.end().code(), Some(8));
    assert!(home.run(&["-n"], "true").status.success());
}

/// A stopped process cannot let go: that is said, and what can be done about it.
#[test]
fn breaking_a_stopped_run_says_that_it_takes_effect_later() {
    let home = Home::new();
    let mut run = home.start(&[], "echo $$ > child; exec sleep 60");
    let child = home.until_pid("child");
    run.signal(Signal::STOP);
    until("run is stopped", || is_stopped(run.pid()));
    let Holder::Lease { token, .. } = home.state().holder else { panic!("held") };
    let token = token.to_string();
    let output = home.talkstick(&["break", "k", "--token", &token]).output().unwrap();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(
        (stdout, output.status.code()),
        (format!("k: the holder of token {token} was told to let go\n"), Some(0))
    );
    let pid = run.pid().as_raw_nonzero();
    assert!(stderr.contains("is stopped") && stderr.contains(&format!("kill -CONT {pid}")), "{stderr}");
    assert!(stderr.contains("--kill") && stderr.lines().count() == 1, "{stderr}");
    let status = text(&home.talkstick(&["status", "k"]).output().unwrap().stdout);
    assert!(status.contains("is stopped (broken: it lets go when it runs again, or by `break --kill`)"), "{status}");
    let json = text(&home.talkstick(&["--json", "status", "k"]).output().unwrap().stdout);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&json["holder"]["stopped"], &json["holder"]["broken"]), (&true.into(), &true.into()));
    assert_eq!(home.run(&["-n"], "true").status.code(), Some(75), "still held");
    let killed = home.talkstick(&["break", "k", "--token", &token, "--kill"]).output().unwrap();
    assert_eq!((text(&killed.stderr).as_str(), killed.status.code()), ("", Some(0)));
    run.end();
    assert!(home.run(&["-w", "20"], "true").status.success());
    assert!(!is_alive(child));
}

/// And it takes effect as soon as it runs.
#[test]
fn a_broken_run_that_was_stopped_lets_go_when_it_is_continued() {
    let home = Home::new();
    let mut run = home.start(&["--grace", "200ms"], "echo $$ > child; exec sleep 60");
    home.until_pid("child");
    run.signal(Signal::STOP);
    until("run is stopped", || is_stopped(run.pid()));
    let Holder::Lease { token, .. } = home.state().holder else { panic!("held") };
    let broken = home.talkstick(&["break", "k", "--token", &token.to_string()]).output().unwrap();
    assert!(broken.status.success(), "{}", text(&broken.stderr));
    run.signal(Signal::CONT);
    assert_eq!(run.end().code(), Some(76));
    assert!(home.run(&["-w", "20"], "true").status.success());
}

fn a_nested_run_does_not_outlive_the_lease_it_works_under(home: &Home) {
    let talkstick = env!("CARGO_BIN_EXE_talkstick");
    let script = format!(
        "{talkstick} --root . run k --grace 200ms -- sh -c 'trap \"\" TERM; echo $$ > stubborn; while :; do sleep 0.01; done'"
    );
    let mut run = home.start(&["--ttl", "2s", "--grace", "200ms"], &script);
    let stubborn = home.until_pid("stubborn");
    let next = home.start(&["-w", "60"], LOOK);
    home.until_waiting(1);
    run.signal(Signal::KILL);
    run.end();
    assert_eq!(text(&next.end_with_output().stdout), "dead\n");
    assert!(!is_alive(stubborn));
}

fn a_killed_supervisor_takes_the_child_with_it_and_run_says_so(home: &Home) {
    let run = home.start(&[], "echo $PPID > supervisor; echo $$ > child; sleep 60 & echo $! > grandchild; wait");
    let supervisor = home.until_pid("supervisor");
    let (child, grandchild): (Pid, Pid) = (home.until_pid("child"), home.until_pid("grandchild"));
    kill_process(supervisor, Signal::KILL).unwrap();
    let output = run.end_with_output();
    assert!(!output.status.success() && text(&output.stderr).contains("supervisor"), "{}", text(&output.stderr));
    assert!(!is_alive(child) && !is_alive(grandchild));
    assert!(home.run(&["-n"], "true").status.success());
}

#[test]
fn the_supervisor_ends_with_its_run() {
    let home = Home::new();
    let output = home.run(&[], "echo $PPID > supervisor");
    assert!(output.status.success());
    let supervisor = home.until_pid("supervisor");
    assert!(rustix::process::test_kill_process(supervisor).is_err(), "gone and reaped");
}
