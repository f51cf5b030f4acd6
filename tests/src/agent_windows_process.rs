//! Agent windows in a process of their own, as agents are to a sender.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use deliver::agent_windows::{AgentWindow, Draft, Line, Options, Submission};
use tempfile::TempDir;

use crate::probe::READY_WITHIN;
use crate::process::Process;
use crate::program::{fresh_folder, isolated, own_program};

/// A running `agent-windows` program.
#[derive(Debug)]
pub struct AgentWindowsProcess {
    windows: Vec<AgentWindow>,
    submissions: Mutex<Vec<Submission>>,
    process: Process,
    _home: TempDir,
}

impl AgentWindowsProcess {
    /// Opens windows on a display; returns when all are ready for input.
    ///
    /// # Panics
    /// When they do not open.
    pub fn start(display: &str, options: &Options) -> Self {
        let home = fresh_folder();
        let options = Options { display: Some(display.to_owned()), ..options.clone() };
        let mut command = isolated(own_program("agent-windows"), home.path());
        command.arg(serde_json::to_string(&options).expect("options are JSON"));
        let process = Process::start(command);
        let windows = process.expect_line("that its windows are open", |line| match parse(line) {
            Line::Ready { windows, .. } => Some(windows),
            _ => None,
        });
        Self { windows, submissions: Mutex::default(), process, _home: home }
    }

    /// The windows in the order of their indices.
    pub fn windows(&self) -> &[AgentWindow] {
        &self.windows
    }

    /// The process: to stop it, to kill it, to have it go on.
    pub const fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Waits until at least `count` messages were submitted, at most `within`; returns all that were said by then.
    pub fn submissions(&self, count: usize, within: Duration) -> Vec<Submission> {
        let deadline = Instant::now() + within;
        let mut submissions = self.submissions.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let patience = if submissions.len() < count { left } else { Duration::ZERO };
            let Some(line) = self.process.line(patience) else { break };
            keep(&mut submissions, parse(&line));
        }
        submissions.clone()
    }

    /// All that was submitted up to now, by window, and the drafts that stand unsent (empty ones are left out).
    ///
    /// # Panics
    /// When the process does not answer.
    pub fn settle(&mut self) -> (Vec<Submission>, BTreeMap<usize, Draft>) {
        self.process.say("drafts");
        let mut submissions = self.submissions.lock().unwrap_or_else(PoisonError::into_inner);
        let drafts = self.process.expect_line("its drafts", |line| match parse(line) {
            Line::Drafts { drafts } => Some(drafts),
            other => {
                keep(&mut submissions, other);
                None
            }
        });
        let unsent = drafts.into_iter().filter(|draft| !draft.text.is_empty() || draft.pasting);
        (submissions.clone(), unsent.map(|draft| (draft.window, draft)).collect())
    }

    /// Closes one window; returns when it is gone.
    ///
    /// # Panics
    /// When the process does not answer.
    pub fn close(&mut self, index: usize) {
        self.process.say(&format!("close {index}"));
        let mut submissions = self.submissions.lock().unwrap_or_else(PoisonError::into_inner);
        self.process.expect_line("that the window is closed", |line| match parse(line) {
            Line::Closed { .. } => Some(()),
            other => {
                keep(&mut submissions, other);
                None
            }
        });
    }

    /// Ends the process politely, by the end of its stdin.
    ///
    /// # Panics
    /// When it does not end.
    pub fn quit(mut self) {
        self.process.hang_up();
        assert!(self.process.wait(READY_WITHIN).success(), "{}", self.process.said());
    }
}

fn parse(line: &str) -> Line {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("agent-windows said {line:?}: {error}"))
}

fn keep(submissions: &mut Vec<Submission>, line: Line) {
    if let Line::Submitted(submission) = line {
        submissions.push(submission);
    }
}
