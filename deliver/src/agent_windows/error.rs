//! What can go wrong.

use x11rb::errors::{ConnectError, ConnectionError, ReplyError, ReplyOrIdError};

/// Why agent windows could not be opened or asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AgentWindowsError {
    /// The display cannot be reached.
    #[error("cannot connect to {}", shown(display.as_deref()))]
    Connect {
        /// The display's name; `None` is the one of the environment.
        display: Option<String>,
        /// What X11 said.
        source: ConnectError,
    },
    /// The display does not answer any more.
    #[error("the display does not answer any more")]
    Connection(#[source] ConnectionError),
    /// The display refused a request.
    #[error("the display refused a request")]
    Request(#[source] ReplyOrIdError),
    /// The operating system refused something.
    #[error("cannot {what}")]
    System {
        /// What was tried.
        what: &'static str,
        /// What it said.
        source: std::io::Error,
    },
    /// The screen has no room for that many windows.
    #[error("the screen has no room for {windows} windows: ask for fewer")]
    NoRoom {
        /// How many windows were wanted.
        windows: usize,
    },
    /// A window was not shown in time.
    #[error("the window manager does not show window {title}")]
    NotShown {
        /// Its title.
        title: String,
    },
    /// The thread that serves the windows has ended.
    #[error("the agent windows are closed, or their display is gone")]
    Gone,
    /// The owner asked for something that nobody knows.
    #[error("agent windows know no `{0}`; they know `drafts` and `close INDEX`")]
    UnknownWish(String),
}

fn shown(display: Option<&str>) -> String {
    display.map_or_else(|| "the display named by DISPLAY".to_owned(), |display| format!("display {display}"))
}

impl From<ConnectionError> for AgentWindowsError {
    fn from(error: ConnectionError) -> Self {
        Self::Connection(error)
    }
}

impl From<ReplyError> for AgentWindowsError {
    fn from(error: ReplyError) -> Self {
        Self::Request(error.into())
    }
}

impl From<ReplyOrIdError> for AgentWindowsError {
    fn from(error: ReplyOrIdError) -> Self {
        Self::Request(error)
    }
}
