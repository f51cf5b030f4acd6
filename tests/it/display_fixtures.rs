//! The fixtures do what they say.

use std::io::Write as _;
use std::process::Command;
use std::time::Duration;

use tests::probe::{READY_WITHIN, until};
use tests::process::{Process, is_alive};
use tests::program::fresh_folder;
use tests::require;
use tests::xvfb::{Monitor, Xvfb, XvfbOptions};
use tests::xvnc::Xvnc;
use x11rb::connection::Connection as _;
use x11rb::protocol::randr::ConnectionExt as _;
use x11rb::protocol::xproto::{AutoRepeatMode, ConnectionExt as _};

#[test]
fn servers_choose_their_own_displays_and_end_with_their_owner() {
    require!("Xvfb");
    let mut first = Xvfb::start();
    let second = Xvfb::start();
    assert_ne!(first.display(), second.display());
    assert_eq!(second.connect().setup().roots[0].width_in_pixels, 1600);
    let pid = first.process().pid();
    assert!(is_alive(pid));
    drop(first);
    assert!(!is_alive(pid));
}

#[test]
fn a_stopped_server_is_ended_too() {
    require!("Xvfb");
    let mut server = Xvfb::start();
    let pid = server.process().pid();
    server.process().stop();
    let began = std::time::Instant::now();
    drop(server);
    assert!(!is_alive(pid));
    assert!(began.elapsed() < Duration::from_secs(3), "it had to be killed");
}

#[test]
fn a_server_shows_the_screens_and_monitors_it_was_asked_for() {
    require!("Xvfb");
    let left = Monitor { x: 0, y: 0, width: 800, height: 600 };
    let right = Monitor { x: 800, y: 0, width: 480, height: 600 };
    let server = Xvfb::start_with(&XvfbOptions { screens: vec![(1280, 600), (640, 480)], monitors: vec![left, right] });
    let connection = server.connect();
    let roots = &connection.setup().roots;
    assert_eq!(roots.iter().map(|root| root.width_in_pixels).collect::<Vec<_>>(), [1280, 640]);
    let monitors = connection.randr_get_monitors(roots[0].root, true).expect("request").reply().expect("monitors");
    let edges: Vec<_> = monitors.monitors.iter().map(|monitor| (monitor.x, monitor.width)).collect();
    assert!(edges.contains(&(0, 800)) && edges.contains(&(800, 480)), "{edges:?}");
}

/// A test that is late between press and release has typed one letter all the same.
#[test]
fn a_key_that_is_held_is_typed_once() {
    require!("Xvfb", "Xvnc");
    let (plain, remote) = (Xvfb::start(), Xvnc::start());
    for server in [plain.connect(), remote.connect()] {
        let control = server.get_keyboard_control().expect("request").reply().expect("the keyboard's");
        assert_eq!(control.global_auto_repeat, AutoRepeatMode::OFF);
    }
}

/// Says which server it started, and waits to be killed. Does nothing in a run of the whole suite.
#[test]
#[ignore = "the owner that a_killed_owner_takes_its_server_along kills"]
fn owner_to_be_killed() {
    let mut server = Xvfb::start();
    writeln!(std::io::stdout(), "\nserver {}", server.process().pid()).expect("stdout is a pipe");
    std::io::stdin().read_line(&mut String::new()).expect("stdin is a pipe");
}

#[test]
fn a_killed_owner_takes_its_server_along() {
    require!("Xvfb");
    let mut command = Command::new(std::env::current_exe().expect("this test"));
    command.args(["--exact", "display_fixtures::owner_to_be_killed", "--ignored", "--nocapture"]);
    // A killed owner removes no files: they lie in a folder of this test.
    let folder = fresh_folder();
    command.env("TMPDIR", folder.path());
    let mut owner = Process::start(command);
    let pid: u32 = owner.expect_line("which server it started", |line| line.strip_prefix("server ")?.parse().ok());
    assert!(is_alive(pid));
    owner.stop();
    owner.kill();
    until(READY_WITHIN, "the server is gone", || !is_alive(pid));
}
