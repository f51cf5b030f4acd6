//! The one wrapper around fs2: whole-file locks that the kernel ends with their process (flock, `LockFileEx`).
//!
//! fs2's own methods are called by path, because newer toolchains have inherent methods of the same names.

use std::{fs::File, io};

use fs2::FileExt;

/// Takes the exclusive lock if it is free now.
///
/// # Errors
/// The system's, other than "somebody else has it".
pub fn try_exclusive(file: &File) -> io::Result<bool> {
    taken(FileExt::try_lock_exclusive(file))
}

/// Takes a shared lock if nobody has the exclusive one now.
///
/// # Errors
/// As [`try_exclusive`].
pub fn try_shared(file: &File) -> io::Result<bool> {
    taken(FileExt::try_lock_shared(file))
}

/// Sleeps in the kernel until the exclusive lock is ours. Not for async code: use a thread of your own.
///
/// # Errors
/// The system's; an interrupting signal is not one.
pub fn exclusive(file: &File) -> io::Result<()> {
    uninterrupted(|| FileExt::lock_exclusive(file))
}

/// Sleeps in the kernel until nobody has the exclusive lock. Not for async code: use a thread of your own.
///
/// # Errors
/// As [`exclusive`].
pub fn shared(file: &File) -> io::Result<()> {
    uninterrupted(|| FileExt::lock_shared(file))
}

/// Lets go. Called before every close: a copy of the file in a forked child would keep the lock otherwise.
///
/// # Errors
/// The system's.
pub fn unlock(file: &File) -> io::Result<()> {
    FileExt::unlock(file)
}

fn taken(attempt: io::Result<()>) -> io::Result<bool> {
    match attempt {
        Ok(()) => Ok(true),
        Err(e) if e.raw_os_error() == fs2::lock_contended_error().raw_os_error() => Ok(false),
        Err(e) if e.kind() == io::ErrorKind::WouldBlock => Ok(false),
        Err(e) => Err(e),
    }
}

fn uninterrupted(mut sleep: impl FnMut() -> io::Result<()>) -> io::Result<()> {
    loop {
        match sleep() {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn excludes_between_two_openings_of_a_file() {
        let path = tempfile::NamedTempFile::new().unwrap().into_temp_path();
        let (a, b) = (File::open(&path).unwrap(), File::open(&path).unwrap());
        assert!(try_exclusive(&a).unwrap());
        assert!(!try_exclusive(&b).unwrap() && !try_shared(&b).unwrap());
        unlock(&a).unwrap();
        assert!(try_shared(&b).unwrap() && try_shared(&a).unwrap());
    }
}
