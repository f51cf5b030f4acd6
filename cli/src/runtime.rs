//! The tokio runtime of the commands that wait, and the end of what they leave to lock-core's.

use std::time::Duration;

use lock_core::{Moment, background};

use crate::error::{CommandError, ErrorKind};

/// How long a store that does not answer holds up the end of a command: a person may have pressed Ctrl-C, and what stays
/// there ends by itself.
const DRAINED_WITHIN: Duration = Duration::from_secs(2);

/// A runtime for one command.
pub(crate) fn start() -> Result<tokio::runtime::Runtime, CommandError> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| CommandError::chain(ErrorKind::Backend, &error))
}

/// Waits until the store has what was let go: an interrupted, timed out or failed command leaves its ticket and its lease by
/// drops, and the process ends right behind this.
pub(crate) fn drain() {
    // Most commands leave nothing there, and many have not so much as started it.
    if background::is_drained() {
        return;
    }
    let Ok(background) = background::handle() else { return };
    if !background.block_on(background::drained(Moment::now() + DRAINED_WITHIN)) {
        tracing::warn!("the lock store does not answer: what stays there of this command ends by itself");
    }
}
