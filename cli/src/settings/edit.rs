//! Changing talkstick.toml: comments and order stay, and readers see the old file or the new one, never a half.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

use toml_edit::DocumentMut;

use super::{Settings, read_if_there, root::CONFIG_FILE};
use crate::error::{CommandError, on_one_line};

/// A configuration file open for one change. Other writers wait until it is dropped.
#[derive(Debug)]
pub(crate) struct Edit {
    path: PathBuf,
    /// The change itself.
    pub(crate) document: DocumentMut,
    /// Locked from the reading to the writing: two `agents add` at once would lose one of the agents.
    _turn: Option<Turn>,
}

impl Edit {
    /// Opens the file, empty if it is not there yet, with its folder.
    pub(crate) fn open(path: &Path) -> Result<Self, CommandError> {
        let folder = folder_of(path);
        make_folder(folder)?;
        let turn = Turn::take(folder)?;
        // The file behind a symbolic link is changed, not the link.
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let text = read_if_there(&path)?.map(|read| read.text).unwrap_or_default();
        let document = text
            .parse::<DocumentMut>()
            .map_err(|error| CommandError::config(format!("{}: {}", path.display(), on_one_line(error.message()))))?;
        Ok(Self { path, document, _turn: turn })
    }

    /// Writes the change, if the whole can be read back: the next command must not find a configuration that it refuses.
    pub(crate) fn save(self, settings: &Settings) -> Result<(), CommandError> {
        settings.check_change(&self.document.to_string()).map_err(|error| error.hint("nothing was changed"))?;
        let folder = folder_of(&self.path);
        let written = write_beside(&self.path, &self.document.to_string());
        let moved = written.and_then(|new| fs::rename(&new, &self.path).inspect_err(|_| discard(&new)));
        moved.and_then(|()| sync_folder(folder)).map_err(|error| unwritable(&self.path, &error))
    }
}

/// Writes a new file; `false` when one is there already, which stays as it is.
pub(crate) fn create(path: &Path, text: &str) -> Result<bool, CommandError> {
    let folder = folder_of(path);
    let new = write_beside(path, text).map_err(|error| unwritable(path, &error))?;
    // Unlike a rename, a link never replaces what another process has put there meanwhile.
    let linked = fs::hard_link(&new, path);
    discard(&new);
    match linked.and_then(|()| sync_folder(folder)) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(unwritable(path, &error)),
    }
}

/// Writes the text, down to the disk, to a new file of the same folder, for this user alone.
fn write_beside(path: &Path, text: &str) -> io::Result<PathBuf> {
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    let name = path.file_name().unwrap_or(CONFIG_FILE.as_ref()).to_string_lossy();
    let new = folder_of(path).join(format!(".{name}.{:016x}.new", u64::from_be_bytes(random)));
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    let mut file = options.open(&new)?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    written.inspect_err(|_| discard(&new)).map(|()| new)
}

fn discard(new: &Path) {
    if let Err(error) = fs::remove_file(new) {
        tracing::warn!(%error, file = %new.display(), "a temporary file could not be removed");
    }
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn make_folder(folder: &Path) -> Result<(), CommandError> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt;
        builder.mode(0o700);
    }
    builder.create(folder).map_err(|error| unwritable(folder, &error))
}

fn unwritable(path: &Path, error: &io::Error) -> CommandError {
    CommandError::config(format!("cannot write `{}`: {error}", path.display()))
        .hint("check the folder's owner, permissions and free space; nothing was changed")
}

/// The folder itself carries the lock: the file is replaced, and a lock file beside it would be litter.
#[derive(Debug)]
struct Turn(File);

#[cfg(unix)]
impl Turn {
    fn take(folder: &Path) -> Result<Option<Self>, CommandError> {
        let folder_file = File::open(folder).map_err(|error| unwritable(folder, &error))?;
        lock_core::flock::exclusive(&folder_file).map_err(|error| unwritable(folder, &error))?;
        Ok(Some(Self(folder_file)))
    }
}

#[cfg(not(unix))]
impl Turn {
    /// Folders cannot be opened here; the replacement itself is still whole.
    fn take(_folder: &Path) -> Result<Option<Self>, CommandError> {
        Ok(None)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Err(error) = lock_core::flock::unlock(&self.0) {
            tracing::warn!(%error, "the folder's lock was left to the end of the process");
        }
    }
}

/// The rename itself is on disk only when the folder is.
#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_folder: &Path) -> io::Result<()> {
    Ok(())
}
