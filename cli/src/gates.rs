//! The locks of a desktop: the configured one, and whatever is configured, the gates of this host.
//!
//! | gate | where | whom it holds off |
//! |---|---|---|
//! | the configured lock | the configured store | all who are configured alike, in one order |
//! | `messaging_pyautogui` | the root's files | old senders, and senders of this root with another store |
//! | `display/NAME` | this user's files, outside any root | senders of other roots |
//!
//! They are taken in this order, and none of them twice. Senders of other users and hosts are held off by the display itself.

use std::path::{Path, PathBuf};

use deliver::{DesktopLocks, HostGates, SurfaceKind};
use lock_core::{Gate, LockKey, Owner, StoreConfig};

use crate::{backends, error::CommandError, settings::Settings, waiting::Announcer};

/// The gate that old senders lock.
const SEED_KEY: &str = "messaging_pyautogui";
/// What stands for a simulated desktop in a key: only those who are told of it reach it.
const SIMULATED: &str = "simulated";

/// A desktop, by what guards it.
pub(crate) struct GuardedDesktop {
    store: StoreConfig,
    /// The key of the configured lock, where one was chosen.
    key: Option<LockKey>,
    /// The display that others can reach too; `None` for a simulated one.
    display: Option<String>,
}

/// One gate of this host: a key in a folder of files.
struct HostGate {
    folder: PathBuf,
    key: LockKey,
}

impl GuardedDesktop {
    /// The desktop of these settings that agents of this kind are on.
    pub(crate) fn of(settings: &Settings, kind: SurfaceKind) -> Self {
        let display = (kind != SurfaceKind::Simulated).then(own_display);
        Self { store: backends::store_config(settings), key: settings.send.desktop_key.clone(), display }
    }

    /// A desktop of the demo's, with the key that it chose.
    pub(crate) fn of_demo(store: StoreConfig, key: LockKey, display: Option<&str>) -> Self {
        Self { store, key: Some(key), display: display.map(name_of) }
    }

    /// The key of the configured lock: hosts and displays do not wait for each other, unless they were given a common one.
    pub(crate) fn key(&self) -> LockKey {
        match &self.key {
            Some(chosen) => chosen.clone(),
            None if self.store.scheme() == "file" => seed_key(),
            None => {
                let Owner { host, .. } = Owner::current("");
                LockKey::for_text(&format!("desktop/{host}/{}", self.display.as_deref().unwrap_or(SIMULATED)))
            }
        }
    }

    /// The key of the journal: one for all senders of a root to a desktop, whatever their store is.
    pub(crate) fn journal_key(&self) -> LockKey {
        self.key.clone().unwrap_or_else(seed_key)
    }

    /// All locks, the configured one in `configured`; the announcer tells for whom each waits.
    pub(crate) fn locks(&self, configured: Gate, announcer: Option<&Announcer>) -> Result<DesktopLocks, CommandError> {
        let heard = |gate: Gate| match announcer {
            Some(announcer) => {
                let observer = announcer.observer(&gate.lock);
                gate.heard_by(observer)
            }
            None => gate,
        };
        let host = self.host_gates(&configured)?.into_iter().map(heard).collect();
        Ok(DesktopLocks::new(heard(configured), HostGates::new(host)?))
    }

    /// The gates of this host. One in the configured lock's own files is that lock's: another would not know what it holds.
    fn host_gates(&self, configured: &Gate) -> Result<Vec<Gate>, CommandError> {
        let mut gates = Vec::new();
        for HostGate { folder, key } in self.host_places()? {
            let lock = match key.as_str() == SEED_KEY {
                true if backends::is_in_files_of_root(&self.store) => configured.lock.clone(),
                true => backends::open_files(&self.store, folder)?,
                false => {
                    make_private(&folder)?;
                    backends::open_files(&self.store, folder)?
                }
            };
            gates.push(Gate::new(lock, key));
        }
        Ok(gates)
    }

    /// The gates of this host that were ever taken: who only looks makes no files.
    pub(crate) fn existing_host_gates(&self) -> Result<Vec<Gate>, CommandError> {
        let there = self.host_places()?.into_iter().filter(|gate| gate.folder.is_dir());
        there.map(|HostGate { folder, key }| Ok(Gate::new(backends::open_files(&self.store, folder)?, key))).collect()
    }

    /// In the order in which they are taken.
    fn host_places(&self) -> Result<Vec<HostGate>, CommandError> {
        let mut places = vec![HostGate { folder: backends::files_of_root(&self.store.root), key: seed_key() }];
        if let Some(display) = &self.display {
            places.push(HostGate { folder: display_folder()?, key: LockKey::for_text(&format!("display/{display}")) });
        }
        Ok(places)
    }

    /// The key, unless it is that of a display and there is none.
    pub(crate) fn key_if_any(&self) -> Option<LockKey> {
        let named = self.key.is_some() || self.store.scheme() == "file";
        (named || self.display.as_deref() != Some(NO_DISPLAY)).then(|| self.key())
    }
}

fn seed_key() -> LockKey {
    LockKey::for_text(SEED_KEY)
}

/// What stands for the display where none is named; nothing can be delivered there.
const NO_DISPLAY: &str = "none";

/// The display of this process.
#[cfg(all(unix, not(target_os = "macos")))]
fn own_display() -> String {
    crate::env_vars::text(crate::env_vars::DISPLAY).map_or_else(|| NO_DISPLAY.to_owned(), |display| name_of(&display))
}

#[cfg(target_os = "macos")]
fn own_display() -> String {
    "console".to_owned()
}

#[cfg(windows)]
fn own_display() -> String {
    crate::env_vars::text(crate::env_vars::SESSIONNAME).unwrap_or_else(|| "console".to_owned())
}

fn name_of(display: &str) -> String {
    #[cfg(unix)]
    if let Some(name) = deliver::desktop::x11::display_name(display) {
        return name;
    }
    display.to_owned()
}

/// Where the gates of displays are: one place for each user, whatever the environment says, so that a sender from a
/// scheduler meets those of the session.
#[cfg(unix)]
fn display_folder() -> Result<PathBuf, CommandError> {
    let user = rustix::process::getuid().as_raw();
    let of_session = PathBuf::from(format!("/run/user/{user}"));
    let own = match lock_core::is_private_folder(&of_session) {
        Ok(true) => of_session.join("talkstick"),
        // There is none, or it is not this user's alone.
        _ => PathBuf::from(format!("/tmp/talkstick-{user}")),
    };
    Ok(own.join("displays"))
}

#[cfg(windows)]
fn display_folder() -> Result<PathBuf, CommandError> {
    let state = crate::env_vars::path(crate::env_vars::LOCALAPPDATA).ok_or_else(|| {
        CommandError::config("LOCALAPPDATA is not set, so there is no place for the gate of the display")
    })?;
    Ok(state.join("talkstick").join("displays"))
}

/// Everybody may make folders where it is: one that is not ours would be somebody else's gate.
#[cfg(unix)]
fn make_private(folder: &Path) -> Result<(), CommandError> {
    let Some(own) = folder.parent() else { return Ok(()) };
    lock_core::private_folder(own).map_err(|error| {
        CommandError::chain(crate::error::ErrorKind::Config, &error)
            .hint(format!("the gates of displays are kept in {}; nothing was typed", own.display()))
    })
}

#[cfg(windows)]
fn make_private(_: &Path) -> Result<(), CommandError> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn desktop(backend: &str, key: Option<&str>, display: Option<&str>) -> GuardedDesktop {
        let key = key.map(|key| LockKey::new(key).unwrap());
        GuardedDesktop { store: StoreConfig::new(backend, "/root"), key, display: display.map(str::to_owned) }
    }

    #[test]
    fn files_keep_the_seed_s_key_and_other_stores_have_one_for_each_display() {
        let Owner { host, .. } = Owner::current("");
        let key = |desktop: GuardedDesktop| desktop.key().as_str().to_owned();
        assert_eq!(key(desktop("file", None, Some(":1"))), SEED_KEY);
        assert_eq!(key(desktop("file:/elsewhere", None, Some(":1"))), SEED_KEY);
        assert_eq!(key(desktop("redis://h", None, Some(":1"))), format!("desktop/{host}/:1"));
        assert_eq!(key(desktop("sqlite", None, None)), format!("desktop/{host}/simulated"));
        assert_eq!(key(desktop("redis://h", Some("shared screen"), Some(":1"))), "shared screen");
        assert_eq!(desktop("redis://h", None, Some(":1")).journal_key().as_str(), SEED_KEY);
    }
}
