//! The demo's files: in a folder of their own that goes with the demo. What a killed demo left goes with the next one.

use std::{
    fs::{self, File},
    io,
    path::Path,
};

use lock_core::{FileError, dir::Dir, flock};

use super::error::DemoError;

const PREFIX: &str = "talkstick-demo-";
/// A file in each folder that is locked for as long as its demo lives: who can lock it has the proof that it is dead.
const ALIVE: &str = "alive";
/// Its name until it is locked. A demo that is killed in this moment leaves a folder of which nothing can be proven, and
/// which stays.
const NEW: &str = "alive.new";

/// A folder for one demo. It is removed when this is dropped.
#[derive(Debug)]
pub(crate) struct DemoFolder {
    // Dropped before the file: until the folder is gone, nobody else is to remove it.
    folder: tempfile::TempDir,
    _alive: File,
}

impl DemoFolder {
    /// Makes one in the system's place for temporary files, and removes there what killed demos have left.
    pub(crate) fn make() -> Result<Self, DemoError> {
        sweep(&std::env::temp_dir());
        let failed = |source| DemoError::System { what: "make a temporary folder", source };
        let folder = private(tempfile::Builder::new().prefix(PREFIX)).tempdir().map_err(failed)?;
        let alive = lock_in(folder.path()).map_err(failed)?;
        Ok(Self { folder, _alive: alive })
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }
}

fn lock_in(folder: &Path) -> io::Result<File> {
    let dir = Dir::open(folder).map_err(io::Error::other)?.ok_or(io::ErrorKind::NotFound)?;
    let file = dir.new_file(NEW).map_err(io::Error::other)?.ok_or(io::ErrorKind::AlreadyExists)?;
    if !flock::try_exclusive(&file)? {
        return Err(io::ErrorKind::WouldBlock.into());
    }
    dir.rename(NEW, ALIVE).map_err(io::Error::other)?;
    Ok(file)
}

/// What cannot be removed now stays for the next demo.
fn sweep(place: &Path) {
    let Ok(entries) = fs::read_dir(place) else { return };
    let folders = entries.flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with(PREFIX));
    for folder in folders.map(|entry| entry.path()) {
        if let Err(error) = remove_if_dead(&folder) {
            tracing::debug!(%error, folder = %folder.display(), "what another demo left stays");
        }
    }
}

fn remove_if_dead(folder: &Path) -> Result<(), FileError> {
    let failed = |what| FileError::io(what, folder);
    if !is_own(folder).map_err(failed("look at"))? {
        return Ok(());
    }
    let Some(alive) = Dir::open(folder)?.map(|dir| dir.existing_file(ALIVE)).transpose()?.flatten() else {
        return Ok(());
    };
    match flock::try_exclusive(&alive).map_err(failed("lock the file in"))? {
        true => fs::remove_dir_all(folder).map_err(failed("remove")),
        false => Ok(()),
    }
}

#[cfg(unix)]
fn private<'a, 'p, 's>(folder: &'a mut tempfile::Builder<'p, 's>) -> &'a mut tempfile::Builder<'p, 's> {
    folder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700))
}

/// The place for temporary files is the user's own.
#[cfg(not(unix))]
fn private<'a, 'p, 's>(folder: &'a mut tempfile::Builder<'p, 's>) -> &'a mut tempfile::Builder<'p, 's> {
    folder
}

#[cfg(unix)]
fn is_own(folder: &Path) -> io::Result<bool> {
    lock_core::is_private_folder(folder)
}

#[cfg(not(unix))]
fn is_own(folder: &Path) -> io::Result<bool> {
    Ok(fs::symlink_metadata(folder)?.is_dir())
}
