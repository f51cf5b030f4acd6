//! A display whose senders and keeper can be struck at any of their steps, agents on it, and a person's clipboard.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use deliver::{Outcome, Reason, Receipt, State, agent_windows::Options};
use tests::{
    agent_windows_process::AgentWindowsProcess,
    clipboard::{Answer, ClipboardOwner, Selection, read_format},
    display_between::{Blow, Client, DisplayBetween},
    messages::Messages,
    probe::{READY_WITHIN, until},
    process::{self, Process},
    xvfb::Xvfb,
};
use x11rb::{
    connection::Connection as _,
    protocol::xproto::{ConnectionExt as _, CreateWindowAux, EventMask, GrabMode, GrabStatus, Window, WindowClass},
    rust_connection::RustConnection,
};

use crate::{
    adversaries::verdict::{Logged, Sent, Tally, judge, text_of},
    desktop_delivery::program::Root,
};

/// Agents that messages of struck senders go to; one more is for those of the next holders.
const AGENTS: usize = 7;
/// Longer than that in one piece.
const LARGE: usize = 300 * 1024;

/// Texts differ over all scenes of the program.
static NUMBER: AtomicUsize = AtomicUsize::new(0);

/// Everything that a person's clipboard held before.
pub(crate) struct Person {
    _owner: ClipboardOwner,
    formats: Vec<(&'static str, Vec<u8>)>,
}

/// Where senders are struck.
pub(crate) struct Scene {
    agents: AgentWindowsProcess,
    between: DisplayBetween,
    stranger: RustConnection,
    unseen: Window,
    root: Root,
    sent: Vec<Sent>,
    key_by_key: bool,
    /// The longest that the display did not answer a stranger.
    pub(crate) frozen: Duration,
    // Below what lives on it.
    xvfb: Xvfb,
}

impl Person {
    /// Copies a text, a picture and a list of files at once, and two things that are too large for one piece.
    pub(crate) fn copies(display: &str) -> Self {
        let files = b"copy\nfile:///home/p/a%20b.txt\nfile:///home/p/c.png";
        let noise: Vec<u8> = (0..LARGE).map(|at| (at * 31 % 251) as u8).collect();
        let formats: Vec<(&'static str, Vec<u8>)> = vec![
            ("UTF8_STRING", Messages::new(7).of_length(LARGE).into_bytes()),
            ("text/html", b"<b>bold</b>\0".to_vec()),
            ("image/png", [b"\x89PNG\r\n\x1a\n".as_slice(), &noise].concat()),
            ("text/uri-list", b"file:///home/p/a%20b.txt\r\nfile:///home/p/c.png\r\n".to_vec()),
            ("x-special/gnome-copied-files", files.to_vec()),
        ];
        let lent: Vec<(&str, &[u8])> = formats.iter().map(|(name, bytes)| (*name, bytes.as_slice())).collect();
        let owner = ClipboardOwner::own_formats(display, Selection::Clipboard, &lent, Answer::Pieces(64 * 1024));
        Self { _owner: owner, formats }
    }

    /// Waits until everything is on the clipboard again, byte for byte, and nothing else.
    pub(crate) fn finds_everything(&self, display: &str) {
        let read = |format| read_format(display, Selection::Clipboard, format, READY_WITHIN);
        // Texts of messages are offered beside a mark that the person's never has.
        until(READY_WITHIN, "the person's clipboard is back", || read("text/uri-list").is_some());
        for (name, bytes) in &self.formats {
            let found = read(name).unwrap_or_else(|| panic!("{name} is missing"));
            assert!(found == *bytes, "{name}: {} bytes, not the {} that were there", found.len(), bytes.len());
        }
        assert!(read("x-kde-passwordManagerHint").is_none(), "something of ours is left");
        let count = read("TARGETS").expect("a list").len() / 4;
        assert!(count >= self.formats.len(), "{count} formats are listed");
    }
}

/// What came of a struck sender.
#[derive(Debug)]
pub(crate) enum Struck {
    /// It was struck; the process.
    Yes(Process),
    /// It has fewer steps than that, and ended.
    NoSuchStep,
}

impl Scene {
    pub(crate) fn new() -> Self {
        Self::of("")
    }

    /// With senders that press key by key: one that dies in between leaves keys down.
    pub(crate) fn with_portable_senders() -> Self {
        Self { key_by_key: true, ..Self::of("desktop.driver = \"portable\"\n") }
    }

    fn of(driver: &str) -> Self {
        let xvfb = Xvfb::start();
        let agents = AgentWindowsProcess::start(xvfb.display(), &Options { count: AGENTS + 1, ..Options::default() });
        let between = DisplayBetween::leading_to(xvfb.display());
        let place = |(nth, (x, y)): (usize, (i16, i16))| format!("[agents.Agent-{}]\npoint = [{x}, {y}]\n", nth + 1);
        let config: String = agents.windows().iter().map(|window| window.centre()).enumerate().map(place).collect();
        let root = Root::new(between.display(), &(driver.to_owned() + &config));
        let stranger = xvfb.connect();
        let unseen = unseen_window(&stranger);
        Self {
            agents,
            between,
            stranger,
            unseen,
            root,
            sent: Vec::new(),
            key_by_key: false,
            frozen: Duration::ZERO,
            xvfb,
        }
    }

    pub(crate) fn display(&self) -> &str {
        self.xvfb.display()
    }

    /// Starts a sender and strikes `whom` behind its `nth` step, then holds what must be true at once.
    pub(crate) fn strike(&mut self, whom: Client, nth: usize, blow: Blow) -> (Struck, String, usize) {
        let agent = nth % AGENTS;
        let text = text_of(agent, NUMBER.fetch_add(1, Ordering::Relaxed), "");
        self.between.arm(whom, nth, blow);
        let name = format!("Agent-{}", agent + 1);
        let mut sender =
            Process::start(self.root.command(&["-q", "--json", "send", "-a", &name, "-m", &text, "--timeout", "20s"]));
        until(READY_WITHIN, "the sender is struck or at its end", || self.between.struck().is_some() || !sender.runs());
        self.between.disarm();
        if self.between.struck().is_none() {
            let receipt = receipt_of(&sender);
            let exit = sender.wait(READY_WITHIN).code().unwrap_or(-1);
            self.sent.push(Sent { agent, text: text.clone(), receipt, exit });
            return (Struck::NoSuchStep, text, agent);
        }
        self.look_at_the_devices(nth);
        (Struck::Yes(sender), text, agent)
    }

    /// Nothing is held or grabbed, and the display answers others.
    fn look_at_the_devices(&mut self, nth: usize) {
        let began = Instant::now();
        // Who was struck is dead, or stopped until this has returned: its grab would last for as long as it lets it.
        self.stranger.query_keymap().expect("request").reply().expect("the display answers");
        self.frozen = self.frozen.max(began.elapsed());
        assert!(self.key_by_key || !self.is_anything_down(), "step {nth}: a key or a button is down");
        let (now, mode, no_event) = (x11rb::CURRENT_TIME, GrabMode::ASYNC, EventMask::NO_EVENT);
        // Of a window that is not on the screen: refused for that, unless somebody has the device.
        let keyboard = self.stranger.grab_keyboard(false, self.unseen, now, mode, mode).expect("request");
        assert_eq!(keyboard.reply().expect("an answer").status, GrabStatus::NOT_VIEWABLE, "step {nth}: keyboard");
        let (stranger, unseen) = (&self.stranger, self.unseen);
        let pointer = stranger.grab_pointer(false, unseen, no_event, mode, mode, unseen, x11rb::NONE, now);
        let status = pointer.expect("request").reply().expect("an answer").status;
        assert_eq!(status, GrabStatus::NOT_VIEWABLE, "step {nth}: pointer");
    }

    pub(crate) fn is_anything_down(&self) -> bool {
        let keys = self.stranger.query_keymap().expect("request").reply().expect("the keys");
        let root = self.stranger.setup().roots[0].root;
        let pointer = self.stranger.query_pointer(root).expect("request").reply().expect("the pointer");
        keys.keys.iter().any(|key| *key != 0) || u16::from(pointer.mask) & 0x1f00 != 0
    }

    /// SIGKILL to a sender at this step; what the journal says of it is noted. `false`: it has fewer steps than that.
    pub(crate) fn kill_sender(&mut self, nth: usize) -> bool {
        let before = self.root.history().len();
        let (struck, text, agent) = self.strike(Client::Sender, nth, Blow::Kill);
        let Struck::Yes(mut sender) = struck else { return false };
        sender.wait(READY_WITHIN);
        self.sent.push(died(&self.root, agent, text, before));
        true
    }

    /// What a sender that lived says in the end.
    pub(crate) fn ended(&mut self, mut sender: Process, agent: usize, text: String) -> State {
        let status = sender.wait(READY_WITHIN);
        let receipt = receipt_of(&sender);
        let state = receipt.state;
        let exit = status.code().unwrap_or_else(|| panic!("{status}: {}", sender.said()));
        self.sent.push(Sent { agent, text, receipt, exit });
        state
    }

    /// The next holder's message arrives. Where keys go one by one, a sender killed among them may have typed anywhere: that
    /// is told.
    pub(crate) fn next_holder(&mut self, nth: usize) {
        let text = text_of(AGENTS, NUMBER.fetch_add(1, Ordering::Relaxed), "");
        let name = format!("Agent-{}", AGENTS + 1);
        let sender = Process::start(self.root.command(&["-q", "--json", "send", "-a", &name, "-m", &text]));
        let state = self.ended(sender, AGENTS, text);
        let receipt = self.sent.last().map(|sent| &sent.receipt).expect("the last");
        let told = receipt.submitted && receipt.reason.as_ref().is_some_and(|reason| reason.code == "unsent_text");
        assert!(state == State::Submitted || (self.key_by_key && told), "after step {nth}: {receipt:?}");
    }

    /// SIGKILL to the keeper that is left, if there is one, as the end of its scene.
    pub(crate) fn keeper(&self) -> Option<u32> {
        self.between.keeper().filter(|keeper| process::is_alive(*keeper))
    }

    /// Everything that the agents have, held against what was claimed.
    pub(crate) fn verdict(&mut self) -> Tally {
        let (submissions, drafts) = self.agents.settle();
        let submitted = submissions.into_iter().map(|taken| (taken.window, taken.text)).collect();
        let unsent = drafts.into_iter().map(|(nth, draft)| (nth, draft.text)).collect();
        judge(&self.sent, &Logged { submitted, unsent })
    }
}

/// What the journal says of a sender that was killed: the last delivery on record, if there are more than `before`.
pub(crate) fn died(root: &Root, agent: usize, text: String, before: usize) -> Sent {
    let mut history = root.history();
    let receipt = match history.pop().filter(|_| history.len() >= before) {
        Some(recorded) => recorded.into_receipt(),
        None => rejected("never_began", "nothing is on record".into()),
    };
    // It has no exit status of its own: what one that lived would have said.
    let exit = match receipt.state {
        State::Submitted | State::Confirmed => 0,
        State::Rejected => 4,
        _ => 5,
    };
    Sent { agent, text, receipt, exit }
}

fn rejected(code: &'static str, message: String) -> Receipt {
    Receipt::new("m".parse().expect("an id"), "Agent", Outcome::rejected(Reason { code: code.into(), message }))
}

/// The last line that is a receipt; a sender that could not begin says an error in its place, and typed nothing.
fn receipt_of(sender: &Process) -> Receipt {
    let mut receipt = None;
    // The end of its output ends this, however late it is read.
    while let Some(line) = sender.line(READY_WITHIN) {
        receipt = serde_json::from_str(&line).ok().or(receipt);
    }
    receipt.unwrap_or_else(|| rejected("not_begun", sender.said()))
}

fn unseen_window(connection: &RustConnection) -> Window {
    let window = connection.generate_id().expect("an id");
    let root = connection.setup().roots[0].root;
    let (class, aux) = (WindowClass::INPUT_ONLY, CreateWindowAux::new());
    connection
        .create_window(0, window, root, 0, 0, 1, 1, 0, class, 0, &aux)
        .expect("request")
        .check()
        .expect("a window");
    window
}
