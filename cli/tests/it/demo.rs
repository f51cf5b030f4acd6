//! `demo`: the first thing a new user runs.

use std::{path::Path, process::Command, process::Output};

use serde_json::Value;

/// The program, with nothing of the user's around it.
pub(crate) fn talkstick(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_talkstick"));
    command.env_clear().env("HOME", home).env("TMPDIR", home).env("TMP", home).env("TEMP", home);
    command.env("XDG_RUNTIME_DIR", home).current_dir(home);
    for kept in ["PATH", "SystemRoot"] {
        if let Some(value) = std::env::var_os(kept) {
            command.env(kept, value);
        }
    }
    command
}

pub(crate) fn demo(home: &Path, arguments: &[&str]) -> Output {
    talkstick(home).arg("demo").args(arguments).output().expect("the program starts")
}

pub(crate) fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("UTF-8")
}

/// Holds the object of `--json` against what every run of `scenario` must come to.
fn assert_shown(output: &Output, surface: &str, scenario: &str, sent: u64, with_unprotected: bool) {
    assert_shown_on("file", output, surface, scenario, sent, with_unprotected);
}

/// The same, with the locks of this backend.
fn assert_shown_on(backend: &str, output: &Output, surface: &str, scenario: &str, sent: u64, with_unprotected: bool) {
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    assert_eq!(text(&output.stdout).lines().count(), 1);
    let report: Value = serde_json::from_slice(&output.stdout).expect("one object");
    assert_eq!((report["surface"].as_str(), report["backend"].as_str()), (Some(surface), Some(backend)));
    let runs = report["scenarios"].as_array().expect("runs");
    let protected: Vec<_> = runs.iter().map(|run| run["protected"].as_bool().expect("a truth")).collect();
    assert_eq!(protected, if with_unprotected { vec![false, true] } else { vec![true] });
    for run in runs {
        assert_eq!((run["name"].as_str(), run["sent"].as_u64()), (Some(scenario), Some(sent)));
    }
    let talkstick = runs.last().expect("a run");
    assert_eq!(talkstick["arrived"].as_u64(), Some(sent));
    for wrong in ["misrouted", "garbled", "lost", "duplicated", "out_of_order"] {
        assert_eq!(talkstick[wrong].as_u64(), Some(0), "{wrong}: {talkstick}");
    }
    let milliseconds = |name: &str| talkstick[name].as_f64().expect("a number");
    assert!(0.0 < milliseconds("p50_ms") && milliseconds("p50_ms") <= milliseconds("p95_ms"), "{talkstick}");
    if with_unprotected {
        // Each message takes the seed four pauses of 0.1 s, and no sender can be quicker.
        let messages: f64 = scenario.split_once('x').and_then(|(_, messages)| messages.parse().ok()).expect("NxM");
        assert!(runs[0]["seconds"].as_f64() >= Some(0.4 * messages), "{}", runs[0]);
    }
}

#[test]
fn on_a_simulated_desktop_talkstick_delivers_everything() {
    let home = tempfile::tempdir().unwrap();
    let output = demo(home.path(), &["--surface", "simulated", "--scenario", "4x2", "--json"]);
    assert_shown(&output, "simulated", "4x2", 8, true);
}

#[test]
fn with_locks_in_a_database_it_delivers_as_well() {
    let home = tempfile::tempdir().unwrap();
    let output = demo(home.path(), &["--surface", "simulated", "--scenario", "4x2", "--json", "--backend", "sqlite"]);
    assert_shown_on("sqlite", &output, "simulated", "4x2", 8, true);
}

#[test]
fn people_get_a_table_and_one_conclusion() {
    let home = tempfile::tempdir().unwrap();
    let output = demo(home.path(), &["--surface", "simulated", "--scenario", "2x1", "--scenario", "1x1"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let lines: Vec<_> = text(&output.stdout).lines().collect();
    let first_words: Vec<_> = lines.iter().map(|line| line.split_whitespace().next().unwrap_or_default()).collect();
    assert_eq!(first_words, ["scenario", "2x1", "2x1", "1x1", "1x1", "", "With"]);
    assert!(lines[6].starts_with("With talkstick all 3 messages arrived on a simulated desktop"), "{}", lines[6]);
    assert!(text(&output.stderr).contains("2 senders, 1 message each, with talkstick"), "{}", text(&output.stderr));
}

#[test]
fn what_cannot_be_shown_is_refused_before_anything_begins() {
    let home = tempfile::tempdir().unwrap();
    for (arguments, status, says) in [
        (&["--backend", "thread"][..], 2, "holds off threads only"),
        (&["--backend", "no-such"], 9, "unknown"),
        (&["--scenario", "65x1"], 2, "no scenario"),
        (&["--display", ":99", "--surface", "simulated"], 2, "no --display"),
    ] {
        let output = demo(home.path(), arguments);
        assert_eq!(output.status.code(), Some(status), "{arguments:?}");
        assert!(text(&output.stderr).contains(says), "{arguments:?}: {}", text(&output.stderr));
        assert!(output.stdout.is_empty(), "{arguments:?}");
    }
}

#[cfg(target_os = "linux")]
mod on_x11 {
    use std::{collections::BTreeSet, fs, path::Path, process::Command};

    use tests::{
        probe::{READY_WITHIN, until, until_some},
        process::{Process, is_alive},
        require,
        xvfb::Xvfb,
    };
    use x11rb::protocol::xproto::ConnectionExt as _;

    use super::{assert_shown, demo, talkstick, text};
    use crate::demo_folder::{children, children_when_there_are, leftovers};

    #[test]
    fn on_a_private_display_talkstick_delivers_everything() {
        require!("Xvfb");
        let home = tempfile::tempdir().unwrap();
        let output = demo(home.path(), &["--surface", "x11", "--scenario", "4x2", "--json"]);
        assert_shown(&output, "x11", "4x2", 8, true);
        assert_eq!(leftovers(home.path()), Vec::<String>::new());
    }

    #[test]
    fn without_xvfb_the_desktop_is_simulated_and_that_is_said() {
        let home = tempfile::tempdir().unwrap();
        let mut command = talkstick(home.path());
        command.env("PATH", home.path()).args(["demo", "--scenario", "1x1", "--json"]);
        let output = command.output().unwrap();
        assert_shown(&output, "simulated", "1x1", 1, true);
        assert!(text(&output.stderr).contains("Xvfb is not installed"));
        let asked_for = command.args(["--surface", "x11"]).output().unwrap();
        assert_eq!(asked_for.status.code(), Some(9));
        assert!(text(&asked_for.stderr).contains("\"install it"), "{}", text(&asked_for.stderr));
    }

    #[test]
    fn on_somebodys_display_nothing_goes_without_the_lock() {
        require!("Xvfb");
        let home = tempfile::tempdir().unwrap();
        let server = Xvfb::start();
        let arguments = ["--display", server.display(), "--scenario", "3x2", "--json"];
        let unasked = demo(home.path(), &arguments);
        assert_eq!(unasked.status.code(), Some(2), "nobody can be asked: {}", text(&unasked.stderr));
        let root = home.path().join("root");
        fs::create_dir(&root).unwrap();
        let mut command = talkstick(home.path());
        command.arg("--root").arg(&root).arg("demo").args(arguments).arg("--yes");
        assert_shown(&command.output().unwrap(), "x11", "3x2", 6, false);
        // With the lock that others on this display use too.
        assert!(root.join("runtime/locks").is_dir());
    }

    #[test]
    fn an_unprotected_sender_touches_no_display_that_it_has_no_proof_for() {
        require!("Xvfb");
        let home = tempfile::tempdir().unwrap();
        let server = Xvfb::start();
        let connection = server.connect();
        let root = x11rb::connection::Connection::setup(&connection).roots[0].root;
        let pointer = || {
            let at = connection.query_pointer(root).unwrap().reply().unwrap();
            (at.root_x, at.root_y)
        };
        let before = pointer();
        // The empty secret is what a display without a mark has.
        for secret in ["", "0123456789abcdef0123456789abcdef"] {
            let mut command = talkstick(home.path());
            command.args(["helper", "demo-sender"]).env("DISPLAY", server.display());
            let mut sender = Process::start(command);
            sender.say(&unprotected_plan(secret));
            let status = sender.wait(READY_WITHIN);
            assert_eq!(status.code(), Some(2), "{}", sender.said());
            assert!(sender.said().contains("none that the demo started"), "{}", sender.said());
        }
        assert_eq!(pointer(), before);
    }

    fn unprotected_plan(secret: &str) -> String {
        serde_json::json!({
            "messages": [{"sender": 0, "number": 0, "window": 0, "text": "never typed"}],
            "way": {"Unprotected": {"playground": {"Xvfb": secret}, "points": [[7, 7]]}},
        })
        .to_string()
    }

    #[test]
    fn an_interrupted_demo_clears_everything_away() {
        require!("Xvfb");
        let home = tempfile::tempdir().unwrap();
        let mut demo = Process::start(long_demo(home.path()));
        let children = children_when_it_plays(demo.pid());
        let interrupted = Command::new("kill").args(["-INT", &demo.pid().to_string()]).status().unwrap();
        assert!(interrupted.success());
        assert_eq!(demo.wait(READY_WITHIN).code(), Some(130), "{}", demo.said());
        assert!(!children.iter().any(|pid| is_alive(*pid)));
        assert_eq!(leftovers(home.path()), Vec::<String>::new());
    }

    #[test]
    fn a_killed_demo_leaves_no_process_behind() {
        require!("Xvfb");
        let home = tempfile::tempdir().unwrap();
        let demo = Process::start(long_demo(home.path()));
        let children = children_when_it_plays(demo.pid());
        tests::process::sigkill(demo.pid());
        until(READY_WITHIN, "all children have ended", || !children.iter().any(|pid| is_alive(*pid)));
    }

    /// Only senders open the lock store.
    #[test]
    fn no_child_of_a_demo_but_its_senders_has_the_password() {
        require!("Xvfb");
        let home = tempfile::tempdir().unwrap();
        let mut command = long_demo(home.path());
        command.env("TALKSTICK_REDIS_PASSWORD", "secret-word");
        let mut demo = Process::start(command);
        let of = |pid: u32, what: &str| fs::read(format!("/proc/{pid}/{what}")).unwrap_or_default();
        let has = |pid: u32, what: &str, word: &str| String::from_utf8_lossy(&of(pid, what)).contains(word);
        // A child that is not yet its own program shows what the demo has.
        let children = until_some(READY_WITHIN, "the demo plays", || {
            let children = children(demo.pid());
            let senders = children.iter().filter(|pid| has(**pid, "cmdline", "demo-sender")).count();
            (senders == 3).then_some(children)
        });
        let knowing: Vec<_> = children.iter().filter(|pid| has(**pid, "environ", "secret-word")).collect();
        assert_eq!((children.len(), knowing.len()), (5, 3));
        assert!(knowing.iter().all(|pid| has(**pid, "cmdline", "demo-sender")));
        demo.kill();
    }

    /// Its first run alone takes 40 s.
    fn long_demo(home: &Path) -> Command {
        let mut command = talkstick(home);
        command.args(["demo", "--surface", "x11", "--scenario", "3x100"]);
        command
    }

    /// The X server, the windows and three senders, once they are all there.
    fn children_when_it_plays(demo: u32) -> BTreeSet<u32> {
        children_when_there_are(5, demo)
    }
}
