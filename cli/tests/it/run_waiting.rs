//! Waiting for the lock: how long, what is said, and what ends it.

use std::{
    io::{BufRead, BufReader, Read},
    time::{Duration, Instant},
};

use rustix::process::Signal;

use crate::run_fixture::{Home, Running, json, on_every_store, on_stores_of_this_host, text, until};

on_every_store! {
    a_lock_that_is_not_free_is_75_or_what_was_asked_for
    a_wait_that_runs_out_names_key_holder_queue_place_and_the_setting
    a_wait_says_for_whom_since_when_and_which_place
    term_int_hup_and_quit_end_the_wait_and_leave_the_line
    a_killed_waiter_is_no_obstacle
}

mod on_this_host {
    use super::*;
    on_stores_of_this_host! {
        a_dead_holder_is_never_named
    }
}

/// A holder that holds until the returned process is told to end.
fn holder(home: &Home) -> Running {
    let holder = home.start(&[], "echo > held; exec sleep 60");
    home.until_written("held");
    holder
}

fn a_lock_that_is_not_free_is_75_or_what_was_asked_for(home: &Home) {
    let holder = holder(home);
    for (flags, code) in [(&["-n"][..], 75), (&["-w", "0"], 75), (&["-n", "-E", "3"], 3), (&["-n", "-E", "0"], 0)] {
        let began = Instant::now();
        let output = home.run(flags, "echo must not run");
        assert_eq!(output.status.code(), Some(code), "{flags:?}");
        assert_eq!(text(&output.stdout), "");
        let pid = holder.pid().as_raw_nonzero().to_string();
        assert!(text(&output.stderr).contains(&pid), "the holder is named: {}", text(&output.stderr));
        assert!(!text(&output.stderr).contains("waiting") && began.elapsed() < Duration::from_secs(10), "no wait");
    }
    assert_eq!(home.state().queue, [], "no ticket is left");
}

fn a_wait_that_runs_out_names_key_holder_queue_place_and_the_setting(home: &Home) {
    let holder = holder(home);
    let _first = home.start(&["-w", "60"], "true");
    home.until_waiting(1);
    let began = Instant::now();
    let output = home.talkstick(&["--json", "run", "k", "-w", "0.3", "--", "true"]).output().unwrap();
    assert!(began.elapsed() >= Duration::from_millis(300));
    assert_eq!(output.status.code(), Some(75));
    let stderr = text(&output.stderr);
    for part in ["`k`", &holder.pid().as_raw_nonzero().to_string(), "1 in line", "1 ahead", "--wait"] {
        assert!(stderr.contains(part), "{part} is not in: {stderr}");
    }
    let object = json(&output);
    assert_eq!((&object["outcome"], &object["exit"]), (&"not_acquired".into(), &75.into()));
    assert!(object["waited_ms"].as_u64().unwrap() >= 300 && object["token"].is_null(), "{object}");
    home.until_waiting(1);
}

fn a_wait_says_for_whom_since_when_and_which_place(home: &Home) {
    let mut holder = holder(home);
    let mut waiter = home.start(&["-w", "60"], "echo ran");
    let mut stderr = BufReader::new(waiter.0.stderr.take().unwrap());
    let mut line = String::new();
    stderr.read_line(&mut line).unwrap();
    let pid = holder.pid().as_raw_nonzero().to_string();
    assert!(line.contains(&pid) && line.contains(" s ") && line.contains("0 ahead"), "{line}");
    holder.signal(Signal::TERM);
    assert_eq!(holder.end().code(), Some(128 + 15));
    assert_eq!(waiter.end().code(), Some(0));
    let mut rest = String::new();
    stderr.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "", "one line");
}

fn term_int_hup_and_quit_end_the_wait_and_leave_the_line(home: &Home) {
    let _holder = holder(home);
    for (signal, number) in [(Signal::TERM, 15), (Signal::INT, 2), (Signal::HUP, 1), (Signal::QUIT, 3)] {
        let waiter = home.start(&["-w", "60"], "echo must not run");
        home.until_waiting(1);
        waiter.signal(Signal::USR1);
        waiter.signal(signal);
        let output = waiter.end_with_output();
        assert_eq!(output.status.code(), Some(128 + number), "{}", text(&output.stderr));
        assert_eq!(text(&output.stdout), "");
        assert_eq!(home.state().queue, [], "it has left the line by its end");
    }
}

fn a_killed_waiter_is_no_obstacle(home: &Home) {
    let mut holder = holder(home);
    // A store that does not see its death offers it the lock for two seconds; its lease would be longer than the test waits.
    let mut first = home.start(&["-w", "60", "--ttl", "10m"], "echo must not run");
    home.until_waiting(1);
    let mut second = home.start(&["-w", "60"], "true");
    home.until_waiting(2);
    first.signal(Signal::KILL);
    first.end();
    holder.signal(Signal::TERM);
    holder.end();
    assert_eq!(second.end().code(), Some(0));
}

fn a_dead_holder_is_never_named(home: &Home) {
    let mut dead = holder(home);
    let pid = dead.pid().as_raw_nonzero().to_string();
    dead.signal(Signal::KILL);
    dead.end();
    until("the lock is free again", || home.run(&["-n"], "true").status.success());
    let _holder = home.start(&[], "echo > again; exec sleep 60");
    home.until_written("again");
    let stderr = text(&home.run(&["-n"], "true").stderr);
    assert!(!stderr.contains(&format!("pid {pid} ")), "{stderr}");
}
