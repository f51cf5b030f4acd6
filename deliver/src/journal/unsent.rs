//! Which input boxes may hold text that was pasted and not submitted.
//!
//! A sender that dies between the paste and Enter leaves its text in the agent's input box, and so does one whose Enter was
//! forbidden. The next message to that agent is then glued to it, and its sender must be told. One small file an agent says
//! so, beside the journal: made before the paste, removed once Enter was pressed. Only the holder of the key is here.

use std::{
    fs, io,
    io::Read as _,
    io::Write as _,
    path::{Path, PathBuf},
};

use sha2::{Digest as _, Sha256};

use super::file;
use crate::{MessageId, Receipt};

/// More than an id has, and a bound for what somebody else may have put there.
const ID_BYTES_MAX: u64 = 1024;

/// The note of one agent.
#[derive(Debug)]
pub(super) struct Unsent {
    path: PathBuf,
    /// It was there before this delivery: its text is not ours, and stays whatever becomes of ours unless Enter is pressed.
    was_there: bool,
}

impl Unsent {
    /// The note of `agent` beside the journal at `journal`.
    pub(super) fn of(journal: &Path, agent: &str) -> Self {
        let digest = Sha256::digest(agent.as_bytes());
        let name: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        let path = journal.with_extension("unsent").join(name);
        let was_there = path.symlink_metadata().is_ok();
        Self { path, was_there }
    }

    /// The first message whose text may stand in the box.
    pub(super) fn message(&self) -> io::Result<Option<String>> {
        let file = match file::open(&self.path, false) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file?,
        };
        let mut id = String::new();
        file.take(ID_BYTES_MAX).read_to_string(&mut id)?;
        id.retain(|c| c.is_ascii_graphic());
        Ok(Some(id))
    }

    /// Text of `id` may stand in the box from now on. What is noted already stays: it was there first.
    pub(super) fn note(&self, id: &MessageId) -> io::Result<()> {
        if self.was_there {
            return Ok(());
        }
        if let Some(folder) = self.path.parent() {
            file::make_folder(folder)?;
        }
        file::open(&self.path, true)?.write_all(id.to_string().as_bytes())
    }

    /// After the delivery: the box is empty where Enter was pressed, and as before where nothing was typed.
    pub(super) fn settle(&self, receipt: &Receipt) -> io::Result<()> {
        if !receipt.submitted && (receipt.typed || self.was_there) {
            return Ok(());
        }
        match fs::remove_file(&self.path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
            _removed_or_never_there => Ok(()),
        }
    }
}
