//! A display with agents on it: own windows, terminals, text boxes of a toolkit, or a browser.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use deliver::{agent_windows::Options, desktop::Place};
use tests::{
    accessibility_bus::AccessibilityBus,
    agent_windows_process::AgentWindowsProcess,
    chromium::Chromium,
    openbox::Openbox,
    process::Process,
    text_windows::{TextBox, TextWindows, Toolkit},
    xterm::{Xterm, XtermPaste},
    xvfb::Xvfb,
};

use super::program::Root;

/// How long the agents may take to show what was sent to them, on a machine that is busy with other tests.
const SHOWN_WITHIN: Duration = Duration::from_secs(60);

/// How long to wait between two looks at what the terminals wrote down.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(5);

/// Agents on a display of their own. The first is `Agent-1`.
pub(crate) struct Stage {
    agents: Agents,
    _manager: Option<Openbox>,
    // Below what lives on them.
    xvfb: Xvfb,
    session: Option<AccessibilityBus>,
}

enum Agents {
    Windows(AgentWindowsProcess),
    Terminals(Vec<Xterm>),
    Texts(TextWindows),
    Browser(Chromium),
}

/// What the agents have: the submitted texts of each in their order, and what stands unsent anywhere.
#[derive(Debug, Default)]
pub(crate) struct Arrived {
    pub(crate) submitted: Vec<Vec<String>>,
    pub(crate) unsent: Vec<String>,
}

impl Stage {
    /// Eight windows of our own.
    pub(crate) fn windows(managed: bool) -> Self {
        Self::windows_of(&Options { count: 8, managed, ..Options::default() })
    }

    /// Windows of our own.
    pub(crate) fn windows_of(options: &Options) -> Self {
        let xvfb = Xvfb::start();
        let manager = options.managed.then(|| Openbox::start(xvfb.display()));
        let agents = Agents::Windows(AgentWindowsProcess::start(xvfb.display(), options));
        Self { agents, _manager: manager, xvfb, session: None }
    }

    /// Four terminals: two paste CLIPBOARD with Ctrl+Shift+V, two PRIMARY with Shift+Insert.
    pub(crate) fn terminals(managed: bool) -> Self {
        let xvfb = Xvfb::start();
        let manager = managed.then(|| Openbox::start(xvfb.display()));
        let start = |nth: usize| {
            let paste = if nth < 2 { XtermPaste::CtrlShiftV } else { XtermPaste::ShiftInsertPrimary };
            // Wide enough apart for 80x24 characters and a frame.
            let place = [(0, 0), (700, 0), (0, 500), (700, 500)][nth];
            Xterm::start_at(xvfb.display(), paste, &format!("Agent-{}", nth + 1), place)
        };
        let agents = Agents::Terminals((0..4).map(start).collect());
        Self { agents, _manager: manager, xvfb, session: None }
    }

    /// A browser with eight input boxes on one page.
    pub(crate) fn browser() -> Self {
        let xvfb = Xvfb::start();
        let agents = Agents::Browser(Chromium::start(xvfb.display()));
        Self { agents, _manager: None, xvfb, session: None }
    }

    /// The same in a session with accessibility; its page runs `script`.
    pub(crate) fn browser_that_tells(script: &str) -> Self {
        let (xvfb, session) = (Xvfb::start(), AccessibilityBus::start());
        let agents = Agents::Browser(Chromium::start_in(&session, xvfb.display(), script));
        Self { agents, _manager: None, xvfb, session: Some(session) }
    }

    /// The same in two windows of one browser: sixteen boxes of one X client.
    pub(crate) fn browser_with_two_windows() -> Self {
        let xvfb = Xvfb::start();
        let agents = Agents::Browser(Chromium::start_with_two_windows(xvfb.display()));
        Self { agents, _manager: None, xvfb, session: None }
    }

    /// Two windows of one process with two text boxes each.
    pub(crate) fn texts(toolkit: Toolkit, managed: bool) -> Self {
        let xvfb = Xvfb::start();
        let manager = managed.then(|| Openbox::start(xvfb.display()));
        let agents = Agents::Texts(TextWindows::start(xvfb.display(), toolkit));
        Self { agents, _manager: manager, xvfb, session: None }
    }

    /// The same in a session with accessibility.
    pub(crate) fn texts_that_tell(toolkit: Toolkit) -> Self {
        let (xvfb, session) = (Xvfb::start(), AccessibilityBus::start());
        let agents = Agents::Texts(TextWindows::start_in(&session, xvfb.display(), toolkit));
        Self { agents, _manager: None, xvfb, session: Some(session) }
    }

    pub(crate) fn display(&self) -> &str {
        self.xvfb.display()
    }

    /// A root whose programs are in the session of the agents.
    pub(crate) fn root(&self, config: &str) -> Root {
        let root = Root::new(self.display(), config);
        match &self.session {
            Some(session) => root.in_session(session),
            None => root,
        }
    }

    /// How many agents there are.
    pub(crate) fn len(&self) -> usize {
        self.centres().len()
    }

    /// A point in each agent's input box, on the root window.
    pub(crate) fn centres(&self) -> Vec<(i16, i16)> {
        match &self.agents {
            Agents::Windows(windows) => windows.windows().iter().map(|window| window.centre()).collect(),
            Agents::Terminals(terminals) => terminals.iter().map(Xterm::centre).collect(),
            Agents::Texts(texts) => texts.boxes().iter().map(TextBox::centre).collect(),
            Agents::Browser(browser) => browser.boxes().iter().map(|area| area.centre()).collect(),
        }
    }

    /// Where each agent is, and the name of its profile: by its point.
    pub(crate) fn places(&self) -> Vec<(Place, String)> {
        let place = |(nth, (x, y)): (usize, (i16, i16))| {
            let place = Place { point: Some((x.into(), y.into())), window: None };
            (place, self.profile(nth).to_owned())
        };
        self.centres().into_iter().enumerate().map(place).collect()
    }

    /// The configuration that sends to them: most by their points, the second by its window's title and an offset.
    pub(crate) fn config(&self) -> String {
        let mut config = "profiles.alt-terminal = { base = \"terminal\", multiline = true }\n\
                          profiles.alt-xterm = { base = \"xterm\", multiline = true }\n"
            .to_owned();
        for (nth, (x, y)) in self.centres().into_iter().enumerate() {
            let place = if nth == 1 { self.second_by_identity() } else { format!("point = [{x}, {y}]") };
            config += &format!("[agents.Agent-{}]\n{place}\nprofile = \"{}\"\n", nth + 1, self.profile(nth));
        }
        config
    }

    fn second_by_identity(&self) -> String {
        // A browser's boxes are no windows: the second is found by its place in the page's window, at the display's corner.
        let (title, (x, y)) = match &self.agents {
            Agents::Browser(browser) => ("Agents", browser.boxes()[1].centre()),
            Agents::Texts(texts) => (texts.boxes()[1].title.as_str(), texts.boxes()[1].offset()),
            Agents::Windows(_) | Agents::Terminals(_) => ("Agent-2", (30, 20)),
        };
        format!("window = {{ title = \"{title}\" }}\npoint = [{x}, {y}]")
    }

    /// The editor in the terminals understands bracketed paste, so newlines do not submit there.
    fn profile(&self, nth: usize) -> &'static str {
        match &self.agents {
            Agents::Windows(_) | Agents::Texts(_) => "chat",
            Agents::Terminals(_) if nth < 2 => "alt-terminal",
            Agents::Terminals(_) => "alt-xterm",
            Agents::Browser(_) => "chromium",
        }
    }

    /// Waits for `count` messages in all, then looks at everything that there is.
    pub(crate) fn arrived(&mut self, count: usize) -> Arrived {
        let mut arrived = Arrived { submitted: vec![Vec::new(); self.len()], unsent: Vec::new() };
        match &mut self.agents {
            Agents::Windows(windows) => {
                windows.submissions(count, SHOWN_WITHIN);
                let (submissions, _) = windows.settle();
                submissions.into_iter().for_each(|taken| arrived.submitted[taken.window].push(taken.text));
            }
            Agents::Terminals(terminals) => {
                let all = |terminals: &[Xterm]| terminals.iter().map(|t| t.record().messages()).collect::<Vec<_>>();
                // What is there at the deadline says more than that it is not enough.
                let deadline = Instant::now() + SHOWN_WITHIN;
                while all(terminals).iter().map(Vec::len).sum::<usize>() < count && Instant::now() < deadline {
                    terminals[0].process().line(LOOK_AGAIN_AFTER);
                }
                arrived.submitted = all(terminals);
            }
            Agents::Texts(texts) => {
                let messages = texts.submissions(count, SHOWN_WITHIN);
                messages.into_iter().for_each(|message| arrived.submitted[message.index].push(message.text));
            }
            Agents::Browser(browser) => {
                let messages = browser.wait_messages(count, SHOWN_WITHIN);
                messages.into_iter().for_each(|message| arrived.submitted[message.index].push(message.text));
            }
        }
        arrived.unsent = self.drafts().into_iter().map(|(_, text)| text).collect();
        arrived
    }

    /// What stands unsent now, with the index of its agent.
    pub(crate) fn drafts(&mut self) -> Vec<(usize, String)> {
        let mut drafts: Vec<(usize, String)> = match &mut self.agents {
            Agents::Windows(windows) => windows.settle().1.into_iter().map(|(nth, draft)| (nth, draft.text)).collect(),
            Agents::Terminals(terminals) => terminals.iter().map(|t| t.record().draft()).enumerate().collect(),
            Agents::Texts(texts) => texts.drafts().into_iter().enumerate().collect(),
            Agents::Browser(browser) => (0..browser.boxes().len()).map(|nth| (nth, browser.draft(nth))).collect(),
        };
        drafts.retain(|(_, draft)| !draft.is_empty());
        drafts
    }

    /// When Return was pressed for each text, by the X server's clock: own windows only, elsewhere nothing tells it.
    pub(crate) fn pressed_ms(&mut self) -> Option<BTreeMap<(usize, String), u32>> {
        let Agents::Windows(windows) = &mut self.agents else { return None };
        let (submissions, _) = windows.settle();
        Some(submissions.into_iter().map(|taken| ((taken.window, taken.text), taken.pressed_ms)).collect())
    }

    /// The process of the agents' own windows.
    pub(crate) fn windows_process(&mut self) -> &mut Process {
        match &mut self.agents {
            Agents::Windows(windows) => windows.process(),
            Agents::Terminals(_) | Agents::Texts(_) | Agents::Browser(_) => panic!("there are no own windows here"),
        }
    }

    /// The browser itself.
    pub(crate) fn chromium(&mut self) -> &mut Chromium {
        match &mut self.agents {
            Agents::Browser(browser) => browser,
            Agents::Windows(_) | Agents::Terminals(_) | Agents::Texts(_) => panic!("there is no browser on this stage"),
        }
    }
}
