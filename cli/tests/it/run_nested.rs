//! A run below a run.

use crate::run_fixture::{Home, on_every_store, text};

on_every_store! {
    a_run_below_a_run_works_under_the_same_lease
    a_run_on_another_key_below_a_run_keeps_both
    two_at_once_below_one_run_exclude_each_other
    a_held_list_made_up_from_the_public_token_gives_no_right
    a_stale_held_list_is_said_to_be_stale_and_waits_in_line
    runs_one_after_the_other_find_the_lock_free_and_their_inner_gates_too
    a_run_that_has_ended_waits_for_those_who_still_work_under_its_lease
}

const TALKSTICK: &str = env!("CARGO_BIN_EXE_talkstick");

fn a_run_below_a_run_works_under_the_same_lease(home: &Home) {
    let inner = format!(
        "echo $TALKSTICK_TOKEN; {TALKSTICK} --root . run k -w 5 -- sh -c 'echo $TALKSTICK_TOKEN; {TALKSTICK} --root . run k -w 5 -- sh -c \"echo \\$TALKSTICK_TOKEN; exit 6\"'"
    );
    let output = home.run(&["-w", "5"], &inner);
    assert_eq!(output.status.code(), Some(6), "{}", text(&output.stderr));
    let stdout = text(&output.stdout);
    let tokens: Vec<_> = stdout.lines().collect();
    assert_eq!(tokens.len(), 3, "{stdout}{}", text(&output.stderr));
    assert!(tokens.iter().all(|token| *token == tokens[0]), "one lease: {stdout}");
}

fn runs_one_after_the_other_find_the_lock_free_and_their_inner_gates_too(home: &Home) {
    for _ in 0..5 {
        let output = home.run(&["-n"], &format!("{TALKSTICK} --root . run k -n -- true"));
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    }
}

fn a_run_on_another_key_below_a_run_keeps_both(home: &Home) {
    let script = format!(
        "{TALKSTICK} --root . run other -w 5 -- {TALKSTICK} --root . run k -w 5 -- sh -c 'echo $TALKSTICK_KEY'"
    );
    let output = home.run(&["-w", "5"], &script);
    assert_eq!((text(&output.stdout).as_str(), output.status.code()), ("k\n", Some(0)), "{}", text(&output.stderr));
}

/// `mkdir` fails for the second of two that are inside at once.
fn two_at_once_below_one_run_exclude_each_other(home: &Home) {
    let turn = "mkdir inside || { echo overlap >> overlaps; exit 1; }; echo turn >> turns; sleep 0.01; rmdir inside";
    let loops = format!("for i in 1 2 3 4 5; do {TALKSTICK} --root . run k -- sh -c '{turn}'; done");
    let output = home.run(&[], &format!("({loops}) & ({loops}) & wait"));
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(home.read("overlaps"), "", "{}", text(&output.stderr));
    assert_eq!(home.read("turns").lines().count(), 10);
}

fn a_held_list_made_up_from_the_public_token_gives_no_right(home: &Home) {
    let _holder = home.start(&[], "printf '%s\\n' \"$TALKSTICK_HELD\" > held; exec sleep 60");
    let held = home.until_written("held");
    let lock_core::Holder::Lease { token, .. } = home.state().holder else { panic!("held") };
    let (front, _secret) = held.trim_end().rsplit_once('\t').unwrap();
    for forged in [format!("{front}\t{:032x}", token.0), format!("{front}\t{}", token.0), format!("{front}\t")] {
        let output = home.run_command(&["-n"], "echo must not run").env("TALKSTICK_HELD", &forged).output().unwrap();
        assert_eq!(output.status.code(), Some(75), "{}", text(&output.stderr));
    }
    let output = home.run_command(&["-n"], "echo runs").env("TALKSTICK_HELD", held.trim_end()).output().unwrap();
    assert_eq!(text(&output.stdout), "runs\n", "the true one does: {}", text(&output.stderr));
}

fn a_stale_held_list_is_said_to_be_stale_and_waits_in_line(home: &Home) {
    home.run(&[], "printf '%s\\n' \"$TALKSTICK_HELD\" > held");
    let stale = home.until_written("held");
    let output = home.run_command(&["-w", "5"], "echo ran").env("TALKSTICK_HELD", stale.trim_end()).output().unwrap();
    assert_eq!(text(&output.stdout), "ran\n");
    assert!(text(&output.stderr).contains("TALKSTICK_HELD"), "{}", text(&output.stderr));
}

#[test]
fn a_held_list_that_cannot_be_read_is_said_in_one_line_and_gives_no_right() {
    use std::os::unix::ffi::OsStringExt;
    let home = Home::new();
    let says = "warning: TALKSTICK_HELD cannot be read and gives no right; waiting in line instead (or unset it)\n";
    for garbage in [&b"garbage"[..], b"a\tb", b"file:x\tk\tnot-hex", b"\xff\xfe"] {
        let mut command = home.run_command(&["-w", "5"], "echo ran");
        command.env("TALKSTICK_HELD", std::ffi::OsString::from_vec(garbage.to_vec()));
        let output = command.output().unwrap();
        assert_eq!((text(&output.stdout).as_str(), text(&output.stderr).as_str()), ("ran\n", says));
    }
    let _holder = home.start(&[], "echo > held; exec sleep 60");
    home.until_written("held");
    let refused = home.run_command(&["-n"], "echo ran").env("TALKSTICK_HELD", "garbage").output().unwrap();
    assert_eq!((text(&refused.stdout).as_str(), refused.status.code()), ("", Some(75)), "{}", text(&refused.stderr));
}

fn a_run_that_has_ended_waits_for_those_who_still_work_under_its_lease(home: &Home) {
    let script = format!(
        "{TALKSTICK} --root . run k -- sh -c 'echo > inside; until [ -e stop ]; do sleep 0.02; done; echo over > over' >/dev/null 2>&1 & until [ -e inside ]; do sleep 0.02; done"
    );
    let mut outer = home.start(&[], &script);
    home.until_written("inside");
    assert_eq!(home.run(&["-n"], "true").status.code(), Some(75), "the inheritor is at work");
    home.write("stop", "");
    assert_eq!(outer.end().code(), Some(0));
    assert_eq!(home.read("over"), "over\n");
}
