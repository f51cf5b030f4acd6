//! What can go wrong with the files, precisely; callers see it as the source of a [`lock_core::Error`].

use std::{io, path::PathBuf, sync::Arc};

use lock_core::{Error, Operation};

/// An error of the file backend: which path, which step, what the system said.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    #[error("cannot {action} {}{}", path.display(), advice(source))]
    Io { action: &'static str, path: PathBuf, source: io::Error },
    #[error("{} is {what}; it is not followed: remove it, and find out who put it there", path.display())]
    Planted { path: PathBuf, what: &'static str },
    #[cfg(unix)]
    #[error(
        "{} belongs to user {uid}, not to this one; to share locks, make their folder a group's and setgid \
         (chgrp GROUP DIR; chmod 2770 DIR)",
        path.display()
    )]
    Stranger { path: PathBuf, uid: u32 },
    #[cfg(unix)]
    #[error(
        "{} can be written by every user, who could take any lock away; use a folder of your own (chmod 700), or a \
         group's (chmod 2770)",
        path.display()
    )]
    WorldWritable { path: PathBuf },
    #[cfg(target_os = "linux")]
    #[error(
        "{} is on {kind}, where flock does not exclude the other hosts; use a local folder or the redis backend, or set \
         `file.allow_network_fs` if only one host ever locks here",
        path.display()
    )]
    NetworkFileSystem { path: PathBuf, kind: &'static str },
    #[error("{} was replaced again and again while being locked", path.display())]
    Unsteady { path: PathBuf },
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
        let path = path.into();
        move |source| Self::Io { action, path, source }
    }

    /// As callers see it.
    pub(crate) fn of(self, operation: Operation, key: String, store: String) -> Error {
        Error::Store { key, operation, store, source: Arc::new(self) }
    }
}

/// What to do about the errors that users meet.
fn advice(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "; no lock was taken: free some space",
        io::ErrorKind::ReadOnlyFilesystem => "; no lock was taken: use a folder that can be written",
        io::ErrorKind::PermissionDenied => "; no lock was taken: use a folder of this user or of a shared group",
        _ => "",
    }
}
