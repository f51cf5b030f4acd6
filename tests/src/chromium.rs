//! A real browser window with eight input boxes.

use std::time::Duration;

use serde::Deserialize;
use tempfile::TempDir;

use crate::hand::Hand;
use crate::loopback::Loopback;
use crate::probe::{READY_WITHIN, until_some};
use crate::process::{Ending, Process};
use crate::program::{fresh_folder, isolated};

/// Where the browser's window is: the fixture knows where to point before the page can say where its boxes are.
const WINDOW_SIZE: (i16, i16) = (1200, 900);

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

/// A running chromium with a page of its own: eight text areas; Enter submits, Shift+Enter is a new line.
#[derive(Debug)]
pub struct Chromium {
    boxes: Vec<InputBox>,
    process: Process,
    page: Loopback,
    _profile: TempDir,
}

impl Chromium {
    /// Starts one at the upper left corner of a display; returns when its page takes input.
    ///
    /// The pointer is left over the page.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn start(display: &str) -> Self {
        let profile = fresh_folder();
        let page = Loopback::serve(include_str!("chromium_page.html"));
        let mut command = isolated("chromium", profile.path());
        command.env("DISPLAY", display).args(FLAGS);
        command.arg(format!("--window-size={},{}", WINDOW_SIZE.0, WINDOW_SIZE.1));
        command.arg(format!("--user-data-dir={}", profile.path().join("profile").display()));
        command.arg(format!("--app={}", page.url()));
        let process = Process::start_ending(command, Ending::Kill);
        let hand = Hand::on(display);
        let mut step = 0;
        let boxes = until_some(PAGE_WITHIN, "the page takes input", || {
            assert!(process.runs(), "chromium ended; it said: {}", process.said());
            // The page learns its place from a pointer that moves over it.
            step = (step + 1) % 50;
            hand.move_to((WINDOW_SIZE.0 / 2 + step, WINDOW_SIZE.1 / 2));
            reports(&page).into_iter().find_map(|what| match what {
                What::Boxes(boxes) => Some(boxes),
                What::Submitted(_) | What::Draft(_) => None,
            })
        });
        Self { boxes, process, page, _profile: profile }
    }

    /// The input boxes, where they were when the page came up.
    pub fn boxes(&self) -> &[InputBox] {
        &self.boxes
    }

    /// All messages submitted so far, in order.
    pub fn messages(&self) -> Vec<BoxText> {
        let submitted = |what| match what {
            What::Submitted(message) => Some(message),
            What::Boxes(_) | What::Draft(_) => None,
        };
        reports(&self.page).into_iter().filter_map(submitted).collect()
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
        for what in reports(&self.page) {
            match what {
                What::Draft(text) if text.index == index => draft = text.text,
                What::Submitted(text) if text.index == index => draft.clear(),
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
