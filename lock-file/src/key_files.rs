//! The files of one key, held open, and the check that their paths still name them.

use std::{
    fs::File,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use lock_core::{
    dir::{self, Dir, FileId},
    filesystem, flock,
};

use crate::{error::Trouble, layout};

/// Opened once per process and key, and again when somebody replaced them.
#[derive(Debug)]
pub(crate) struct KeyFiles {
    gates: Dir,
    side: Dir,
    gate_name: String,
    gate_path: PathBuf,
    holder_path: PathBuf,
    mutex_path: PathBuf,
    mutex_id: FileId,
    holder_id: FileId,
    pub(crate) mutex: File,
    pub(crate) line: File,
    pub(crate) holder: File,
    /// Locked while this process holds the gate; see [`KeyFiles::open_baton`].
    pub(crate) baton: File,
    waiters: OnceLock<Dir>,
}

/// The gate, opened anew for each lease: its lock belongs to this opening, which a supervisor may share.
#[derive(Debug)]
pub(crate) struct Gate {
    pub(crate) file: File,
    pub(crate) id: FileId,
}

/// The folder of the locks, checked; made where it is missing.
pub(crate) fn open_gates(path: &Path, allow_network_fs: bool) -> Result<Dir, Trouble> {
    let gates = Dir::open_or_create(path)?;
    if !allow_network_fs && let Some(kind) = filesystem::network(&gates)? {
        return Err(Trouble::NetworkFileSystem { path: gates.path().to_owned(), kind });
    }
    Ok(gates)
}

impl KeyFiles {
    /// Opens the files of a key, making them where they are missing.
    pub(crate) fn open(folder: &Path, stem: &str, allow_network_fs: bool) -> Result<Self, Trouble> {
        let gates = open_gates(folder, allow_network_fs)?;
        let side = gates.folder(layout::SIDE)?.folder(stem)?;
        let mutex = side.file(layout::MUTEX)?;
        let line = side.file(layout::LINE)?;
        let holder = side.file(layout::HOLDER)?;
        let baton = side.file(layout::BATON)?;
        Self::assemble(folder, stem, gates, side, [mutex, line, holder, baton])
    }

    /// Opens the files of a key if it was ever locked through us.
    pub(crate) fn open_existing(folder: &Path, stem: &str) -> Result<Option<Self>, Trouble> {
        let Some(gates) = Dir::open(folder)? else { return Ok(None) };
        let Some(sides) = gates.existing_folder(layout::SIDE)? else { return Ok(None) };
        let Some(side) = sides.existing_folder(stem)? else { return Ok(None) };
        let names = [layout::MUTEX, layout::LINE, layout::HOLDER, layout::BATON];
        let [Some(mutex), Some(line), Some(holder), Some(baton)] =
            names.map(|name| side.existing_file(name).transpose())
        else {
            return Ok(None);
        };
        Self::assemble(folder, stem, gates, side, [mutex?, line?, holder?, baton?]).map(Some)
    }

    fn assemble(folder: &Path, stem: &str, gates: Dir, side: Dir, files: [File; 4]) -> Result<Self, Trouble> {
        let [mutex, line, holder, baton] = files;
        let look = |file: &File, name| dir::id_of(file).map_err(Trouble::io("look at", side.path_of(name)));
        let gate_name = layout::gate(stem);
        Ok(Self {
            gate_path: folder.join(&gate_name),
            gate_name,
            mutex_id: look(&mutex, layout::MUTEX)?,
            mutex_path: side.path_of(layout::MUTEX),
            holder_id: look(&holder, layout::HOLDER)?,
            holder_path: side.path_of(layout::HOLDER),
            gates,
            side,
            mutex,
            line,
            holder,
            baton,
            waiters: OnceLock::new(),
        })
    }

    /// Opens the gate, making it where it is missing.
    pub(crate) fn open_gate(&self) -> Result<Gate, Trouble> {
        let file = self.gates.file(&self.gate_name)?;
        let id = dir::id_of(&file).map_err(Trouble::io("look at", &self.gate_path))?;
        Ok(Gate { file, id })
    }

    /// Opens the baton, to sleep on it.
    ///
    /// The head of the line could sleep on the gate itself, and does so behind other programs. But the kernel gives the
    /// gate to who sleeps there even if its process is stopped just then, and nobody could pass it over. With a shared
    /// lock on the baton a stopped process keeps nothing from anybody.
    pub(crate) fn open_baton(&self) -> Result<File, Trouble> {
        Ok(self.side.file(layout::BATON)?)
    }

    /// Opens the gate if it is there.
    pub(crate) fn existing_gate(&self) -> Result<Option<File>, Trouble> {
        Ok(self.gates.existing_file(&self.gate_name)?)
    }

    /// Whether the gate's path still names this file. By the whole path: a replaced folder shows too.
    pub(crate) fn names_gate(&self, id: FileId) -> Result<bool, Trouble> {
        Ok(dir::id_at(&self.gate_path)? == Some(id))
    }

    /// Whether the side folder is still the one that is open here.
    pub(crate) fn are_in_place(&self) -> Result<bool, Trouble> {
        Ok(dir::id_at(&self.mutex_path)? == Some(self.mutex_id))
    }

    /// Whether the holder's record is still the file that is open here.
    pub(crate) fn holder_in_place(&self) -> Result<bool, Trouble> {
        Ok(dir::id_at(&self.holder_path)? == Some(self.holder_id))
    }

    /// The folder of the wake files, made at the first need.
    pub(crate) fn waiters(&self) -> Result<&Dir, Trouble> {
        if let Some(waiters) = self.waiters.get() {
            return Ok(waiters);
        }
        let opened = self.side.folder(layout::WAITERS)?;
        Ok(self.waiters.get_or_init(|| opened))
    }

    /// Whether the folder of the wake files is there, if it is open here.
    pub(crate) fn has_its_waiters(&self) -> Result<bool, Trouble> {
        self.waiters.get().map_or(Ok(true), |waiters| Ok(dir::id_at(waiters.path())?.is_some()))
    }

    /// The folder of the wake files, if anybody ever waited.
    pub(crate) fn existing_waiters(&self) -> Result<Option<Dir>, Trouble> {
        Ok(self.side.existing_folder(layout::WAITERS)?)
    }

    pub(crate) fn side(&self) -> &Dir {
        &self.side
    }

    pub(crate) fn gate_path(&self) -> &Path {
        &self.gate_path
    }

    pub(crate) fn line_trouble(&self, action: &'static str) -> impl FnOnce(std::io::Error) -> Trouble + use<> {
        Trouble::io(action, self.side.path_of(layout::LINE))
    }

    pub(crate) fn holder_trouble(&self, action: &'static str) -> impl FnOnce(std::io::Error) -> Trouble + use<> {
        Trouble::io(action, self.holder_path.clone())
    }
}

impl Gate {
    /// Lets go, before the close: a copy of the file in a forked child would keep the lock.
    pub(crate) fn give_back(&self) {
        if let Err(error) = flock::unlock(&self.file) {
            tracing::error!(%error, "a gate could not be unlocked; closing it must do");
        }
    }
}
