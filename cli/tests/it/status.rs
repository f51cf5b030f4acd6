//! `status`: holder and line.

use std::{
    fs::{self, File},
    time::{Duration, Instant},
};

use crate::case::Case;

/// A root in which this process holds the gate of a key, as an old sender would.
pub(crate) struct Holder {
    pub(crate) case: Case,
    _gate: File,
}

impl Holder {
    /// Lets go of the gate; the root stays.
    pub(crate) fn let_go(self) -> Case {
        self.case
    }
}

/// Locks `key` by its gate file alone.
pub(crate) fn hold(config: &str, key: &str) -> Holder {
    let case = Case::new(["status"]).config(config);
    let locks = case.root().join("runtime/locks");
    fs::create_dir_all(&locks).unwrap();
    let gate = File::create(locks.join(format!("{key}.lock"))).unwrap();
    gate.try_lock().unwrap();
    Holder { case, _gate: gate }
}

/// Waits until `status` shows this many in line.
#[track_caller]
pub(crate) fn await_waiting(case: &Case, expected: usize) {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let state = case.again_here(["--json", "status", "messaging_pyautogui"]).run().json().remove(0);
        let waiting = state["queue"].as_array().unwrap().len();
        if waiting == expected {
            return;
        }
        assert!(Instant::now() < deadline, "{waiting} wait instead of {expected}: {state}");
        std::thread::yield_now();
    }
}

#[test]
fn a_free_lock_and_a_foreign_holder() {
    Case::new(["status", "k"]).run().is(0, "k: nobody holds it\n", "");
    let holder = hold("", "messaging_pyautogui");
    let ran = holder.case.run();
    assert!(ran.stdout.starts_with("messaging_pyautogui: a program outside talkstick holds it"), "{}", ran.stdout);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    let state = holder.case.again_here(["--json", "status"]).run().json().remove(0);
    assert_eq!((&state["key"], &state["holder"]["kind"]), (&"messaging_pyautogui".into(), &"foreign".into()));
}

#[test]
fn without_a_key_all_known_ones_are_shown() {
    let case = Case::new(["status"]).file("runtime/locks/build.lock", "").file("runtime/locks/%41.lock", "");
    let ran = case.run();
    assert_eq!(ran.stdout, "A: nobody holds it\nbuild: nobody holds it\nmessaging_pyautogui: nobody holds it\n");
}

#[test]
fn a_key_that_cannot_be_read_does_not_hide_the_others() {
    let case = Case::new(["status"]).file("runtime/locks/build.lock", "").file("runtime/locks/a.lock/in the way", "");
    let ran = case.run();
    assert_eq!(
        (ran.code, ran.stdout.as_str()),
        (Some(9), "build: nobody holds it\nmessaging_pyautogui: nobody holds it\n")
    );
    assert!(ran.stderr.contains("a.lock is a folder"), "{}", ran.stderr);
    let ran = case.again(["--json", "status"]).run();
    let (states, errors) = (ran.json(), ran.talk());
    assert_eq!((states.len(), &states[0]["key"]), (2, &"build".into()), "{states:?}");
    assert_eq!((errors.len(), &errors[0]["error"]["code"], &errors[0]["exit"]), (1, &"backend".into(), &9.into()));
}

#[test]
fn those_in_line_are_shown_in_order() {
    let (_desktop, config) = crate::send::desktop();
    let holder = hold(&config, "messaging_pyautogui");
    let mut children = Vec::new();
    for (at, args) in [["--from", "low", "-p", "low"], ["--from", "urgent", "-p", "urgent"]].into_iter().enumerate() {
        let args = ["send", "-a", "Agent-1", "-m", "x"].into_iter().chain(args);
        children.push(holder.case.again_here(args).spawn());
        await_waiting(&holder.case, at + 1);
    }
    let shown = holder.case.run().stdout;
    let order: Vec<&str> = shown.lines().skip(2).map(|line| line.split_whitespace().nth(2).unwrap()).collect();
    assert_eq!(order, ["urgent", "low"], "{shown}");
    // A killed waiter is not shown any more.
    children[1].kill().unwrap();
    children[1].wait().unwrap();
    await_waiting(&holder.case, 1);
    children[0].kill().unwrap();
    children[0].wait().unwrap();
}

#[test]
fn a_key_must_be_one() {
    Case::new(["status", ""]).run().is(2, "", "error: a key must not be empty\n");
}
