//! Configuration files: which there are, and reading one.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read},
    path::{Path, PathBuf},
};

use super::root::{CONFIG_FILE, Root, unreadable};
use crate::{env_vars, error::CommandError};

/// Longest configuration in bytes: thousands of agents, and no accident with a wrong file.
const CONFIG_BYTES_MAX: u64 = 1024 * 1024;

/// One configuration file that was read.
#[derive(Debug, Clone)]
pub(crate) struct ConfigText {
    pub(crate) path: PathBuf,
    pub(crate) text: String,
}

/// Reads the files that there are, weakest first: system, user, and the root's or the named one.
pub(crate) fn read_all(root: &Root, named: Option<&Path>) -> Result<Vec<ConfigText>, CommandError> {
    let mut texts = Vec::new();
    for path in [system_file(), user_file()].into_iter().flatten() {
        texts.extend(read_if_there(&path)?);
    }
    match named {
        Some(path) => {
            let absent = || CommandError::config(format!("there is no configuration `{}`", path.display()));
            let text = read_if_there(path)?
                .ok_or_else(|| absent().hint("write one with `talkstick config init`, or correct --config"))?;
            texts.push(text);
        }
        None => texts.extend(read_if_there(&root.path.join(CONFIG_FILE))?),
    }
    Ok(texts)
}

/// Reads one file; `None` when it is not there.
pub(crate) fn read_if_there(path: &Path) -> Result<Option<ConfigText>, CommandError> {
    let file = match open(path) {
        Ok(file) => file,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(error) => return Err(unreadable(path, &error).hint("make it readable for you, or name another --config")),
    };
    let meta = file.metadata().map_err(|e| unreadable(path, &e))?;
    if !meta.is_file() {
        let error = CommandError::config(format!("cannot read `{}`: it is not a regular file", path.display()));
        return Err(error.hint("name a file"));
    }
    let mut bytes = Vec::new();
    file.take(CONFIG_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(|e| unreadable(path, &e))?;
    if bytes.len() as u64 > CONFIG_BYTES_MAX {
        let message = format!("`{}` has more than {CONFIG_BYTES_MAX} bytes; is it a configuration?", path.display());
        return Err(CommandError::config(message));
    }
    let text = String::from_utf8(bytes).map_err(|e| {
        CommandError::config(format!("`{}` is not UTF-8: {}", path.display(), e.utf8_error()))
            .hint("convert it first, for example with iconv")
    })?;
    Ok(Some(ConfigText { path: path.to_owned(), text }))
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        // A fifo of that name must not hang us.
        options.custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed());
    }
    options.open(path)
}

fn system_file() -> Option<PathBuf> {
    #[cfg(windows)]
    return env_vars::path(env_vars::PROGRAMDATA).map(|data| data.join("talkstick").join(CONFIG_FILE));
    #[cfg(not(windows))]
    Some(PathBuf::from("/etc/talkstick").join(CONFIG_FILE))
}

fn user_file() -> Option<PathBuf> {
    #[cfg(windows)]
    let configs = env_vars::path(env_vars::APPDATA);
    #[cfg(not(windows))]
    let configs = env_vars::path(env_vars::XDG_CONFIG_HOME)
        .or_else(|| env_vars::path(env_vars::HOME).map(|home| home.join(".config")));
    configs.map(|configs| configs.join("talkstick").join(CONFIG_FILE))
}
