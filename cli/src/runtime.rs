//! The tokio runtime of the commands that wait.

use crate::error::{CommandError, ErrorKind};

/// A runtime for one command.
pub(crate) fn start() -> Result<tokio::runtime::Runtime, CommandError> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| CommandError::chain(ErrorKind::Backend, &error))
}
