//! A sender that is stopped inside its server grab does not freeze the display.

#![cfg(target_os = "linux")]

use std::time::{Duration, Instant};

use tests::{process::Process, require, xvfb::Xvfb};
use x11rb::protocol::xproto::ConnectionExt as _;

use super::{
    connection::Display,
    guarded::ServerGrab,
    keeper::{self, KeeperClient, KeeperCommand},
};
use crate::desktop::Refusal;

const DISPLAY: &str = "X11_STOPPED_DISPLAY";

fn role(name: &str) -> [String; 4] {
    [format!("desktop::x11::stopped::{name}"), "--exact".into(), "--ignored".into(), "--nocapture".into()]
}

fn keeper_command() -> KeeperCommand {
    KeeperCommand::new(std::env::current_exe().unwrap(), role("keeper_role"))
}

#[test]
#[ignore = "a role that other tests start"]
fn keeper_role() {
    if std::env::var_os(keeper::KEEPER_VARIABLE).is_some() {
        keeper::run().unwrap();
    }
}

/// Grabs the server, and when it is told to go on, says what its connection says.
#[test]
#[ignore = "a role that other tests start"]
#[allow(clippy::print_stdout, reason = "it talks to the test by its stdout")]
fn grabber_role() {
    let Ok(name) = std::env::var(DISPLAY) else { return };
    let display = Display::connect(Some(&name), Default::default()).unwrap();
    let (_keeper, watch) = KeeperClient::connect(&display, &keeper_command()).unwrap();
    let grab = ServerGrab::begin(&display, &watch).unwrap();
    display.round_trip("testing").unwrap();
    println!("\ngrabbed");
    std::io::stdin().read_line(&mut String::new()).unwrap();
    match grab.submit("testing") {
        Err(Refusal::Disconnected { .. }) => println!("\ndisconnected"),
        other => println!("\n{other:?}"),
    }
}

#[test]
fn a_sender_stopped_in_its_grab_is_disconnected_and_all_others_go_on() {
    require!("Xvfb");
    let xvfb = Xvfb::start();
    let stranger = xvfb.connect();
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    command.args(role("grabber_role")).env(DISPLAY, xvfb.display());
    let mut grabber = Process::start(command);
    grabber.expect_line("that it has grabbed", |line| (line == "grabbed").then_some(()));
    grabber.stop();
    let began = Instant::now();
    stranger.get_input_focus().unwrap().reply().unwrap();
    let frozen = began.elapsed();
    // A tenth of a second, and what a busy machine adds; a sender at work would be given a whole one.
    assert!(frozen < Duration::from_millis(900), "frozen for {frozen:?}");
    grabber.go_on();
    grabber.say("go on");
    grabber.expect_line("that it was disconnected", |line| (line == "disconnected").then_some(()));
}
