//! What the program `line-editor` writes down, and how it is read back.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::probe::until_some;

/// A line of the editor's record, as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Entry {
    /// The terminal answers and understands bracketed paste: the first line.
    Ready {
        /// The editor's process.
        pid: u32,
        /// The X window of its terminal, when the terminal told it.
        window: Option<u32>,
    },
    /// A message was submitted.
    Submitted {
        /// The whole draft, as it stood.
        text: String,
        /// When, in nanoseconds of `CLOCK_MONOTONIC`.
        at_ns: u64,
    },
}

/// The record of one editor: a file of JSON lines, and beside it what stands unsent.
#[derive(Debug, Clone)]
pub struct Record {
    path: PathBuf,
}

impl Record {
    /// The record at this path, which need not exist yet.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the editor puts what stands unsent.
    pub fn draft_path(&self) -> PathBuf {
        self.path.with_extension("draft")
    }

    /// The editor's process and its terminal's window, once it is ready.
    pub fn ready(&self) -> Option<(u32, Option<u32>)> {
        self.entries().into_iter().find_map(|entry| match entry {
            Entry::Ready { pid, window } => Some((pid, window)),
            Entry::Submitted { .. } => None,
        })
    }

    /// All messages submitted so far.
    pub fn messages(&self) -> Vec<String> {
        let text = |entry| match entry {
            Entry::Submitted { text, .. } => Some(text),
            Entry::Ready { .. } => None,
        };
        self.entries().into_iter().filter_map(text).collect()
    }

    /// Waits until at least `count` messages were submitted, and returns all there are.
    ///
    /// # Panics
    /// When there are fewer after `within`.
    #[track_caller]
    pub fn wait_messages(&self, count: usize, within: Duration) -> Vec<String> {
        let what = format!("{count} messages are in {}", self.path.display());
        until_some(within, &what, || Some(self.messages()).filter(|messages| messages.len() >= count))
    }

    /// What stands unsent in the editor, as of the last input it took.
    pub fn draft(&self) -> String {
        std::fs::read(self.draft_path()).map(|draft| String::from_utf8_lossy(&draft).into_owned()).unwrap_or_default()
    }

    fn entries(&self) -> Vec<Entry> {
        let Ok(text) = std::fs::read_to_string(&self.path) else { return Vec::new() };
        // The last line may be half written.
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        let parse = |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("record line {line:?}: {error}"));
        whole.lines().map(parse).collect()
    }
}
