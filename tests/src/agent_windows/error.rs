use std::fmt;

use x11rb::errors::{ConnectError, ConnectionError, ReplyError, ReplyOrIdError};

/// Why agent windows could not be opened or asked.
#[derive(Debug)]
#[non_exhaustive]
pub enum AgentWindowsError {
    /// The display cannot be reached.
    Connect {
        /// The display's name; `None` is the one of the environment.
        display: Option<String>,
        /// What X11 said.
        source: ConnectError,
    },
    /// The display does not answer any more.
    Connection(ConnectionError),
    /// The display refused a request.
    Request(ReplyOrIdError),
    /// The operating system refused something.
    System {
        /// What was tried.
        what: &'static str,
        /// What it said.
        source: std::io::Error,
    },
    /// The screen has no room for that many windows.
    NoRoom {
        /// How many windows were wanted.
        windows: usize,
    },
    /// A window was not shown in time.
    NotShown {
        /// Its title.
        title: String,
    },
    /// The thread that serves the windows has ended.
    Gone,
}

impl fmt::Display for AgentWindowsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect { display: Some(display), .. } => write!(f, "cannot connect to display {display}"),
            Self::Connect { display: None, .. } => f.write_str("cannot connect to the display named by DISPLAY"),
            Self::Connection(_) => f.write_str("the display does not answer any more"),
            Self::Request(_) => f.write_str("the display refused a request"),
            Self::System { what, .. } => write!(f, "cannot {what}"),
            Self::NoRoom { windows } => write!(f, "the screen has no room for {windows} windows: ask for fewer"),
            Self::NotShown { title } => write!(f, "the window manager does not show window {title}"),
            Self::Gone => f.write_str("the agent windows are closed, or their display is gone"),
        }
    }
}

impl std::error::Error for AgentWindowsError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Connect { source, .. } => Some(source),
            Self::Connection(source) => Some(source),
            Self::Request(source) => Some(source),
            Self::System { source, .. } => Some(source),
            Self::NoRoom { .. } | Self::NotShown { .. } | Self::Gone => None,
        }
    }
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
