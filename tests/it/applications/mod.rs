//! Real applications as agents: sixteen senders with five messages each, at once. Each message arrives exactly, once, in
//! its own box, in the order of the tickets.
//!
//! Here the boxes share what the lock and the X server tell apart: several boxes in one window share its focus, several
//! windows of one process share its client. Terminals and a browser with one window are in `desktop_delivery`. In the long
//! form:
//!
//! ```text
//! TALKSTICK_TEST_RUNS=10 cargo test -p tests --test it applications:: -- --test-threads 1
//! ```

use tests::{accessibility_bus::LAUNCHER, require, text_windows::Toolkit};

use crate::desktop_delivery::{by_program, runs, stage::Stage};

#[test]
fn two_windows_of_one_browser() {
    require!("Xvfb", "chromium");
    by_program("chromium with two windows", runs(), Stage::browser_with_two_windows());
}

#[test]
fn a_browser_that_tells_its_boxes() {
    require!("Xvfb", "chromium", "dbus-daemon", "dbus-send", LAUNCHER);
    by_program("chromium with accessibility", runs(), Stage::browser_that_tells(""));
}

#[test]
fn gtk_that_tells_its_boxes() {
    require!("Xvfb", "python3-gi", "dbus-daemon", "dbus-send", LAUNCHER);
    by_program("gtk with accessibility", runs(), Stage::texts_that_tell(Toolkit::Gtk));
}

#[test]
fn tk() {
    require!("Xvfb", "python3-tk");
    by_program("tk", runs(), Stage::texts(Toolkit::Tk, false));
}

#[test]
fn tk_under_a_window_manager() {
    require!("Xvfb", "openbox", "python3-tk");
    by_program("tk under openbox", runs(), Stage::texts(Toolkit::Tk, true));
}

#[test]
fn gtk() {
    require!("Xvfb", "python3-gi");
    by_program("gtk", runs(), Stage::texts(Toolkit::Gtk, false));
}

#[test]
fn gtk_under_a_window_manager() {
    require!("Xvfb", "openbox", "python3-gi");
    by_program("gtk under openbox", runs(), Stage::texts(Toolkit::Gtk, true));
}
