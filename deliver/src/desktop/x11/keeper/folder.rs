//! Where the keeper of a display is found: a socket and its lock file in a folder that only its user can enter.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
};

use lock_core::{flock, is_private_folder, private_folder};
use rustix::fs::{Mode, OFlags};
use sha2::{Digest as _, Sha256};
use x11rb::reexports::x11rb_protocol::parse_display::parse_display;

/// The files of one display's keeper.
#[derive(Debug, Clone)]
pub(super) struct Meeting {
    folder: PathBuf,
    stem: String,
}

impl Meeting {
    /// Where the keeper of `display` is met. Makes the folder, and refuses one that others could write to.
    pub(super) fn of(display: &str) -> io::Result<Self> {
        let parsed =
            parse_display(Some(display)).map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        let stem = match parsed.host.as_str() {
            "" => format!("keeper-{}", parsed.display),
            // Hosts are too long for a socket's path, which ends at about a hundred bytes.
            host => {
                let hash = Sha256::digest(host.as_bytes());
                let hash: String = hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
                format!("keeper-{hash}-{}", parsed.display)
            }
        };
        Ok(Self { folder: own_folder()?, stem })
    }

    pub(super) fn socket(&self) -> PathBuf {
        self.folder.join(format!("{}.sock", self.stem))
    }

    /// Takes the right to be the keeper; `None` while another process has it. The lock ends with the file's last copy.
    pub(super) fn take(&self) -> io::Result<Option<File>> {
        let file = self.lock_file()?;
        Ok(flock::try_exclusive(&file)?.then_some(file))
    }

    fn lock_file(&self) -> io::Result<File> {
        // Never unlinked: two processes could then hold the locks of two files of one name.
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let path = self.folder.join(format!("{}.lock", self.stem));
        let file = File::from(rustix::fs::open(&path, flags, Mode::RUSR | Mode::WUSR)?);
        if !file.metadata()?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{} is no plain file", path.display())));
        }
        Ok(file)
    }
}

/// Whether a keeper runs for `display`.
///
/// # Errors
/// The system's, and a folder that others can write to.
pub fn is_running(display: &str) -> io::Result<bool> {
    Ok(match Meeting::of(display)?.take()? {
        Some(file) => {
            flock::unlock(&file)?;
            false
        }
        None => true,
    })
}

/// `$XDG_RUNTIME_DIR/talkstick`, or a folder of the user's own in the system's place for temporary files.
fn own_folder() -> io::Result<PathBuf> {
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|folder| folder.is_absolute());
    let folder = match runtime.filter(|folder| is_private_folder(folder).unwrap_or(false)) {
        Some(runtime) => runtime.join("talkstick"),
        None => Path::new("/tmp").join(format!("talkstick-{}", rustix::process::getuid().as_raw())),
    };
    private_folder(&folder)?;
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_display_has_one_name() {
        let stem = |display| Meeting::of(display).unwrap().stem;
        assert_eq!(stem(":7"), stem(":7.1"));
        assert_ne!(stem(":7"), stem(":8"));
        assert_ne!(stem(":7"), stem("remote.example:7"));
        assert!(Meeting::of("no display").is_err());
    }
}
