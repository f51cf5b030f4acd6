//! Agent windows as a process of their own.

use std::io::{BufRead, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::error::AgentWindowsError;
use super::inbox::{Draft, Submission};
use super::layout::AgentWindow;
use super::{AgentWindows, Options};

/// How long the thread that reports sleeps at most before it looks whether it is still wanted.
const REPORT_WITHIN: Duration = Duration::from_secs(60);

/// What [`serve`] says: one of these as JSON on each line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Line {
    /// The windows are open: the first line.
    Ready {
        /// The process that they belong to.
        pid: u32,
        /// Where they are.
        windows: Vec<AgentWindow>,
    },
    /// A message was submitted.
    Submitted(Submission),
    /// The answer to `drafts`. What was submitted before the drafts were looked at is said before them.
    Drafts {
        /// What stands in each window.
        drafts: Vec<Draft>,
    },
    /// The answer to `close INDEX`.
    Closed {
        /// The index of the window that is gone.
        closed: usize,
    },
}

/// Opens windows, says so, says each message that is submitted, and answers `drafts` and `close INDEX` until `wishes` end.
///
/// For a process of its own: a thread that says what is submitted goes on until the process ends.
///
/// # Errors
/// The windows cannot be opened, their display is gone, nobody reads `said`, or a wish is unknown.
pub fn serve(
    options: &Options,
    wishes: impl BufRead,
    said: impl Write + Send + 'static,
) -> Result<(), AgentWindowsError> {
    let windows = AgentWindows::open(options)?;
    let mut reporter = Reporter { said, reported: 0 };
    reporter.say(&Line::Ready { pid: std::process::id(), windows: windows.windows().to_vec() })?;
    let (windows, reporter) = (Arc::new(windows), Arc::new(Mutex::new(reporter)));
    report_from_a_thread(Arc::clone(&windows), Arc::clone(&reporter))?;
    for wish in wishes.lines() {
        let wish = wish.map_err(|source| AgentWindowsError::System { what: "read the owner's wishes", source })?;
        match wish.trim().split_once(' ') {
            None if wish.trim() == "drafts" => {
                let drafts = windows.drafts()?;
                let mut reporter = lock(&reporter);
                reporter.report(&windows.submissions())?;
                reporter.say(&Line::Drafts { drafts })?;
            }
            Some(("close", index)) if index.parse::<usize>().is_ok() => {
                let closed = index.parse().unwrap_or_default();
                windows.close(closed)?;
                lock(&reporter).say(&Line::Closed { closed })?;
            }
            _ => return Err(AgentWindowsError::UnknownWish(wish)),
        }
    }
    Ok(())
}

/// Says lines, and each submission once.
#[derive(Debug)]
struct Reporter<W> {
    said: W,
    reported: usize,
}

impl<W: Write> Reporter<W> {
    fn report(&mut self, all: &[Submission]) -> Result<(), AgentWindowsError> {
        for submission in all.get(self.reported..).unwrap_or_default() {
            self.reported += 1;
            self.say(&Line::Submitted(submission.clone()))?;
        }
        Ok(())
    }

    fn say(&mut self, line: &Line) -> Result<(), AgentWindowsError> {
        let failed = |source| AgentWindowsError::System { what: "tell the owner of the windows", source };
        let mut text = serde_json::to_string(line).map_err(|error| failed(error.into()))?;
        text.push('\n');
        self.said.write_all(text.as_bytes()).and_then(|()| self.said.flush()).map_err(failed)
    }
}

fn report_from_a_thread<W: Write + Send + 'static>(
    windows: Arc<AgentWindows>,
    reporter: Arc<Mutex<Reporter<W>>>,
) -> Result<(), AgentWindowsError> {
    let report = move || {
        loop {
            let seen = lock(&reporter).reported;
            windows.submissions_after(seen, REPORT_WITHIN);
            // Nobody reads any more: whoever opened the windows is gone, and their wishes end too.
            if lock(&reporter).report(&windows.submissions()).is_err() {
                return;
            }
        }
    };
    let thread = std::thread::Builder::new().name("agent-windows-report".to_owned()).spawn(report);
    thread.map(drop).map_err(|source| AgentWindowsError::System { what: "start a thread", source })
}

/// The count is right after every line, so a thread that panicked while it held it left nothing half done.
fn lock<W>(reporter: &Mutex<Reporter<W>>) -> std::sync::MutexGuard<'_, Reporter<W>> {
    reporter.lock().unwrap_or_else(PoisonError::into_inner)
}
