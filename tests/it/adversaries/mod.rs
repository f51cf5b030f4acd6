//! Adversaries: other programs that take focus, clipboard, windows, keyboard or display away while messages are under way.
//!
//! Each is a real client of a real X server, beside `talkstick send` as a user runs it. The judge is what the target
//! windows themselves logged, held against what the receipts claimed ([`verdict`]): no text and no Enter in a wrong window,
//! nothing twice, no claim that does not hold, the exit status that fits.
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
mod server;
mod strike;
mod table;
mod targets;
mod verdict;
mod windows;

use tests::require;

use self::{
    bout::Bout,
    table::{Expect, Row},
};

/// Rows of the table, and a test of the same name for each.
macro_rules! rows {
    ($($name:ident, $driver:ident, $short:literal, $managed:literal, $expect:ident, $fight:path, $what:literal;)+) => {
        /// All rows, in the order of the table.
        const ROWS: &[Row] = &[$(
            Row {
                name: stringify!($name),
                driver: stringify!($driver),
                what: $what,
                short: $short,
                managed: $managed,
                expect: Expect::$expect,
                fight: $fight,
            },
        )+];
        $(
            #[test]
            fn $name() {
                require!("Xvfb", "openbox", "setxkbmap");
                table::row(ROWS, stringify!($name)).test();
            }
        )+
    };
}

rows! {
    focus_flipper, x11, 20, false, Told, focus::flipper,
        "Another client moves the focus between two windows every 2 ms";
    focus_flipper_openbox, x11, 20, true, Told, focus::flipper,
        "The same under a window manager";
    clipboard_thief, x11, 20, false, Told, clipboard::thief,
        "Another client takes the clipboard 0 to 50 ms after each change of hands";
    clipboard_manager, x11, 20, false, Unharmed, clipboard::manager,
        "A clipboard manager asks for every format at once, at each change of hands";
    early_reader, x11, 20, false, Told, clipboard::early_reader,
        "Another client reads the text before the target does; every second target never reads it";
    closed, x11, 20, false, Told, windows::closed,
        "The window is closed; another agent's is right below it";
    closed_openbox, x11, 10, true, Told, windows::closed,
        "The same under a window manager";
    covered, x11, 20, false, Told, windows::covered,
        "A stranger's window comes up over it, every second time with the focus";
    covered_openbox, x11, 20, true, Told, windows::covered,
        "The same under a window manager";
    moved, x11, 20, false, Told, windows::moved,
        "Two agents' windows change places";
    moved_openbox, x11, 20, true, Told, windows::moved,
        "The same under a window manager";
    resized, x11, 20, false, Told, windows::resized,
        "The window shrinks; another agent's is right below it";
    replaced, x11, 20, false, Told, windows::replaced,
        "Another program's window of the same title, class and place takes the window's place";
    keyboard_layout, x11, 20, false, Anything, keyboard::layout,
        "Another keyboard layout is loaded: Latin, Greek, Cyrillic, two groups";
    grabs_held, x11, 12, false, Refused, grabs::held,
        "Another client grabs keyboard or pointer all the time (core and XInput2)";
    grabs_sudden, x11, 20, false, Told, grabs::sudden,
        "Another client grabs keyboard, pointer or server in the middle";
    hotkeys, x11, 12, false, Refused, grabs::hotkeys,
        "Another client has a hotkey on Enter or on the paste key";
    slow_target, x11, 2, false, Unharmed, targets::slow,
        "The target asks for the text 3 s after the paste key";
    deaf_target, x11, 8, false, Refused, targets::deaf,
        "The target never asks for it";
    huge_message, x11, 6, false, Unharmed, targets::huge,
        "A message of 1 MiB, in pieces (INCR)";
    server_killed, x11, 10, false, Told, server::killed,
        "The X server is killed";
}
