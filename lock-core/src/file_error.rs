//! What can go wrong with a file or folder of a backend, precisely.

use std::{io, path::PathBuf};

/// An error of a checked folder: which path, which step, what the system said, and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// The system refused a step.
    #[error("cannot {action} {}{}", path.display(), advice(source))]
    Io {
        /// What was tried.
        action: &'static str,
        /// With what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Something that is no plain file or folder of ours.
    #[error("{} is {what}; it is not followed: remove it, and find out who put it there", path.display())]
    Planted {
        /// Where.
        path: PathBuf,
        /// What is there.
        what: &'static str,
    },
    /// Another user's.
    #[error(
        "{} belongs to user {uid}, not to this one; to share locks, make their folder a group's and setgid \
         (chgrp GROUP DIR; chmod 2770 DIR)",
        path.display()
    )]
    Stranger {
        /// Where.
        path: PathBuf,
        /// Whose.
        uid: u32,
    },
    /// Every user could replace what is in the folder.
    #[error(
        "{} can be written by every user, who could take any lock away; use a folder of your own (chmod 700), a \
         group's (chmod 2770), or one where each may only take what is its own (chmod +t)",
        path.display()
    )]
    WorldWritable {
        /// The folder.
        path: PathBuf,
    },
    /// Somebody changes the path all the time.
    #[error("{} was replaced again and again while being locked", path.display())]
    Unsteady {
        /// Where.
        path: PathBuf,
    },
}

impl FileError {
    /// Names the step and the path of a system's error.
    pub fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source }
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
