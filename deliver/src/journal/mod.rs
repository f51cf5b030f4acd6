//! The journal: what was done, on disk before it is done.
//!
//! One file per key, appended to by the holder of the lock: one JSON object a line. The intent to paste and the intent to
//! press Enter reach the disk before the key press, so that after any crash the file says whether anything may have been
//! typed. The text itself is not kept, only its digest.

mod file;
mod record;

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use lock_core::{LockKey, Permit, wall_clock_us};

use crate::{Message, MessageId, Reason, Receipt};
use record::{Mark, Record};

pub use record::Recorded;

/// Size at which a journal is put aside and a new one begun; the one before is kept, older ones go. A delivery takes
/// about 1 KiB, so ids are remembered for some 4 000 deliveries at least.
const JOURNAL_BYTES_MAX: u64 = 4 << 20;

/// The journal of one key.
#[derive(Debug, Clone)]
pub struct Journal {
    path: PathBuf,
    bytes_max: u64,
}

/// One delivery in the journal.
#[derive(Debug)]
pub struct JournalEntry {
    file: File,
    path: PathBuf,
    id: MessageId,
    agent: String,
}

/// The journal could not be read or written. Before the paste that means that nothing is typed.
#[derive(Debug, Clone, thiserror::Error)]
#[error("cannot {operation} the journal {}", path.display())]
pub struct JournalError {
    /// What was tried.
    pub operation: &'static str,
    /// Where.
    pub path: PathBuf,
    /// What the system said.
    pub source: Arc<io::Error>,
}

impl JournalError {
    /// The error as a receipt tells it.
    #[must_use]
    pub fn reason(&self) -> Reason {
        let advice = match self.source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "; make room on the disk and send again",
            _ => "",
        };
        Reason { code: "journal".into(), message: format!("{self}: {}{advice}", self.source) }
    }
}

impl Journal {
    /// The journal of `key` below `root`; makes its folder, readable by its owner alone.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub fn open(root: &Path, key: &LockKey) -> Result<Self, JournalError> {
        let folder = root.join("runtime").join("journal");
        file::make_folder(&folder).map_err(|e| failed("make the folder of", &folder, e))?;
        Ok(Self { path: folder.join(format!("{}.jsonl", key.file_stem())), bytes_max: JOURNAL_BYTES_MAX })
    }

    /// Begins the entry of one delivery. The permit is the right to write: only the holder of the key appends.
    ///
    /// # Errors
    /// The journal cannot be written; nothing may be typed then.
    pub fn begin(&self, message: &Message, agent: &str, permit: &Permit<'_>) -> Result<JournalEntry, JournalError> {
        let mut file = self.open_for_append().map_err(|e| failed("open", &self.path, e))?;
        if file::ends_torn(&file).map_err(|e| failed("read", &self.path, e))? {
            // A writer died, or the disk was full, in the middle of its line: ours must begin on a line of its own.
            file.write_all(b"\n").map_err(|e| failed("write", &self.path, e))?;
        }
        let mut entry =
            JournalEntry { file, path: self.path.clone(), id: message.id().clone(), agent: agent.to_owned() };
        entry.append(Mark::Claimed {
            digest: message.digest(),
            from: message.from().to_owned(),
            token: permit.token(),
            ticket: permit.ticket(),
        })?;
        Ok(entry)
    }

    /// What is known of the last delivery of `id` to `agent`: its outcome, or, where its sender died before that,
    /// `rejected` if the paste was not reached, else `uncertain`.
    ///
    /// A delivery that is under way reads like one whose sender died; who holds the lock sees none.
    ///
    /// # Errors
    /// The journal cannot be read: nothing may be concluded.
    pub fn recorded(&self, id: &MessageId, agent: &str) -> Result<Option<Recorded>, JournalError> {
        // As it stands in the line, quotes included: lines without it need not be parsed.
        let needle = serde_json::to_string(id).map_err(|e| failed("read", &self.path, e.into()))?;
        let mut last = None;
        self.each_record(
            |line| line.contains(&needle),
            |record| {
                if record.id == *id && record.agent == agent {
                    Recorded::take_up(&mut last, record);
                }
            },
        )?;
        Ok(last)
    }

    /// All deliveries that are remembered, in the order in which they began.
    ///
    /// # Errors
    /// The journal cannot be read.
    pub fn history(&self) -> Result<Vec<Recorded>, JournalError> {
        let mut deliveries = Vec::new();
        self.each_record(|_| true, |record| Recorded::collect(&mut deliveries, record))?;
        Ok(deliveries)
    }

    fn each_record(&self, wanted: impl Fn(&str) -> bool, mut each: impl FnMut(Record)) -> Result<(), JournalError> {
        for path in [self.old_path(), self.path.clone()] {
            let text = read_bounded(&path, self.bytes_max).map_err(|e| failed("read", &path, e))?;
            // A torn line is no record: what it would have said was not yet done when it was written.
            let lines = text.lines().filter(|line| wanted(line));
            lines.filter_map(|line| serde_json::from_str(line).ok()).for_each(&mut each);
        }
        Ok(())
    }

    fn open_for_append(&self) -> io::Result<File> {
        let file = file::open(&self.path, true)?;
        if file.metadata()?.len() < self.bytes_max {
            return Ok(file);
        }
        // Only the holder of the key is here, so nobody appends to the old file any more.
        fs::rename(&self.path, self.old_path())?;
        file::open(&self.path, true)
    }

    fn old_path(&self) -> PathBuf {
        self.path.with_extension("jsonl.1")
    }
}

impl JournalEntry {
    /// The paste is about to be pressed. On disk when this returns.
    ///
    /// # Errors
    /// It is not known to be on disk: do not press.
    pub fn intend_paste(&mut self) -> Result<(), JournalError> {
        self.append(Mark::Pasting)?;
        self.sync()
    }

    /// Enter is about to be pressed. On disk when this returns.
    ///
    /// # Errors
    /// As [`JournalEntry::intend_paste`].
    pub fn intend_submit(&mut self) -> Result<(), JournalError> {
        self.append(Mark::Submitting)?;
        self.sync()
    }

    /// Nothing was typed, and the same sender will try again. After a crash the delivery reads as `rejected`.
    ///
    /// # Errors
    /// It is not recorded: after a crash the delivery may read as `uncertain`.
    pub fn postpone(mut self, reason: &Reason) -> Result<(), JournalError> {
        self.append(Mark::Postponed { reason: reason.clone() })
    }

    /// What came of it. Survives the process at once; should the machine crash in the next seconds, the delivery reads
    /// as `uncertain`.
    ///
    /// # Errors
    /// It is not recorded.
    pub fn finish(mut self, receipt: &Receipt) -> Result<(), JournalError> {
        self.append(Mark::Done { receipt: Box::new(receipt.clone()) })
    }

    fn append(&mut self, mark: Mark) -> Result<(), JournalError> {
        let record = Record { at_us: wall_clock_us(), id: self.id.clone(), agent: self.agent.clone(), mark };
        let line = serde_json::to_vec(&record).map_err(|e| failed("write", &self.path, e.into()))?;
        // One write: a line is there or not, or torn at the very end of the file.
        let written = self.file.write_all(&[line.as_slice(), b"\n"].concat());
        written.map_err(|e| failed("write", &self.path, e))
    }

    fn sync(&self) -> Result<(), JournalError> {
        self.file.sync_data().map_err(|e| failed("write", &self.path, e))
    }
}

/// What the file holds; nothing if there is none. At most twice the size at which journals are put aside is read.
fn read_bounded(path: &Path, bytes_max: u64) -> io::Result<String> {
    let file = match file::open(path, false) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(String::new()),
        file => file?,
    };
    let mut bytes = Vec::new();
    file.take(bytes_max.saturating_mul(2)).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn failed(operation: &'static str, path: &Path, source: io::Error) -> JournalError {
    JournalError { operation, path: path.to_owned(), source: Arc::new(source) }
}

#[cfg(test)]
mod tests;
