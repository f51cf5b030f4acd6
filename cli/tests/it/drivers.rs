//! The choice of the driver, and sessions of Wayland.

use tests::{
    agent_windows_process::AgentWindowsProcess,
    require,
    weston::{Weston, Xwayland},
    xvfb::Xvfb,
};

use crate::case::Case;

/// `Agent-1` is the window of `Agent-1`.
const CONFIG: &str = "[agents.Agent-1]\nwindow = { title = \"Agent-1\" }\n";

fn send() -> Case {
    Case::new(["--json", "send", "-a", "Agent-1", "-m", "text"]).config(CONFIG)
}

fn windows(display: &str) -> AgentWindowsProcess {
    AgentWindowsProcess::start(display, &deliver::agent_windows::Options { count: 2, ..Default::default() })
}

fn texts(windows: &mut AgentWindowsProcess) -> Vec<String> {
    windows.settle().0.into_iter().map(|taken| taken.text).collect()
}

#[test]
fn either_driver_delivers_on_x11_and_says_what_it_proves() {
    require!("Xvfb");
    let xvfb = Xvfb::start();
    let mut windows = windows(xvfb.display());
    for driver in ["verified", "portable"] {
        let case = send().env("DISPLAY", xvfb.display()).env("TALKSTICK__DESKTOP__DRIVER", driver);
        let ran = case.run();
        assert_eq!((ran.code, ran.json()[0]["state"].as_str()), (Some(0), Some("submitted")), "{}", ran.stdout);
        let doctor = case.again(["--json", "doctor"]).run().json();
        let said = doctor.iter().find(|check| check["check"] == "driver").unwrap()["seen"].as_str().unwrap();
        assert!(said.starts_with(driver), "{said}");
    }
    assert_eq!(texts(&mut windows), ["text", "text"]);
    let ran = send().env("TALKSTICK__DESKTOP__DRIVER", "telegraph").run();
    assert_eq!(ran.code, Some(9));
    assert!(ran.stderr.contains("telegraph") && ran.stderr.contains("environment TALKSTICK__DESKTOP__DRIVER"));
}

#[test]
fn an_x_server_counts_whatever_the_session_is_called() {
    require!("Xvfb", "weston", "Xwayland");
    let (xvfb, weston) = (Xvfb::start(), Weston::start());
    let mut windows = windows(xvfb.display());
    let mut case = send().env("DISPLAY", xvfb.display()).env("XDG_SESSION_TYPE", "wayland");
    for (name, value) in weston.environment() {
        case = case.env(name, value);
    }
    let ran = case.run();
    assert_eq!(ran.code, Some(0), "{}", ran.stdout);
    assert_eq!(texts(&mut windows), ["text"]);
}

#[test]
fn wayland_without_an_x_server_is_refused_with_advice() {
    require!("weston", "Xwayland");
    let weston = Weston::start();
    let mut case = send();
    for (name, value) in weston.environment() {
        case = case.env(name, value);
    }
    refused(&case);
}

fn refused(case: &Case) {
    let ran = case.run();
    let receipt = ran.json().remove(0);
    assert_eq!(ran.code, Some(9), "{receipt}");
    assert_eq!((&receipt["state"], &receipt["reason"]["code"]), (&"rejected".into(), &"wayland".into()), "{receipt}");
    let message = receipt["reason"]["message"].as_str().unwrap();
    assert!(message.contains("use a tmux, inbox or exec surface"), "{message}");
}

#[test]
fn xwayland_is_refused_unless_allowed_and_then_uncertain() {
    require!("weston", "Xwayland");
    let xwayland = Xwayland::start();
    let mut windows = windows(xwayland.display());
    let case = send().env("DISPLAY", xwayland.display());
    refused(&case);
    let allowed = case.env("TALKSTICK__DESKTOP__ALLOW_WAYLAND", "true");
    let ran = allowed.run();
    let receipt = ran.json().remove(0);
    assert_eq!((ran.code, &receipt["state"]), (Some(5), &"uncertain".into()), "{receipt}");
    assert_eq!(receipt["reason"]["code"], "unobservable", "{receipt}");
    assert_eq!(texts(&mut windows), ["text"]);
    let doctor = allowed.again(["--json", "doctor"]).run().json();
    let display = doctor.iter().find(|check| check["check"] == "display").unwrap();
    assert_eq!(display["state"], "warn", "{display}");
}
