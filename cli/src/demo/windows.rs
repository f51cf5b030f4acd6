//! Agent windows on an X display, in a process of their own, as agents are to a sender.

use std::{process::Command, time::Duration};

use deliver::agent_windows::{AgentWindow, Draft, Line, Options, Submission};
use lock_core::Moment;

use super::{
    backstage::{Backstage, Player},
    error::DemoError,
    own_helper,
    score::{Arrived, Seen},
};

const NAME: &str = "the agents' windows";
/// How long they may take to open, and to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);
/// How long a paste may be under way after the last key before it counts as never arriving.
const SETTLE_WITHIN: Duration = Duration::from_secs(1);
/// How often to look whether it is.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Open agent windows. They close when this is dropped.
#[derive(Debug)]
pub(crate) struct Windows {
    process: Player,
    pid: u32,
    windows: Vec<AgentWindow>,
    submissions: Vec<Submission>,
}

impl Windows {
    /// Opens `options.count` windows and waits until they are ready. `let_in` lets the process find its display.
    pub(crate) fn open(
        backstage: &mut Backstage,
        options: &Options,
        let_in: impl FnOnce(&mut Command),
    ) -> Result<Self, DemoError> {
        let mut command = own_helper("agent-windows")?;
        let options =
            serde_json::to_string(options).map_err(|e| DemoError::System { what: "write JSON", source: e.into() })?;
        command.arg(options);
        let_in(&mut command);
        let process = backstage.start(NAME, &mut command)?;
        match next(backstage, &process)? {
            Line::Ready { pid, windows } => Ok(Self { process, pid, windows, submissions: Vec::new() }),
            other => Err(unexpected(format!("{other:?}"))),
        }
    }

    pub(crate) fn windows(&self) -> &[AgentWindow] {
        &self.windows
    }

    pub(crate) const fn pid(&self) -> u32 {
        self.pid
    }

    /// What stands in the windows when no paste is under way any more.
    pub(crate) fn seen(&mut self, backstage: &mut Backstage) -> Result<Seen, DemoError> {
        let until = Moment::now() + SETTLE_WITHIN;
        loop {
            let drafts = self.drafts(backstage)?;
            if until.is_past() || !drafts.iter().any(|draft| draft.pasting) {
                let unsent = drafts.into_iter().map(|draft| draft.text).filter(|text| !text.is_empty()).collect();
                return Ok(Seen { arrived: self.arrived(), unsent });
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }

    fn drafts(&mut self, backstage: &mut Backstage) -> Result<Vec<Draft>, DemoError> {
        self.process.tell("drafts")?;
        loop {
            match next(backstage, &self.process)? {
                Line::Drafts { drafts } => return Ok(drafts),
                Line::Submitted(submission) => self.submissions.push(submission),
                other => return Err(unexpected(format!("{other:?}"))),
            }
        }
    }

    /// In the order of the server's clock at the Enter keys: the windows hear of theirs each in their own time.
    fn arrived(&self) -> Vec<Arrived> {
        let mut submissions = self.submissions.clone();
        let first = submissions.first().map_or(0, |submission| submission.pressed_ms);
        // Signed differences: the clock wraps around, and the one said first need not be the earliest.
        submissions.sort_by_key(|submission| submission.pressed_ms.wrapping_sub(first).cast_signed());
        let arrived = |Submission { window, text, at_ns, .. }| Arrived { window, text, at_ns };
        submissions.into_iter().map(arrived).collect()
    }
}

fn next(backstage: &mut Backstage, process: &Player) -> Result<Line, DemoError> {
    let line = backstage.line(&[process], Moment::now() + ANSWER_WITHIN)?;
    let (_, line) = line.ok_or(DemoError::NotReady { name: NAME })?;
    serde_json::from_str(&line).map_err(|_| unexpected(line))
}

fn unexpected(line: String) -> DemoError {
    DemoError::Unexpected { name: NAME, line }
}
