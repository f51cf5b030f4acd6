//! Wake files: one per waiting process and key, locked by it from its first ticket to its last.
//!
//! The lock says two things. While it stands, the process lives: who gets a shared lock on the file has the kernel's
//! word that it is dead. And when it falls, the process's earliest ticket is gone from the line, so who comes next
//! sleeps on it. When tickets of the process are left behind that one, the file is replaced by a new one, locked
//! before it has the name; all of this happens under the mutex, so who looks there never meets an unlocked file of a
//! live process.

use std::fs::File;

use lock_core::{
    FileError, Owner,
    dir::{self, Dir, FileId},
    flock,
};
use serde::{Deserialize, Serialize};

use crate::{error::Trouble, layout};

/// The longest owner record that is read: more is not one of ours.
const RECORD_BYTES_MAX: usize = 1 << 20;

/// This process's wake file for a key.
#[derive(Debug)]
pub(crate) struct WakeFile {
    process: u64,
    file: File,
    id: FileId,
    owners: Owners,
}

/// What the wake file holds: who the tickets of its process are for.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Owners {
    owner: Owner,
    /// Labels of the process's tickets; a ticket has its place in this list.
    labels: Vec<String>,
}

/// What is known of a waiting process.
#[derive(Debug)]
pub(crate) enum Life {
    /// It waits; its wake file, to sleep on.
    Alive(File, FileId),
    /// The kernel has dropped its lock, or the file is gone.
    Dead,
}

impl WakeFile {
    /// Makes and locks the wake file of a process that gets its first ticket.
    pub(crate) fn create(waiters: &Dir, process: u64, owner: &Owner) -> Result<Self, Trouble> {
        let owners = Owners { owner: owner.clone(), labels: vec![owner.label.clone()] };
        let (file, id) = Self::place(waiters, process, &owners)?;
        Ok(Self { process, file, id, owners })
    }

    /// The label's place in the list, which grows where it is new.
    pub(crate) fn label(&mut self, waiters: &Dir, label: &str) -> Result<u16, Trouble> {
        if let Some(at) = self.owners.labels.iter().position(|l| l == label) {
            return Ok(u16::try_from(at).unwrap_or(0));
        }
        self.owners.labels.push(label.to_owned());
        self.owners.write(&self.file, waiters, self.process)?;
        Ok(u16::try_from(self.owners.labels.len() - 1).unwrap_or(0))
    }

    /// Puts a new file in the place of this one. The old one is returned: unlocking it wakes who sleeps on it, which
    /// they should after the mutex is free.
    pub(crate) fn replace(&mut self, waiters: &Dir) -> Result<Sleepers, Trouble> {
        let (file, id) = Self::place(waiters, self.process, &self.owners)?;
        self.id = id;
        Ok(Sleepers(std::mem::replace(&mut self.file, file)))
    }

    /// Takes the file away: the last ticket is gone.
    pub(crate) fn remove(self, waiters: &Dir) -> Result<Sleepers, Trouble> {
        let unlinked = waiters.unlink(&layout::wake(self.process));
        let sleepers = Sleepers(self.file);
        unlinked.map(|()| sleepers).map_err(Into::into)
    }

    /// Whether the name still names our file.
    pub(crate) fn is_in_place(&self, waiters: &Dir) -> Result<bool, Trouble> {
        Ok(waiters.id_of(&layout::wake(self.process))? == Some(self.id))
    }

    fn place(waiters: &Dir, process: u64, owners: &Owners) -> Result<(File, FileId), Trouble> {
        let (name, new_name) = (layout::wake(process), layout::wake_new(process));
        let path = || waiters.path_of(&new_name);
        // What a killed attempt of ours has left cannot be locked by anybody else: the number is ours alone.
        waiters.unlink(&new_name)?;
        let file = waiters.new_file(&new_name)?.ok_or_else(|| Trouble::unsteady(path()))?;
        flock::exclusive(&file).map_err(Trouble::io("lock", path()))?;
        owners.write(&file, waiters, process)?;
        let id = dir::id_of(&file).map_err(Trouble::io("look at", path()))?;
        waiters.rename(&new_name, &name)?;
        Ok((file, id))
    }
}

impl Owners {
    fn write(&self, file: &File, waiters: &Dir, process: u64) -> Result<(), Trouble> {
        let bytes = serde_json::to_vec(self).unwrap_or_default();
        dir::write_at(file, &bytes, 0).map_err(Trouble::io("write", waiters.path_of(&layout::wake(process))))
    }
}

/// A wake file that has served: dropping it wakes who sleeps on it.
#[derive(Debug)]
#[must_use = "whoever sleeps on it is woken when it is dropped; do so after the mutex is free"]
pub(crate) struct Sleepers(File);

impl Drop for Sleepers {
    fn drop(&mut self) {
        // Before the close: a copy of the file in a forked child would keep the lock.
        if let Err(error) = flock::unlock(&self.0) {
            tracing::warn!(%error, "a wake file could not be unlocked; closing it must do");
        }
    }
}

/// Whether a waiting process lives. Only under the mutex.
pub(crate) fn life(waiters: &Dir, process: u64) -> Result<Life, Trouble> {
    let name = layout::wake(process);
    let file = match waiters.existing_file(&name) {
        Ok(Some(file)) => file,
        // Something else in its place was not put there by a process of ours; who is alive puts its ticket back.
        Ok(None) | Err(FileError::Planted { .. }) => return Ok(Life::Dead),
        Err(e) => return Err(e.into()),
    };
    if flock::try_shared(&file).map_err(Trouble::io("lock", waiters.path_of(&name)))? {
        return Ok(Life::Dead);
    }
    let id = dir::id_of(&file).map_err(Trouble::io("look at", waiters.path_of(&name)))?;
    Ok(Life::Alive(file, id))
}

/// Takes a dead process's wake file away.
pub(crate) fn bury(waiters: &Dir, process: u64) {
    // Only what a process of ours made has this name's form; a folder planted there stays, and harms nobody.
    if let Err(error) = waiters.unlink(&layout::wake(process)) {
        tracing::debug!(%error, "a dead waiter's file stays");
    }
}

/// Takes away what dead processes left behind without a ticket. Only under the mutex: wake files are made there, so an
/// unlocked one is no live process's.
pub(crate) fn sweep(waiters: &Dir, ours: u64) -> Result<(), Trouble> {
    for name in waiters.names()? {
        let Some(process) = name.split('.').next().and_then(|n| u64::from_str_radix(n, 16).ok()) else { continue };
        if process == ours {
            continue;
        }
        if let Ok(Some(file)) = waiters.existing_file(&name)
            && flock::try_shared(&file).unwrap_or(false)
        {
            waiters.unlink(&name)?;
        }
    }
    Ok(())
}

/// The owner that a ticket's record and its process's wake file name together.
pub(crate) fn owner(file: &File, label: u16) -> Option<Owner> {
    let mut bytes = vec![0; 4096];
    let mut length = dir::read_at(file, &mut bytes, 0).ok()?;
    if length == bytes.len() {
        bytes.resize(RECORD_BYTES_MAX, 0);
        length += dir::read_at(file, &mut bytes[length..], length as u64).ok()?;
    }
    let owners: Owners = serde_json::from_slice(&bytes[..length]).ok()?;
    let label = owners.labels.get(usize::from(label)).cloned().unwrap_or_default();
    Some(Owner { label, ..owners.owner })
}
