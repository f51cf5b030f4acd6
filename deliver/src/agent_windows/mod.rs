//! Windows that behave like a chat agent's input box, for demonstrations and tests: click to focus, paste, Return to
//! submit. Pure X11, no toolkit.
//!
//! Each window keeps a draft. Whatever is typed goes into it, so that a stray key is seen: a character as itself, another
//! key by its name (`<F1>` is `<0xffbe>`, Ctrl+A is `<C-a>`). The paste key fetches the selection; Return without modifiers
//! submits the draft, an empty one too; Shift+Return is a new line.
//!
//! [`Behaviour`] picks the kind of application: patient or not with its own paste, slow, deaf, forgetful.
//!
//! Agents are other processes to a sender: [`serve`] is the whole of such a process, and [`Line`] is what it says.

mod behaviour;
mod client;
mod error;
mod inbox;
mod keyboard;
mod layout;
mod paste;
mod process;
mod window;

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

pub use self::behaviour::{Behaviour, Fetch, Options, PasteKey, Waiting};
pub use self::error::AgentWindowsError;
pub use self::inbox::{Draft, Submission};
pub use self::layout::AgentWindow;
pub use self::process::{Line, serve};

use self::client::{Client, Wish, Wishes};
use self::inbox::Inbox;

/// Open agent windows, each client connection of them served by a thread. Dropping it closes them all.
#[derive(Debug)]
pub struct AgentWindows {
    windows: Vec<AgentWindow>,
    inbox: Arc<Inbox>,
    clients: Vec<RunningClient>,
}

#[derive(Debug)]
struct RunningClient {
    /// `None` once the thread was told to end.
    wishes: Option<Wishes>,
    thread: Option<JoinHandle<Result<(), AgentWindowsError>>>,
}

impl AgentWindows {
    /// Opens the windows and returns when all are on the screen and ready for input.
    ///
    /// # Errors
    /// No display, no room for that many windows, or windows that a window manager does not show in time.
    pub fn open(options: &Options) -> Result<Self, AgentWindowsError> {
        let per_client = options.windows_per_client.max(1);
        let inbox = Arc::new(Inbox::default());
        let mut all = Self { windows: Vec::new(), inbox: Arc::clone(&inbox), clients: Vec::new() };
        let mut first = 0;
        while first < options.count {
            let indices = first..options.count.min(first + per_client);
            first = indices.end;
            let (client, wishes) = Client::open(options, indices, Arc::clone(&inbox))?;
            all.windows.extend(client.shown(options)?);
            let thread = std::thread::Builder::new()
                .name("agent-windows".to_owned())
                .spawn(move || client.run())
                .map_err(|source| AgentWindowsError::System { what: "start a thread", source })?;
            all.clients.push(RunningClient { wishes: Some(wishes), thread: Some(thread) });
        }
        Ok(all)
    }

    /// The windows in the order of their indices, where they were when they opened.
    pub fn windows(&self) -> &[AgentWindow] {
        &self.windows
    }

    /// All messages submitted so far, in the order in which the windows took them.
    pub fn submissions(&self) -> Vec<Submission> {
        self.inbox.after(0)
    }

    /// Waits until more than `seen` messages were submitted, at most `within`; returns those after the first `seen`.
    pub fn submissions_after(&self, seen: usize, within: Duration) -> Vec<Submission> {
        self.inbox.wait_after(seen, within)
    }

    /// What stands unsent in each window, after everything that the X server had for it when this was called.
    ///
    /// # Errors
    /// The display is gone.
    pub fn drafts(&self) -> Result<Vec<Draft>, AgentWindowsError> {
        let mut drafts = Vec::new();
        for client in &self.clients {
            let (answer, drafts_of_client) = std::sync::mpsc::channel();
            client.ask(Wish::Drafts(answer))?;
            drafts.extend(drafts_of_client.recv().map_err(|_| AgentWindowsError::Gone)?);
        }
        Ok(drafts)
    }

    /// Closes one window; returns once it is gone. A window that is closed already is no error.
    ///
    /// # Errors
    /// The display is gone.
    pub fn close(&self, index: usize) -> Result<(), AgentWindowsError> {
        for client in &self.clients {
            let (answer, done) = std::sync::mpsc::channel();
            client.ask(Wish::Close(index, answer))?;
            done.recv().map_err(|_| AgentWindowsError::Gone)?;
        }
        Ok(())
    }
}

impl RunningClient {
    fn ask(&self, wish: Wish) -> Result<(), AgentWindowsError> {
        self.wishes.as_ref().ok_or(AgentWindowsError::Gone)?.send(wish)
    }
}

impl Drop for RunningClient {
    fn drop(&mut self) {
        // The thread ends when nobody can wish for anything any more; a lost display ended it before.
        self.wishes = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
