//! What can go wrong with the files, precisely; callers see it as the source of a [`lock_core::Error`].

use std::{io, path::PathBuf, sync::Arc};

use lock_core::{Error, FileError, Operation};

/// An error of the file backend.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    #[error(transparent)]
    File(#[from] FileError),
    #[error(
        "{} is on {kind}, where flock does not exclude the other hosts; use a local folder or the redis backend, or set \
         `file.allow_network_fs` if only one host ever locks here",
        path.display()
    )]
    NetworkFileSystem { path: PathBuf, kind: &'static str },
    #[error("the request was withdrawn while it was being answered")]
    Withdrawn,
    #[error("this request has no place in line")]
    NoTicket,
    #[error("the line for the lock is full")]
    Full { waiting: usize, max: usize },
    #[error("the thread that waits for the lock failed: {0}")]
    Sleeper(Arc<Self>),
    #[error("a background task was ended")]
    Background,
}

impl Trouble {
    pub(crate) fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let named = FileError::io(action, path);
        move |source| Self::File(named(source))
    }

    /// Somebody replaces the file all the time.
    pub(crate) fn unsteady(path: impl Into<PathBuf>) -> Self {
        Self::File(FileError::Unsteady { path: path.into() })
    }

    /// As callers see it.
    pub(crate) fn of(self, operation: Operation, key: String, store: String) -> Error {
        Error::Store { key, operation, store, source: Arc::new(self) }
    }
}
