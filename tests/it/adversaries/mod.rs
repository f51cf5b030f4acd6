//! Adversaries: other programs that take focus, clipboard, windows, keyboard or display away while messages are under way.
//!
//! Each is a real client of a real X server, beside `talkstick send` as a user runs it. The judge is what the target
//! windows themselves logged, held against what the receipts claimed ([`verdict`]): no text and no Enter in a wrong window,
//! nothing twice, no claim that does not hold, the exit status that fits.
//!
//! What the portable driver cannot prevent it must tell: it is held to that alone, and the table has the numbers.
//!
//! The ordinary run tries each some twenty times; `docs/safety.md` has the numbers of the long form:
//!
//! ```text
//! TALKSTICK_DELIVERIES=200 cargo test -p tests --test it adversaries::table -- --ignored --nocapture
//! ```

mod arena;
mod bout;
mod clipboard;
mod dice;
mod focus;
mod grabs;
mod keyboard;
mod people;
mod screen;
mod server;
mod strike;
mod table;
mod targets;
pub(crate) mod verdict;
mod windows;

use tests::require;

use self::{
    bout::{Bout, Driver},
    table::{Expect, Row},
};

/// Rows of the table, and for each a test of its name by each driver.
macro_rules! rows {
    ($($name:ident, $short:literal, $managed:literal, $expect:ident, $fight:path, $what:literal;)+) => {
        /// All rows, in the order of the table.
        const ROWS: &[Row] = &[$(
            Row {
                name: stringify!($name),
                what: $what,
                short: $short,
                managed: $managed,
                expect: Expect::$expect,
                fight: $fight,
            },
        )+];
        rows!(tests of x11, Driver::X11, $($name)+);
        rows!(tests of portable, Driver::Portable, $($name)+);
    };
    (tests of $module:ident, $driver:path, $($name:ident)+) => {
        mod $module {
            use super::*;

            $(
                #[test]
                fn $name() {
                    require!("Xvfb", "Xvnc", "openbox", "setxkbmap");
                    table::row(ROWS, stringify!($name)).test($driver);
                }
            )+
        }
    };
}

rows! {
    focus_flipper, 20, false, Told, focus::flipper,
        "Another client moves the focus between two windows every 2 ms";
    focus_flipper_openbox, 20, true, Told, focus::flipper,
        "The same under a window manager";
    clipboard_thief, 20, false, Told, clipboard::thief,
        "Another client takes the clipboard 0 to 50 ms after each change of hands";
    clipboard_manager, 20, false, Unharmed, clipboard::manager,
        "A clipboard manager asks for every format at once, at each change of hands";
    early_reader, 20, false, Told, clipboard::early_reader,
        "Another client reads the text before the target does; every second target never reads it";
    closed, 20, false, Told, windows::closed,
        "The window is closed; another agent's is right below it";
    closed_openbox, 10, true, Told, windows::closed,
        "The same under a window manager";
    covered, 20, false, Told, windows::covered,
        "A stranger's window comes up over it, every second time with the focus";
    covered_openbox, 20, true, Told, windows::covered,
        "The same under a window manager";
    moved, 20, false, Told, windows::moved,
        "Two agents' windows change places";
    moved_openbox, 20, true, Told, windows::moved,
        "The same under a window manager";
    resized, 20, false, Told, windows::resized,
        "The window shrinks; another agent's is right below it";
    replaced, 20, false, Told, windows::replaced,
        "Another program's window of the same title, class and place takes the window's place";
    keyboard_layout, 20, false, Anything, keyboard::layout,
        "Another keyboard layout is loaded: Latin, Greek, Cyrillic, two groups";
    grabs_held, 12, false, Refused, grabs::held,
        "Another client grabs keyboard or pointer all the time (core and XInput2)";
    grabs_sudden, 20, false, Told, grabs::sudden,
        "Another client grabs keyboard, pointer or server in the middle";
    hotkeys, 12, false, Refused, grabs::hotkeys,
        "Another client has a hotkey on Enter or on the paste key";
    person, 20, false, Anything, people::person,
        "A person turns to another agent's window and types there";
    synthetic_input, 20, false, Anything, people::synthetic,
        "Another program does the same by synthetic input";
    slow_target, 2, false, Unharmed, targets::slow,
        "The target asks for the text 3 s after the paste key";
    deaf_target, 8, false, Refused, targets::deaf,
        "The target never asks for it";
    huge_message, 6, false, Unharmed, targets::huge,
        "A message of 1 MiB, in pieces (INCR)";
    server_killed, 10, false, Told, server::killed,
        "The X server is killed";
}
