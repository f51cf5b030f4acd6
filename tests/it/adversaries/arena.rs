//! Where an adversary meets the program: a display, agents on it, and `talkstick send` as a user runs it.

use std::sync::atomic::{AtomicUsize, Ordering};

use deliver::agent_windows::Options;
use tests::{agent_windows_process::AgentWindowsProcess, openbox::Openbox};
use x11rb::{connection::Connection as _, protocol::xproto::Window, rust_connection::RustConnection};

use super::{
    screen::Screen,
    verdict::{Logged, STRANGER, Sent, Tally, judge, text_of},
};
use crate::desktop_delivery::program::Root;

/// A display with agents, and all that was sent to them.
pub(crate) struct Arena {
    pub(crate) agents: AgentWindowsProcess,
    /// Windows that look like an agent's and are not.
    pub(crate) strangers: Vec<AgentWindowsProcess>,
    _manager: Option<Openbox>,
    // Below what lives on it.
    pub(crate) screen: Screen,
    root: Root,
    sent: Vec<Sent>,
    /// How long a sender may wait.
    pub(crate) timeout: &'static str,
    /// What follows the mark in each text.
    pub(crate) body: String,
}

/// Texts differ over all arenas of the program.
static NUMBER: AtomicUsize = AtomicUsize::new(0);

impl Arena {
    /// Agents `Agent-1` and so on, each by its point; `config` makes the configuration from that.
    pub(crate) fn new(screen: Screen, options: &Options, config: impl FnOnce(&str) -> String) -> Self {
        let manager = options.managed.then(|| Openbox::start(screen.display()));
        let agents = AgentWindowsProcess::start(screen.display(), options);
        let root = Root::new(screen.display(), &config(&places(&agents)));
        let (strangers, sent) = (Vec::new(), Vec::new());
        Self { agents, strangers, _manager: manager, screen, root, sent, timeout: "20s", body: String::new() }
    }

    pub(crate) fn display(&self) -> &str {
        self.screen.display()
    }

    /// A client of its own, and the root window.
    pub(crate) fn client(&self) -> (RustConnection, Window) {
        let client = self.screen.connect();
        let root = client.setup().roots[0].root;
        (client, root)
    }

    pub(crate) fn window(&self, agent: usize) -> Window {
        self.agents.windows()[agent].id
    }

    /// Sends one message, as a user does.
    pub(crate) fn send(&mut self, agent: usize) -> &Sent {
        let sent = self.delivery(agent)();
        self.sent.push(sent);
        self.sent.last().unwrap_or_else(|| unreachable!("it was pushed"))
    }

    /// One message on its way, to be kept with [`Arena::keep`]: others may look at the arena meanwhile.
    pub(crate) fn delivery(&self, agent: usize) -> impl FnOnce() -> Sent + use<'_> {
        let text = text_of(agent, NUMBER.fetch_add(1, Ordering::Relaxed), &self.body);
        move || {
            let name = format!("Agent-{}", agent + 1);
            let arguments = ["-q", "--json", "send", "-a", &name, "--message-file", "-", "--timeout", self.timeout];
            let output = self.root.run(&arguments, &text);
            let (said, talk) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
            let receipt = serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}{talk}"));
            let exit = output.status.code().unwrap_or_else(|| panic!("{}: {said}{talk}", output.status));
            Sent { agent, text, receipt, exit }
        }
    }

    pub(crate) fn keep(&mut self, sent: Sent) {
        self.sent.push(sent);
    }

    pub(crate) fn sent(&self) -> &[Sent] {
        &self.sent
    }

    /// Ends the bout: what came of all that was sent.
    pub(crate) fn verdict(mut self) -> Tally {
        let mut logged = log_of(&mut self.agents, |window| window);
        for stranger in &mut self.strangers {
            let log = log_of(stranger, |_| STRANGER);
            logged.submitted.extend(log.submitted);
            logged.unsent.extend(log.unsent);
        }
        self.judge(&logged)
    }

    /// As [`Arena::verdict`] where the display is gone: drafts went with it, what was submitted was said before.
    pub(crate) fn verdict_of_the_dead(mut self) -> Tally {
        self.agents.process().hang_up();
        let submissions = self.agents.submissions(usize::MAX, std::time::Duration::from_secs(5));
        let submitted = submissions.into_iter().map(|taken| (taken.window, taken.text)).collect();
        self.judge(&Logged { submitted, unsent: Vec::new() })
    }

    fn judge(&self, logged: &Logged) -> Tally {
        let tally = judge(&self.sent, logged);
        if !tally.is_safe() {
            complain(&tally, &self.sent, logged);
        }
        tally
    }
}

/// The configuration that names each agent by its point.
fn places(agents: &AgentWindowsProcess) -> String {
    let of = |nth: usize| {
        let (x, y) = agents.windows()[nth].centre();
        format!("[agents.Agent-{}]\npoint = [{x}, {y}]\n", nth + 1)
    };
    (0..agents.windows().len()).map(of).collect()
}

fn log_of(windows: &mut AgentWindowsProcess, index: impl Fn(usize) -> usize) -> Logged {
    let (submissions, drafts) = windows.settle();
    Logged {
        submitted: submissions.into_iter().map(|taken| (index(taken.window), taken.text)).collect(),
        unsent: drafts.into_values().map(|draft| (index(draft.window), draft.text)).collect(),
    }
}

/// Says on the terminal what went wrong: long texts cut, only what is not plainly right.
fn complain(tally: &Tally, sent: &[Sent], logged: &Logged) {
    use std::io::Write as _;
    let cut = |text: &str| text.chars().take(60).collect::<String>();
    let mut out = std::io::stderr().lock();
    let _ = writeln!(out, "{tally:?}");
    for sent in sent {
        let Sent { agent, text, receipt, exit } = sent;
        let reason = receipt.reason.as_ref().map(|reason| &reason.message);
        let bound = receipt.evidence.first().map(|found| &found.seen);
        let _ = writeln!(out, "  {} to {agent}: {} (exit {exit}) {bound:?} {reason:?}", cut(text), receipt.state);
    }
    for (kind, list) in [("submitted", &logged.submitted), ("unsent", &logged.unsent)] {
        for (window, text) in list {
            let _ = writeln!(out, "  {kind} in {window}: {:?}", cut(text));
        }
    }
}
