//! A real browser with eight input boxes on a page, in one window or in two.

use std::process::Command;
use std::time::Duration;

use serde::Deserialize;
use tempfile::TempDir;
use x11rb::connection::Connection as _;
use x11rb::protocol::xproto::{AtomEnum, ConfigureWindowAux, ConnectionExt as _, MapState, Window};
use x11rb::rust_connection::RustConnection;

use crate::accessibility_bus::AccessibilityBus;
use crate::hand::Hand;
use crate::loopback::Loopback;
use crate::probe::{READY_WITHIN, until_some};
use crate::process::{Ending, Process};
use crate::program::{fresh_folder, isolated};

/// Where the browser's only window is: the fixture knows where to point before the page can say where its boxes are.
const WINDOW_SIZE: (i16, i16) = (1200, 900);

/// The size of each of two windows beside each other on a screen of 1600 x 1200.
const HALF_SIZE: (i16, i16) = (780, 900);

/// Where the second of them is.
const SECOND_LEFT: i16 = 800;

/// A place where no window of the browser is: a pointer there tells no page anything.
const NOWHERE: (i16, i16) = (1590, 1190);

/// How long a browser may take to come up on a machine that is busy with other tests.
const PAGE_WITHIN: Duration = Duration::from_secs(60);

/// An input box on the root window, in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
pub struct InputBox {
    /// Left edge.
    pub x: f64,
    /// Upper edge.
    pub y: f64,
    /// Width.
    pub width: f64,
    /// Height.
    pub height: f64,
}

impl InputBox {
    /// A point well inside.
    pub const fn centre(&self) -> (i16, i16) {
        ((self.x + self.width / 2.0) as i16, (self.y + self.height / 2.0) as i16)
    }
}

/// A message submitted in a box, or the text that stands in it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct BoxText {
    /// The index of the box, from 0.
    #[serde(rename = "box")]
    pub index: usize,
    /// The whole text.
    pub text: String,
}

#[derive(Debug, Deserialize)]
struct Report {
    number: u64,
    #[serde(flatten)]
    what: What,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum What {
    Boxes(Vec<InputBox>),
    Submitted(BoxText),
    Draft(BoxText),
}

/// A running chromium with pages of its own: eight text areas each; Enter submits, Shift+Enter is a new line.
#[derive(Debug)]
pub struct Chromium {
    boxes: Vec<InputBox>,
    process: Process,
    /// One for each window.
    pages: Vec<Loopback>,
    _profile: TempDir,
}

impl Chromium {
    /// Starts one with one window at the upper left corner of a display; returns when its page takes input.
    ///
    /// The pointer is left over the page.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn start(display: &str) -> Self {
        Self::start_sized(display, WINDOW_SIZE, PAGE, None)
    }

    /// The same in a session with accessibility; its page runs `script` once its `boxes` are there.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn start_in(session: &AccessibilityBus, display: &str, script: &str) -> Self {
        let page = PAGE.replace("// A script of the test.", script);
        Self::start_sized(display, WINDOW_SIZE, &page, Some(session))
    }

    /// Starts one with two windows beside each other, of one process and one X client. The boxes of the second are those
    /// from 8 on.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn start_with_two_windows(display: &str) -> Self {
        let mut browser = Self::start_sized(display, HALF_SIZE, PAGE, None);
        let hand = Hand::on(display);
        hand.move_to(NOWHERE);
        let title = "Agents, the second window";
        let page = Loopback::serve(&PAGE.replace("<title>Agents</title>", &format!("<title>{title}</title>")));
        // Started again with the same profile, the program asks the running one for a window and ends.
        let mut messenger = Process::start(command(display, browser._profile.path(), HALF_SIZE, &page));
        let window = until_some(PAGE_WITHIN, "the second window is shown", || window_titled(display, title));
        messenger.wait(PAGE_WITHIN);
        move_window(display, window, SECOND_LEFT);
        let boxes = boxes_of(&browser.process, &page, &hand, SECOND_LEFT);
        assert!(boxes.iter().all(|area| area.x >= f64::from(SECOND_LEFT)), "the second page is elsewhere: {boxes:?}");
        browser.boxes.extend(boxes);
        browser.pages.push(page);
        browser
    }

    fn start_sized(display: &str, size: (i16, i16), page: &str, session: Option<&AccessibilityBus>) -> Self {
        let profile = fresh_folder();
        let page = Loopback::serve(page);
        let mut command = command(display, profile.path(), size, &page);
        if let Some(session) = session {
            session.invite(&mut command);
            // Without it, it tells of its windows, and not of what is in its pages.
            command.arg("--force-renderer-accessibility");
        }
        let process = Process::start_ending(command, Ending::Kill);
        let boxes = boxes_of(&process, &page, &Hand::on(display), 0);
        Self { boxes, process, pages: vec![page], _profile: profile }
    }

    /// The input boxes, where they were when their page came up.
    pub fn boxes(&self) -> &[InputBox] {
        &self.boxes
    }

    /// All messages submitted so far, each window's in their order.
    pub fn messages(&self) -> Vec<BoxText> {
        let submitted = |what| match what {
            What::Submitted(message) => Some(message),
            What::Boxes(_) | What::Draft(_) => None,
        };
        let of_page = |(nth, page): (usize, &Loopback)| {
            let messages = reports(page).into_iter().filter_map(submitted);
            messages.map(move |message| BoxText { index: message.index + nth * BOXES, ..message }).collect::<Vec<_>>()
        };
        self.pages.iter().enumerate().flat_map(of_page).collect()
    }

    /// Waits until at least `count` messages were submitted, and returns all there are.
    ///
    /// # Panics
    /// When there are fewer after `within`.
    #[track_caller]
    pub fn wait_messages(&self, count: usize, within: Duration) -> Vec<BoxText> {
        let what = format!("{count} messages were submitted in chromium");
        until_some(within, &what, || Some(self.messages()).filter(|messages| messages.len() >= count))
    }

    /// The text that stands unsent in a box.
    pub fn draft(&self, index: usize) -> String {
        let mut draft = String::new();
        for what in reports(&self.pages[index / BOXES]) {
            match what {
                What::Draft(text) if text.index == index % BOXES => draft = text.text,
                What::Submitted(text) if text.index == index % BOXES => draft.clear(),
                _ => {}
            }
        }
        draft
    }

    /// The browser's process: to stop it, to kill it, to have it go on.
    pub const fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// How long a message may take from Enter to the report of the page.
    pub const REPORTED_WITHIN: Duration = READY_WITHIN;
}

/// Nothing from the network, nothing on the screen but the page, and no sandbox, which needs rights that tests lack.
const FLAGS: [&str; 10] = [
    "--no-sandbox",
    "--no-first-run",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--password-store=basic",
    "--window-position=0,0",
];

/// Boxes on a page.
const BOXES: usize = 8;

const PAGE: &str = include_str!("chromium_page.html");

fn command(display: &str, profile: &std::path::Path, (width, height): (i16, i16), page: &Loopback) -> Command {
    let mut command = isolated("chromium", profile);
    command.env("DISPLAY", display).args(FLAGS);
    command.arg(format!("--window-size={width},{height}"));
    command.arg(format!("--user-data-dir={}", profile.join("profile").display()));
    command.arg(format!("--app={}", page.url()));
    command
}

/// Moves the pointer over a page, whose window's left edge is at `left`, until it says where its boxes are.
fn boxes_of(process: &Process, page: &Loopback, hand: &Hand, left: i16) -> Vec<InputBox> {
    let mut step = 0;
    until_some(PAGE_WITHIN, "the page takes input", || {
        assert!(process.runs(), "chromium ended; it said: {}", process.said());
        // The page learns its place from a pointer that moves over it.
        step = (step + 1) % 50;
        hand.move_to((left + HALF_SIZE.0 / 2 + step, HALF_SIZE.1 / 2));
        reports(page).into_iter().find_map(|what| match what {
            What::Boxes(boxes) => Some(boxes),
            What::Submitted(_) | What::Draft(_) => None,
        })
    })
}

/// The shown window of this title, where no window manager puts frames around windows.
fn window_titled(display: &str, title: &str) -> Option<Window> {
    let (connection, screen) = RustConnection::connect(Some(display)).expect("the display is there");
    let tree = connection.query_tree(connection.setup().roots[screen].root).ok()?.reply().ok()?;
    tree.children.into_iter().find(|window| {
        let name = connection.get_property(false, *window, AtomEnum::WM_NAME, AtomEnum::ANY, 0, 256);
        let name = name.ok().and_then(|request| request.reply().ok());
        let attributes = connection.get_window_attributes(*window).ok().and_then(|request| request.reply().ok());
        name.is_some_and(|name| name.value == title.as_bytes())
            && attributes.is_some_and(|attributes| attributes.map_state == MapState::VIEWABLE)
    })
}

fn move_window(display: &str, window: Window, x: i16) {
    let (connection, _) = RustConnection::connect(Some(display)).expect("the display is there");
    let place = ConfigureWindowAux::new().x(i32::from(x)).y(0);
    connection.configure_window(window, &place).expect("request").check().expect("the window is there");
}

/// What the page reported, in the order in which it happened there, up to the first report that is still on its way.
fn reports(page: &Loopback) -> Vec<What> {
    let parse = |report: &String| {
        serde_json::from_str::<Report>(report).unwrap_or_else(|error| panic!("the page reported {report:?}: {error}"))
    };
    let mut reports: Vec<Report> = page.reports().iter().map(parse).collect();
    reports.sort_by_key(|report| report.number);
    let in_order = (0..).zip(reports).take_while(|(expected, report)| *expected == report.number);
    in_order.map(|(_, report)| report.what).collect()
}
