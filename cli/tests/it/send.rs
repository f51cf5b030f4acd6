//! `send`, on a simulated desktop, and what it refuses before it asks for a lock.

use std::{
    os::unix::{ffi::OsStringExt, process::ExitStatusExt},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use deliver::{
    Journal, State,
    desktop::Step,
    simulated::{Control, DesktopProcess, Fault, FaultKind},
};
use lock_core::LockKey;
use rustix::process::{Pid, Signal, kill_process};

use crate::case::{Case, TWO_AGENTS};

/// A simulated desktop, and the configuration that sends to its first two windows.
pub(crate) fn desktop() -> (DesktopProcess, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_talkstick"));
    command.env_clear().args(["helper", "simulated-desktop", "--windows", "2"]);
    let desktop = DesktopProcess::spawn(command).unwrap();
    let agents =
        [1, 2].map(|n| format!("[agents.Agent-{n}]\nsurface = \"simulated\"\nwindow = {{ title = \"Agent-{n}\" }}\n"));
    let config = format!("[simulated]\naddress = \"{}\"\n{}", desktop.address(), agents.concat());
    (desktop, config)
}

/// What each window has submitted, in order.
pub(crate) fn submitted(desktop: &DesktopProcess) -> Vec<Vec<String>> {
    let log = Control::connect(desktop.address()).unwrap().log().unwrap();
    log.windows.iter().map(|w| w.submitted.iter().map(|s| s.text.clone()).collect()).collect()
}

#[test]
fn a_message_arrives_exactly_and_only_there() {
    let (desktop, config) = desktop();
    let case = Case::new(["send", "-a", "Agent-2", "-m", "h\u{e9}llo\nsecond line"]).config(&config);
    case.run().is(0, "Agent-2: submitted\n", "");
    let case = case.again(["--json", "send", "-a", "Agent-1", "--message-file", "-", "--from", "Captain"]);
    let ran = case.stdin("from \u{1b}[31mstdin\u{1b}[0m\n").run();
    let cleaned = "the message was cleaned; removed: 2 escape sequences, 0 other control characters";
    assert_eq!(ran.talk(), [serde_json::json!({"warning": cleaned})]);
    let receipt = ran.json().remove(0);
    assert_eq!(
        (&receipt["state"], &receipt["exit"], &receipt["typed"]),
        (&"submitted".into(), &0.into(), &true.into())
    );
    assert_eq!(receipt["cleaned"]["escape_sequences"], 2);
    assert!(receipt["token"].is_u64(), "{receipt}");
    assert_eq!(submitted(&desktop), [vec!["from stdin"], vec!["h\u{e9}llo\nsecond line"]]);
}

#[test]
fn old_flags_deliver_too() {
    let (desktop, config) = desktop();
    Case::new(["--agent", "Agent-1", "--message", "old"]).config(&config).run().is(0, "Agent-1: submitted\n", "");
    assert_eq!(submitted(&desktop), [vec!["old"], vec![]]);
}

#[test]
fn what_is_no_message_is_refused_before_anything_is_touched() {
    let long = "x".repeat(65_537);
    let not_utf8 = std::ffi::OsString::from_vec(b"ab\xff".to_vec());
    let send = |text: std::ffi::OsString| Case::new(["send".into(), "-a".into(), "Agent-1".into(), "-m".into(), text]);
    for (case, says) in [
        (send("".into()), "the message is empty; give some text"),
        (
            send("\u{1b}[2J".into()),
            "nothing is left of the message after cleaning (removed: 1 escape sequences, 0 other control characters); give some printable text",
        ),
        (
            send(long.into()),
            "the message has 65537 bytes, 65536 is the limit; put it in a file and send its path, or raise the limit",
        ),
        (send(not_utf8), "the message is not UTF-8 (byte 2); convert it first, for example with iconv"),
        (
            Case::new(["send", "-a", "Agent-1", "--message-file", "-"]).stdin("a\0b"),
            "the message holds a NUL at byte 1; is it a binary file? Give plain text",
        ),
    ] {
        let case = case.config(TWO_AGENTS);
        case.run().is(2, "", &format!("error: {says}; nothing was typed\n"));
        assert!(case.touched_nothing());
    }
    let case = Case::new(["send", "-a", "Agent-1", "--message-file", "none.txt"]).config(TWO_AGENTS);
    case.run().is(
        2,
        "",
        "error: cannot read the message from `none.txt`: No such file or directory (os error 2); \
                 nothing was typed; correct --message-file\n",
    );
}

#[test]
fn a_message_that_does_not_come_to_its_end_is_waited_for_until_the_timeout() {
    let case = Case::new(["send", "-a", "Agent-1", "--message-file", "fifo", "--timeout", "300ms"]).config(TWO_AGENTS);
    let made = std::process::Command::new("mkfifo").arg(case.root().join("fifo")).status().unwrap();
    assert!(made.success());
    case.run().is(
        2,
        "",
        "error: the message from `fifo` did not come to its end within 300ms; nothing was typed; end what writes it, or raise \
         --timeout\n",
    );
}

#[test]
fn an_unknown_agent_is_answered_with_the_nearest_names() {
    let case = Case::new(["send", "-a", "agent2", "-m", "x"]).config(TWO_AGENTS);
    case.run().is(3, "", "error: there is no agent `agent2`; did you mean Agent-2, Agent-1?\n");
    let ran = case.again(["--json", "send", "-a", "zzzzzzzz", "-m", "x"]).run();
    let error = ran.talk().remove(0)["error"].clone();
    assert_eq!((&error["code"], &error["message"]), (&"unknown_agent".into(), &"there is no agent `zzzzzzzz`".into()));
    assert_eq!((error["hints"][0].as_str(), ran.stdout.as_str()), (Some("known are Agent-1, Agent-2"), ""));
}

#[test]
fn newlines_are_refused_where_each_would_submit() {
    let says =
        "`Agent-2` would submit at every newline (profile xterm, multiline = false); send one line, or another way";
    let case = Case::new(["send", "-a", "Agent-2", "-m", "a\nb", "--dry-run"]).config(TWO_AGENTS);
    case.run().is(4, "", &format!("error: Agent-2: rejected: {says}\n"));
    assert!(case.touched_nothing());
}

#[test]
fn a_dry_run_says_everything_and_touches_nothing() {
    let (desktop, config) = desktop();
    let config = format!("{config}[agents.Agent-3]\nsurface = \"simulated\"\nwindow.title = \"gone\"\n");
    let case =
        Case::new(["--json", "send", "-a", "Agent-1", "-m", "hi\u{7}", "--dry-run", "-p", "high"]).config(&config);
    let plan = case.run().json().remove(0);
    for (key, value) in [
        ("agent", "Agent-1".into()),
        ("window", serde_json::json!({"title": "Agent-1"})),
        ("profile", "chat".into()),
        ("key", "messaging_pyautogui".into()),
        ("backend", "file".into()),
        ("priority", "high".into()),
        ("bytes", 2.into()),
    ] {
        assert_eq!(plan[key], value, "{plan}");
    }
    assert!(plan["found"].as_str().is_some_and(|found| found.contains("Agent-1")), "{plan}");
    let case = case.again(["broadcast", "-m", "hi", "--dry-run"]);
    let ran = case.run();
    let lines: Vec<&str> = ran.stdout.lines().collect();
    assert!(lines[0].starts_with("Agent-1: would paste") && lines[1].starts_with("Agent-2: would paste"), "{lines:?}");
    assert!(lines[2].starts_with("Agent-3: rejected: ") && lines[2].contains("the target is gone"), "{lines:?}");
    assert_eq!((ran.code, lines.len()), (Some(3), 3), "{lines:?}");
    assert!(case.touched_nothing());
    assert_eq!(submitted(&desktop), [Vec::<String>::new(), Vec::new()]);
}

#[test]
fn a_dry_run_without_a_display_is_refused_as_the_delivery_would_be() {
    let case = Case::new(["send", "-a", "Agent-1", "-m", "x", "--dry-run"]).config(TWO_AGENTS);
    let ran = case.run();
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(9), ""), "{}", ran.stderr);
    assert!(ran.stderr.starts_with("error: Agent-1: rejected: ") && ran.stderr.contains("DISPLAY"), "{}", ran.stderr);
    assert!(case.touched_nothing());
}

#[test]
fn a_short_timeout_is_warned_about_and_obeyed() {
    let (desktop, config) = desktop();
    let holder = crate::status::hold(&config, "messaging_pyautogui");
    let case = holder.case.again_here(["send", "-a", "Agent-1", "-m", "x", "--timeout", "0.2"]);
    let ran = case.run();
    let lines: Vec<&str> = ran.stderr.lines().collect();
    assert_eq!(
        lines[0],
        "warning: --timeout 200ms is below 10s: in a line of senders it may end before its turn comes"
    );
    assert!(
        lines[1].starts_with("waiting for `messaging_pyautogui`: a program outside talkstick holds it"),
        "{lines:?}"
    );
    assert!(lines[1].ends_with("; 0 ahead in line"), "{lines:?}");
    assert!(lines[2].starts_with("error: Agent-1: rejected: ") && lines[2].contains("raise --timeout"), "{lines:?}");
    assert!(lines[2].ends_with("; `talkstick status` shows who holds the lock"), "{lines:?}");
    assert_eq!((ran.code, ran.stdout.as_str(), lines.len()), (Some(6), "", 3), "{lines:?}");
    let quiet = holder.case.again_here(["-q", "send", "-a", "Agent-1", "-m", "x", "--timeout", "0.2"]).run();
    assert!(!quiet.stderr.contains("waiting for"), "{}", quiet.stderr);
    assert_eq!(submitted(&desktop), [Vec::<String>::new(), Vec::new()]);
}

#[test]
fn a_signal_in_line_ends_the_wait_and_leaves_no_ticket() {
    let (desktop, config) = desktop();
    let holder = crate::status::hold(&config, "messaging_pyautogui");
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143), (Signal::HUP, 129)] {
        let case = holder.case.again_here(["send", "-a", "Agent-1", "-m", "x"]);
        let child = case.spawn();
        crate::status::await_waiting(&holder.case, 1);
        kill_process(Pid::from_child(&child), signal).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.signal(), None);
        assert_eq!(output.status.code(), Some(code));
        crate::status::await_waiting(&holder.case, 0);
    }
    assert_eq!(submitted(&desktop), [Vec::<String>::new(), Vec::new()]);
}

/// `nohup talkstick send ... &` goes on waiting when its terminal hangs up.
#[test]
fn a_signal_that_the_caller_ignores_does_not_end_the_wait() {
    let (desktop, config) = desktop();
    let holder = crate::status::hold(&config, "messaging_pyautogui");
    let mut command = Command::new("nohup");
    command.arg(env!("CARGO_BIN_EXE_talkstick")).arg("--root").arg(holder.case.root());
    command.args(["send", "-a", "Agent-1", "-m", "patient"]).env_clear().env("HOME", holder.case.home());
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    crate::status::await_waiting(&holder.case, 1);
    if cfg!(target_os = "linux") {
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
        let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:\t")).unwrap();
        assert_eq!(u64::from_str_radix(ignored, 16).unwrap() & 1, 1, "HUP is number 1");
    }
    kill_process(Pid::from_child(&child), Signal::HUP).unwrap();
    let _root = holder.let_go();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(submitted(&desktop), [vec!["patient"], vec![]]);
}

#[test]
fn without_a_display_nothing_is_typed() {
    let ran = Case::new(["--json", "send", "-a", "Agent-1", "-m", "x"]).config(TWO_AGENTS).run();
    let receipt = ran.json().remove(0);
    assert_eq!((ran.code, &receipt["reason"]["code"]), (Some(9), &"no_display".into()));
    assert_eq!((&receipt["typed"], &receipt["retry_safe"]), (&false.into(), &true.into()));
}

#[test]
fn debug_logs_tell_the_way_to_the_lock() {
    let (_desktop, config) = desktop();
    let ran = Case::new(["-v", "send", "-a", "Agent-1", "-m", "x"]).config(&config).run();
    for word in ["Requested", "Granted", "Released"] {
        assert!(ran.stderr.contains(word), "{word}: {}", ran.stderr);
    }
    assert_eq!(ran.stdout, "Agent-1: submitted\n");
}

#[test]
fn a_stale_inherited_lease_is_said_and_gives_no_right() {
    let (_desktop, config) = desktop();
    let case = Case::new(["send", "-a", "Agent-1", "-m", "x"]).config(&config);
    let held = format!("file:{}/runtime/locks\tmessaging_pyautogui\t{}", case.root().display(), "0".repeat(32));
    let unreadable = case.again_here(["send", "-a", "Agent-1", "-m", "x"]).env("TALKSTICK_HELD", "garbage");
    unreadable.run().is(
        0,
        "Agent-1: submitted\n",
        "warning: TALKSTICK_HELD cannot be read and gives no right; waiting in line instead (or unset it)\n",
    );
    case.env("TALKSTICK_HELD", held).run().is(
        0,
        "Agent-1: submitted\n",
        "warning: the inherited lease on `messaging_pyautogui` (TALKSTICK_HELD) is over or not ours; waiting in line instead\n",
    );
}

/// The same configuration, where the fetch of the first agent must come soon.
fn impatient(config: &str) -> String {
    let config = config.replacen("surface = ", "profile = \"impatient\"\nsurface = ", 1);
    format!("{config}[profiles.impatient]\nfetch_timeout_ms = 200\n")
}

#[test]
fn what_may_have_been_typed_is_said_to_be_uncertain() {
    let (desktop, config) = desktop();
    let mut control = Control::connect(desktop.address()).unwrap();
    control.fault(Fault::now(FaultKind::NeverFetch).window("Agent-1")).unwrap();
    let case = Case::new(["--json", "send", "-a", "Agent-1", "-m", "x"]).config(&impatient(&config));
    let ran = case.run();
    let receipt = ran.json().remove(0);
    assert_eq!((&receipt["state"], &receipt["retry_safe"]), (&"uncertain".into(), &false.into()));
    assert_eq!(receipt["reason"]["code"], "not_fetched");
    assert_eq!(ran.code, Some(5));
    let hint = "look at the agent's window before sending again: it may be typed already";
    assert_eq!((receipt["hint"].as_str(), ran.stderr.as_str()), (Some(hint), ""));
    let words = case.again_here(["send", "-a", "Agent-1", "-m", "y"]).run().stderr;
    assert!(words.starts_with("error: ") && words.ends_with(&format!("; {hint}\n")), "{words}");
    // In a broadcast it is the worst of all outcomes.
    let ran = case.again_here(["broadcast", "-m", "x", "--agents", "Agent-1,Agent-2"]).run();
    assert_eq!(ran.code, Some(5), "{}", ran.stdout);
    assert_eq!(submitted(&desktop), [vec![], vec!["x"]]);
}

#[test]
fn a_signal_after_the_paste_lets_the_delivery_finish() {
    let (desktop, config) = desktop();
    let mut control = Control::connect(desktop.address()).unwrap();
    // Enter comes late, so that the signal meets the delivery between paste and Enter.
    control.fault(Fault::before(Step::Submit, FaultKind::Delay { ms: 1500 })).unwrap();
    let case = Case::new(["send", "-a", "Agent-1", "-m", "whole"]).config(&config);
    let child = case.spawn();
    let journal = Journal::open(&case.root(), &LockKey::new("messaging_pyautogui").unwrap()).unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    while !journal.history().unwrap().iter().any(|recorded| recorded.submitting) {
        assert!(Instant::now() < deadline, "nothing was pasted");
        std::thread::yield_now();
    }
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    case.ran(&child.wait_with_output().unwrap()).is(0, "Agent-1: submitted\n", "");
    assert_eq!(journal.history().unwrap().last().map(|recorded| recorded.state), Some(State::Submitted));
    assert_eq!(submitted(&desktop), [vec!["whole"], vec![]]);
}
