//! Real toolkits: two windows of one process with two text boxes in each, by Tk or by GTK.
//!
//! All boxes belong to one X client; those of one window share the window's focus too.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Deserialize;
use tempfile::TempDir;

use crate::accessibility_bus::AccessibilityBus;
use crate::process::Process;
use crate::program::{fresh_folder, isolated};

/// Debian's own interpreter: another one in PATH would not have the toolkits.
pub const PYTHON: &str = "/usr/bin/python3";

/// Which toolkit draws the boxes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Toolkit {
    /// Tk 8.6, `Text`.
    Tk,
    /// GTK 3, `GtkTextView`.
    Gtk,
}

impl Toolkit {
    const fn script(self) -> &'static str {
        match self {
            Self::Tk => include_str!("text_windows_tk.py"),
            Self::Gtk => include_str!("text_windows_gtk.py"),
        }
    }
}

/// A text box, where it was when it came up.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct TextBox {
    /// The title of its window.
    pub title: String,
    x: i16,
    y: i16,
    width: i16,
    height: i16,
    left: i16,
    top: i16,
}

impl TextBox {
    /// A point well inside, on the root window.
    pub const fn centre(&self) -> (i16, i16) {
        (self.x + self.width / 2, self.y + self.height / 2)
    }

    /// The same point, from the upper left corner of its window.
    pub const fn offset(&self) -> (i16, i16) {
        (self.left + self.width / 2, self.top + self.height / 2)
    }
}

/// A message that was submitted in a box.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Submitted {
    /// The index of the box, from 0.
    #[serde(rename = "box")]
    pub index: usize,
    /// The whole text.
    pub text: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Line {
    Boxes(Vec<TextBox>),
    Submitted(Submitted),
    Drafts(Vec<String>),
}

/// The running program.
#[derive(Debug)]
pub struct TextWindows {
    boxes: Vec<TextBox>,
    submitted: Mutex<Vec<Submitted>>,
    process: Process,
    _home: TempDir,
}

impl TextWindows {
    /// Opens the windows on a display; returns when all boxes are shown.
    ///
    /// # Panics
    /// When they do not come up.
    pub fn start(display: &str, toolkit: Toolkit) -> Self {
        Self::start_with(display, toolkit, None)
    }

    /// The same in a session with accessibility.
    ///
    /// # Panics
    /// When they do not come up.
    pub fn start_in(session: &AccessibilityBus, display: &str, toolkit: Toolkit) -> Self {
        Self::start_with(display, toolkit, Some(session))
    }

    fn start_with(display: &str, toolkit: Toolkit, session: Option<&AccessibilityBus>) -> Self {
        let home = fresh_folder();
        let script = home.path().join("text_windows.py");
        std::fs::write(&script, toolkit.script()).expect("the script is written");
        let mut command = isolated(PYTHON, home.path());
        command.arg(&script).env("DISPLAY", display);
        match session {
            Some(session) => session.invite(&mut command),
            // No bridge to assistive programs: there is no message bus.
            None => drop(command.env("NO_AT_BRIDGE", "1")),
        }
        let process = Process::start(command);
        let boxes = process.expect_line("that its boxes are shown", |line| match parse(line) {
            Line::Boxes(boxes) => Some(boxes),
            _ => None,
        });
        Self { boxes, submitted: Mutex::default(), process, _home: home }
    }

    /// The boxes: two of the first window, then two of the second.
    pub fn boxes(&self) -> &[TextBox] {
        &self.boxes
    }

    /// Waits until at least `count` messages were submitted, at most `within`; returns all that were said by then.
    pub fn submissions(&self, count: usize, within: Duration) -> Vec<Submitted> {
        let deadline = Instant::now() + within;
        let mut submitted = self.submitted.lock().unwrap_or_else(PoisonError::into_inner);
        while submitted.len() < count {
            let Some(line) = self.process.line(deadline.saturating_duration_since(Instant::now())) else { break };
            if let Line::Submitted(message) = parse(&line) {
                submitted.push(message);
            }
        }
        submitted.clone()
    }

    /// What stands unsent in each box.
    ///
    /// # Panics
    /// When the program does not answer.
    pub fn drafts(&mut self) -> Vec<String> {
        self.process.say("drafts");
        let mut submitted = self.submitted.lock().unwrap_or_else(PoisonError::into_inner);
        self.process.expect_line("its drafts", |line| match parse(line) {
            Line::Drafts(drafts) => Some(drafts),
            Line::Submitted(message) => {
                submitted.push(message);
                None
            }
            Line::Boxes(_) => None,
        })
    }
}

fn parse(line: &str) -> Line {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("the text windows said {line:?}: {error}"))
}
