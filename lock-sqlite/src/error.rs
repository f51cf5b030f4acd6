//! What can go wrong with the database, precisely; callers see it as the source of a [`lock_core::Error`].

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use lock_core::{Error, FileError, Operation};
use rusqlite::ErrorCode;

use crate::busy;

/// An error of the SQLite backend.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("cannot {action} {}{}", path.display(), advice(source))]
    Sql { action: &'static str, path: PathBuf, source: rusqlite::Error },
    #[error(
        "another program has kept {} locked for {waited:.1?}; no lock was taken: find it (`fuser {0}`), and end its \
         transaction",
        path.display()
    )]
    Busy { path: PathBuf, waited: Duration },
    #[error(
        "so many processes change {} that it was not this one's turn for {waited:.1?}; no lock was taken: ask again, or use \
         the file backend, where they need not wait for each other",
        path.display()
    )]
    Crowded { path: PathBuf, waited: Duration },
    #[error(
        "{} is on {kind}, where neither flock nor a write-ahead log works between hosts; use a local path or the redis \
         backend",
        path.display()
    )]
    NetworkFileSystem { path: PathBuf, kind: &'static str },
    #[error("{} has schema version {found}, and this talkstick knows those up to {known}: update it", path.display())]
    Newer { path: PathBuf, found: usize, known: usize },
    #[error("{} is {what}, and is left as it is: choose another path for the locks, or move it away", path.display())]
    NotOurs { path: PathBuf, what: &'static str },
    #[error("{} keeps no write-ahead log (journal mode {mode}): use another file system", path.display())]
    NoLog { path: PathBuf, mode: String },
    #[error(
        "{} was deleted or damaged while {held} leases were held; no lock was taken: it is made anew as soon as their \
         holders let go or end",
        path.display()
    )]
    StillHeld { path: PathBuf, held: usize },
    #[error(
        "{} was deleted or replaced, and another client in this process is still at work on the old one; no lock was taken: \
         ask again",
        path.display()
    )]
    OldClient { path: PathBuf },
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

    pub(crate) fn sql(action: &'static str, path: &Path) -> impl FnOnce(rusqlite::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::Sql { action, path, source }
    }

    pub(crate) fn unsteady(path: impl Into<PathBuf>) -> Self {
        Self::File(FileError::Unsteady { path: path.into() })
    }

    /// Whether another connection has what was needed, for now.
    pub(crate) fn is_busy(&self) -> bool {
        matches!(self, Self::Sql { source, .. } if busy::is_busy(source))
    }

    /// Whether the database cannot be read any more, by anybody.
    pub(crate) fn is_damage(&self) -> bool {
        let Self::Sql { source, .. } = self else { return false };
        matches!(source.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
    }

    /// As callers see it.
    pub(crate) fn of(self, operation: Operation, key: String, store: String) -> Error {
        Error::Store { key, operation, store, source: Arc::new(self) }
    }
}

/// What to do about the errors that users meet.
fn advice(source: &rusqlite::Error) -> &'static str {
    match source.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => "; no lock was taken: free some space",
        Some(ErrorCode::SystemIoFailure) => {
            "; no lock was taken: ask again if its files were deleted right now; else is the disk full, a limit reached, or the \
             disk failing?"
        }
        Some(ErrorCode::ReadOnly) => "; no lock was taken: use a path that can be written",
        Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
            "; no lock was taken: use a folder of this user or of a shared group"
        }
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => "; it is made anew at the next use",
        _ => "",
    }
}
