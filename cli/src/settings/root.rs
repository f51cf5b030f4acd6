//! The root: the folder of `talkstick.toml` and of the locks.
//!
//! It is never silently the working directory of the moment: two directories would mean two locks.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::{env_vars, error::CommandError};

/// The configuration's file name at the root.
pub(crate) const CONFIG_FILE: &str = "talkstick.toml";

/// The root, and how it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Root {
    /// Absolute.
    pub(crate) path: PathBuf,
    /// How.
    pub(crate) origin: RootOrigin,
}

impl Root {
    /// The folder that `--root` named.
    pub(crate) fn named(&self) -> Option<&Path> {
        (self.origin == RootOrigin::Named).then_some(&*self.path)
    }
}

/// How the root was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RootOrigin {
    /// `--root` named it.
    Named,
    /// It is the nearest folder upwards that holds a `talkstick.toml`.
    Found,
    /// There is none, so it is in the user's state folder.
    UserState,
}

impl RootOrigin {
    /// In words.
    pub(crate) const fn words(self) -> &'static str {
        match self {
            Self::Named => "named by --root",
            Self::Found => "the nearest folder upwards that holds a talkstick.toml",
            Self::UserState => "the user's state folder, as no folder upwards holds a talkstick.toml",
        }
    }
}

/// Finds the root.
pub(crate) fn find(named: Option<&Path>) -> Result<Root, CommandError> {
    if let Some(named) = named {
        return self::named(named);
    }
    let here = std::env::current_dir()
        .map_err(|e| CommandError::config(format!("the working directory cannot be read: {e}")))
        .map_err(|e| e.hint("name the root with --root DIR"))?;
    for folder in here.ancestors() {
        let file = folder.join(CONFIG_FILE);
        match fs::symlink_metadata(&file) {
            Ok(_) => {
                trust(folder, &file)?;
                return Ok(Root { path: folder.to_owned(), origin: RootOrigin::Found });
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            // What cannot be looked at may be there: going on upwards would find another root, and another lock.
            Err(error) => return Err(unreadable(&file, &error).hint("name the root with --root DIR")),
        }
    }
    let path = user_state().ok_or_else(|| {
        CommandError::config(
            "no root: no folder upwards holds a talkstick.toml, and HOME names none (it is unset or relative)",
        )
        .hint("name the root with --root DIR")
    })?;
    Ok(Root { path, origin: RootOrigin::UserState })
}

fn named(named: &Path) -> Result<Root, CommandError> {
    let wrong = |why: &str| {
        CommandError::config(format!("the root `{}` {why}", named.display()))
            .hint("make the folder first, or name another one with --root DIR")
    };
    match fs::canonicalize(named) {
        Ok(path) if path.is_dir() => Ok(Root { path, origin: RootOrigin::Named }),
        Ok(_) => Err(wrong("is not a folder")),
        Err(error) => Err(wrong(&format!("cannot be used: {error}"))),
    }
}

fn user_state() -> Option<PathBuf> {
    #[cfg(windows)]
    let state = env_vars::path(env_vars::LOCALAPPDATA);
    #[cfg(not(windows))]
    let state = env_vars::path(env_vars::XDG_STATE_HOME)
        .or_else(|| env_vars::path(env_vars::HOME).map(|home| home.join(".local/state")));
    state.map(|state| state.join("talkstick"))
}

/// A file that could not be read.
pub(crate) fn unreadable(file: &Path, error: &io::Error) -> CommandError {
    CommandError::config(format!("cannot read `{}`: {error}", file.display()))
}

/// Refuses a configuration that somebody else could have put there: it says where messages go.
#[cfg(unix)]
fn trust(folder: &Path, file: &Path) -> Result<(), CommandError> {
    use std::os::unix::fs::MetadataExt;
    let me = rustix::process::geteuid().as_raw();
    for path in [folder, file] {
        let meta = fs::metadata(path).map_err(|e| unreadable(path, &e).hint("name the root with --root DIR"))?;
        let why = match (meta.uid() == me, meta.mode() & 0o002 != 0) {
            (false, _) => format!("belongs to user {}, not to you", meta.uid()),
            (true, true) => "is writable by everybody".to_owned(),
            (true, false) => continue,
        };
        let message = format!("the found configuration is refused: `{}` {why}", path.display());
        let hint = format!("if you trust it, name it: --root {}", folder.display());
        return Err(CommandError::config(message).hint(hint));
    }
    Ok(())
}

/// Owners and modes of files are not compared here: the folder's access list is the system's matter.
#[cfg(not(unix))]
fn trust(_folder: &Path, _file: &Path) -> Result<(), CommandError> {
    Ok(())
}
