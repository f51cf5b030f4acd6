//! Why the demo could not be shown.

use std::io;

use crate::error::{CommandError, ErrorKind};

/// Why the demo could not be shown. A message that went wrong is no error: it is what the demo is about.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DemoError {
    #[error("cannot {what}")]
    System { what: &'static str, source: io::Error },
    #[error("cannot start {name}")]
    Start { name: String, source: io::Error },
    #[error("{name} ended unexpectedly{}", quoted(last_words))]
    Ended { name: String, last_words: String },
    #[error("{name} said something unexpected: {line}")]
    Unexpected { name: &'static str, line: String },
    #[error("{name} was not ready in time")]
    NotReady { name: &'static str },
    #[error("Xvfb is not installed, and without it there is no private X server")]
    NoXvfb,
    #[error("stopped by signal {0}")]
    Interrupted(u8),
    #[error(transparent)]
    Simulated(#[from] deliver::simulated::SimulatedError),
    #[cfg(target_os = "linux")]
    #[error("cannot use the private display")]
    Display(#[source] Box<dyn std::error::Error + Send + Sync>),
}

fn quoted(last_words: &str) -> String {
    if last_words.is_empty() { String::new() } else { format!("; it said: {last_words}") }
}

impl From<DemoError> for CommandError {
    fn from(error: DemoError) -> Self {
        if matches!(error, DemoError::NoXvfb) {
            return Self::new(ErrorKind::Backend, error.to_string())
                .hint("install it (Debian: apt-get install xvfb), or leave --surface out for a simulated desktop");
        }
        // Nothing of the user's was touched, and nothing of the contract's other kinds fits a stage that fell down.
        Self::chain(ErrorKind::Backend, &error)
    }
}
