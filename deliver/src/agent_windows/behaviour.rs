//! What kind of windows to open.

use serde::{Deserialize, Serialize};

/// Which windows to open, and how they behave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// The display, such as `:7`; `None` is the one of the environment.
    pub display: Option<String>,
    /// How many windows, in a grid over the screen.
    pub count: usize,
    /// Titles are this with the number of the window, from 1.
    pub title_prefix: String,
    /// How many windows share one connection, as all windows of a Tk or Electron program do.
    pub windows_per_client: usize,
    /// Leave placing, raising and decorating to a window manager, instead of bypassing it.
    pub managed: bool,
    /// What kind of application the windows are.
    pub behaviour: Behaviour,
}

impl Default for Options {
    /// Four windows `Agent-1` .. `Agent-4`, each with a connection of its own, past any window manager.
    fn default() -> Self {
        Self {
            display: None,
            count: 4,
            title_prefix: "Agent-".to_owned(),
            windows_per_client: 1,
            managed: false,
            behaviour: Behaviour::default(),
        }
    }
}

/// What kind of application a window is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Behaviour {
    /// What it does with input while a paste is on its way.
    pub waiting: Waiting,
    /// The key that pastes.
    pub paste_key: PasteKey,
    /// When it asks for the text after the paste key.
    pub fetch: Fetch,
    /// How often it asks for the list of formats before it asks for the text. Chromium: 15.
    pub target_requests: u32,
    /// How often it asks for the text; what the last request brings is inserted. Chromium: 2.
    pub text_requests: u32,
    /// Milliseconds that it is busy with each event: a slow application.
    pub delay_ms: u64,
    /// Takes the focus when it is clicked, and one of them when they open and nobody has it. Without, the focus is left to
    /// the window manager or the pointer.
    pub focus_on_click: bool,
    /// Leaves the transferred text on its window until its next paste, as Tk does.
    pub keeps_property: bool,
    /// Does not notice that the text has come until the next event of another kind, such as a moved pointer: what Chromium
    /// does now and then, done always.
    pub misses_arrival: bool,
}

impl Default for Behaviour {
    /// A quick and patient text box: Ctrl+V, one request, input after a paste waits for the paste.
    fn default() -> Self {
        Self {
            waiting: Waiting::Patient,
            paste_key: PasteKey::CtrlV,
            fetch: Fetch::AtOnce,
            target_requests: 0,
            text_requests: 1,
            delay_ms: 0,
            focus_on_click: true,
            keeps_property: false,
            misses_arrival: false,
        }
    }
}

/// What an application does with input while a paste is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Waiting {
    /// Holds it back until the text is there, as a toolkit that blocks in its clipboard read does.
    Patient,
    /// Takes it at once, as xterm does: a Return that comes too early submits without the text.
    Impatient,
}

/// When an application asks for the text after the paste key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fetch {
    /// At once.
    AtOnce,
    /// This many milliseconds later; until then it handles events as [`Waiting`] says.
    AfterMs(u64),
    /// Never: the paste key does nothing.
    Never,
}

/// The key that pastes, and the selection it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PasteKey {
    /// Ctrl+V, CLIPBOARD: most applications.
    CtrlV,
    /// Ctrl+Shift+V, CLIPBOARD: most terminals.
    CtrlShiftV,
    /// Shift+Insert, PRIMARY: xterm.
    ShiftInsert,
}
