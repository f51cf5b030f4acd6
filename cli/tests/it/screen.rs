//! A real X server with real agent windows.

use std::time::Duration;

use deliver::agent_windows::{Options, Submission};
use tests::{agent_windows_process::AgentWindowsProcess, clipboard, require, xvfb::Xvfb};

use crate::case::Case;

const WITHIN: Duration = Duration::from_secs(20);

/// The configuration that sends to windows by their places.
fn config(windows: &AgentWindowsProcess) -> String {
    let agents = windows.windows().iter().map(|window| {
        let (x, y) =
            (i32::from(window.x) + i32::from(window.width) / 2, i32::from(window.y) + i32::from(window.height) / 2);
        format!("[agents.{}]\npoint = [{x}, {y}]\n", window.title)
    });
    agents.collect()
}

fn texts(mut submissions: Vec<Submission>) -> Vec<(usize, String)> {
    submissions.sort_by_key(|s| s.window);
    submissions.into_iter().map(|s| (s.window, s.text)).collect()
}

#[test]
fn doctor_finds_every_agent_and_a_broadcast_reaches_each() {
    require!("Xvfb");
    let xvfb = Xvfb::start();
    let windows = AgentWindowsProcess::start(xvfb.display(), &Options { count: 2, ..Options::default() });
    let case = Case::new(["--json", "doctor"]).config(&config(&windows)).env("DISPLAY", xvfb.display());
    let ran = case.run();
    assert_eq!(ran.code, Some(0), "{}", ran.stdout);
    let checks = ran.json();
    for name in ["display", "screens", "agent Agent-1", "agent Agent-2"] {
        assert!(checks.iter().any(|c| c["check"] == name && c["state"] == "ok"), "{name}: {}", ran.stdout);
    }
    let case = case.again(["broadcast", "-m", "to all\nof you"]);
    case.run().is(0, "Agent-1: submitted\nAgent-2: submitted\n", "");
    let expected = [0, 1].map(|window| (window, "to all\nof you".to_owned()));
    assert_eq!(texts(windows.submissions(2, WITHIN)), expected);
}

#[test]
fn eight_senders_at_once_misroute_nothing() {
    require!("Xvfb");
    let xvfb = Xvfb::start();
    let windows = AgentWindowsProcess::start(xvfb.display(), &Options { count: 4, ..Options::default() });
    let case = Case::new(["agents", "list"]).config(&config(&windows)).env("DISPLAY", xvfb.display());
    let senders: Vec<_> = (0..8)
        .map(|n| {
            let agent = format!("Agent-{}", n % 4 + 1);
            case.again_here(["-q", "send", "-a", &agent, "-m", &format!("for {agent} from {n}")]).spawn()
        })
        .collect();
    for sender in senders {
        let output = sender.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let submitted = texts(windows.submissions(8, WITHIN));
    assert_eq!(submitted.len(), 8);
    for (window, text) in submitted {
        assert!(text.starts_with(&format!("for Agent-{} from ", window + 1)), "window {window} got {text}");
    }
}

#[test]
fn a_point_outside_all_screens_is_no_target() {
    require!("Xvfb");
    let xvfb = Xvfb::start();
    for more in [&[][..], &["--dry-run"]] {
        let args = ["send", "-a", "A", "-m", "x"].iter().chain(more);
        let case = Case::new(args.copied()).config("agents.A.point = [-9000, 5]");
        let ran = case.env("DISPLAY", xvfb.display()).run();
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(3), ""), "{}", ran.stderr);
        assert!(ran.stderr.contains("(-9000, 5) lies outside all screens"), "{}", ran.stderr);
    }
}

/// It lives on when the sender has gone, and `/proc` shows an environment for as long as its process is there.
#[test]
fn the_keeper_of_the_clipboard_has_no_secret_of_the_lock_store() {
    require!("Xvfb");
    let xvfb = Xvfb::start();
    let windows = AgentWindowsProcess::start(xvfb.display(), &Options { count: 1, ..Options::default() });
    // The keeper serves for ever what somebody had copied before; where nobody had, it gives the clipboard up.
    let _copied = clipboard::ClipboardOwner::own(
        xvfb.display(),
        clipboard::Selection::Clipboard,
        "copied before",
        clipboard::Answer::Whole,
    );
    let case = Case::new(["--backend", "file", "send", "-a", "Agent-1", "-m", "text"]).config(&config(&windows));
    let case = case.env("DISPLAY", xvfb.display()).env("TALKSTICK__LOCK__BACKEND", "redis://user:secret-word@host");
    let case = case.env("TALKSTICK_REDIS_PASSWORD", "secret-word");
    let ran = case.env("TALKSTICK_REDIS_SENTINEL_PASSWORD", "secret-word").run();
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let keeper = clipboard::owner_pid(xvfb.display(), clipboard::Selection::Clipboard).expect("a keeper");
    let environment = std::fs::read(format!("/proc/{keeper}/environ")).unwrap();
    let environment = String::from_utf8_lossy(&environment).replace('\0', "\n");
    assert!(environment.contains("TALKSTICK_KEEPER=") && !environment.contains("secret-word"), "{environment}");
}
