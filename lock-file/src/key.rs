//! One key as this process has it: its open files, and the section in which the line changes.

use std::{
    fs::File,
    path::PathBuf,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, TryLockError, Weak},
};

use lock_core::{LockKey, RequestId, background, dir::Dir, flock};

use crate::{config::FileConfig, error::Trouble, key_files::KeyFiles, line::Line, table::Table, waiters::Sleepers};

/// How often a busy mutex is tried before the caller's executor is left alone: sections last microseconds.
const TRIES: usize = 50;
/// How often files may be replaced under us before we give up.
pub(crate) const REPLACED_MAX: usize = 10;

/// What this process knows of one key.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) name: LockKey,
    pub(crate) config: Arc<FileConfig>,
    /// Names the wake file of this process for this key.
    pub(crate) process: u64,
    stem: String,
    this: Weak<Self>,
    /// Held through a whole section: the threads of a process share one opening of the mutex, which does not exclude
    /// them from each other. In it the memory of the line as it was read last.
    turn: Mutex<Line>,
    files: Mutex<Option<Arc<KeyFiles>>>,
    table: Mutex<Table>,
    /// Calls a parked thread; with the table.
    pub(crate) call: Condvar,
}

/// The time in which the line may be changed: no other thread or process is in its own.
#[derive(Debug)]
pub(crate) struct Section<'a> {
    pub(crate) key: &'a Key,
    pub(crate) files: Arc<KeyFiles>,
    pub(crate) turn: MutexGuard<'a, Line>,
    /// Woken last of all, so that they find the mutex free: fields are dropped in their order.
    pub(crate) wakes: Vec<Sleepers>,
}

impl Drop for Section<'_> {
    fn drop(&mut self) {
        if let Err(error) = flock::unlock(&self.files.mutex) {
            tracing::error!(%error, "the mutex of a line could not be unlocked; it is opened anew");
            // Closing it unlocks it too.
            self.key.forget_files();
        }
    }
}

impl Key {
    pub(crate) fn new(name: LockKey, config: Arc<FileConfig>, process: u64) -> Arc<Self> {
        let stem = name.file_stem();
        Arc::new_cyclic(|this| Self {
            name,
            config,
            process,
            stem,
            this: Weak::clone(this),
            turn: Mutex::default(),
            files: Mutex::default(),
            table: Mutex::default(),
            call: Condvar::new(),
        })
    }

    /// Itself, for a thread to keep.
    pub(crate) fn shared(&self) -> Option<Arc<Self>> {
        self.this.upgrade()
    }

    pub(crate) fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether nothing would be lost with it.
    pub(crate) fn is_idle(&self) -> bool {
        let table = self.table();
        table.tickets.is_empty() && table.leases.is_empty() && table.entering.is_empty() && table.settling.is_empty()
    }

    /// The open files, if they were opened.
    pub(crate) fn files(&self) -> Option<Arc<KeyFiles>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether the key has files at all, without making them.
    pub(crate) fn has_files(&self) -> Result<bool, Trouble> {
        Ok(self.files().is_some() || KeyFiles::open_existing(&self.config.dir, &self.stem)?.is_some())
    }

    /// Opens the gate if it is there, without our own files beside it.
    pub(crate) fn existing_gate(&self) -> Result<Option<File>, Trouble> {
        match Dir::open(&self.config.dir)? {
            Some(gates) => Ok(gates.existing_file(&crate::layout::gate(&self.stem))?),
            None => Ok(None),
        }
    }

    pub(crate) fn gate_path(&self) -> PathBuf {
        self.config.dir.join(crate::layout::gate(&self.stem))
    }

    fn open_files(&self) -> Result<Arc<KeyFiles>, Trouble> {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(files) = &*files {
            return Ok(Arc::clone(files));
        }
        let opened = Arc::new(KeyFiles::open(&self.config.dir, &self.stem, self.config.allow_network_fs)?);
        *files = Some(Arc::clone(&opened));
        Ok(opened)
    }

    /// Whether no files are open, or not provably those that their paths name, or other ones than `before`: what failed since
    /// then may have failed for that.
    pub(crate) fn lost_its_files(&self, before: Option<&Arc<KeyFiles>>) -> bool {
        let are_there = |files: &KeyFiles| Ok::<_, Trouble>(files.are_in_place()? && files.has_its_waiters()?);
        let files = self.files();
        files.as_ref().map(Arc::as_ptr) != before.map(Arc::as_ptr)
            || files.is_none_or(|files| !matches!(are_there(&files), Ok(true)))
    }

    /// The paths name other files now, or none.
    fn forget_files(&self) {
        *self.files.lock().unwrap_or_else(PoisonError::into_inner) = None;
        // Made anew in the new folder, as soon as a ticket needs it.
        self.table().wake = None;
    }

    /// Runs `change` with the line to itself: here and now, unless another one is in its section for longer than it
    /// should. Then a thread of the background runtime waits for it, which runs on when the future is dropped.
    pub(crate) async fn in_section<T: Send + 'static>(
        self: &Arc<Self>,
        change: impl FnOnce(&mut Section<'_>) -> Result<T, Trouble> + Send + 'static,
    ) -> Result<T, Trouble> {
        if let Some(mut section) = self.try_section()? {
            return change(&mut section);
        }
        let key = Arc::clone(self);
        let background = background::handle().map_err(|_| Trouble::Background)?;
        let waiting = background.spawn_blocking(move || change(&mut key.section()?));
        waiting.await.map_err(|_| Trouble::Background)?
    }

    /// Waits for the section. Not for async code.
    pub(crate) fn section(&self) -> Result<Section<'_>, Trouble> {
        let mut turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        for _ in 0..REPLACED_MAX {
            let files = self.open_files()?;
            flock::exclusive(&files.mutex).map_err(Trouble::io("lock the mutex of", files.gate_path()))?;
            match self.confirm(turn, files)? {
                Ok(section) => return Ok(section),
                Err(again) => turn = again,
            }
        }
        Err(Trouble::unsteady(self.gate_path()))
    }

    /// The section if it is free now or in a moment.
    fn try_section(&self) -> Result<Option<Section<'_>>, Trouble> {
        let Some(mut turn) = self.try_turn() else { return Ok(None) };
        for _ in 0..REPLACED_MAX {
            let files = self.open_files()?;
            let mut tries = 0..TRIES;
            while !flock::try_exclusive(&files.mutex).map_err(Trouble::io("lock the mutex of", files.gate_path()))? {
                if tries.next().is_none() {
                    return Ok(None);
                }
                std::thread::yield_now();
            }
            match self.confirm(turn, files)? {
                Ok(section) => return Ok(Some(section)),
                Err(again) => turn = again,
            }
        }
        Err(Trouble::unsteady(self.gate_path()))
    }

    fn try_turn(&self) -> Option<MutexGuard<'_, Line>> {
        for _ in 0..TRIES {
            match self.turn.try_lock() {
                Ok(turn) => return Some(turn),
                Err(TryLockError::Poisoned(turn)) => return Some(turn.into_inner()),
                Err(TryLockError::WouldBlock) => std::thread::yield_now(),
            }
        }
        None
    }

    /// The mutex is locked; but is it still the one that everybody else locks?
    #[allow(clippy::type_complexity, reason = "the guard goes back to the caller's loop")]
    fn confirm<'a>(
        &'a self,
        turn: MutexGuard<'a, Line>,
        files: Arc<KeyFiles>,
    ) -> Result<Result<Section<'a>, MutexGuard<'a, Line>>, Trouble> {
        let in_place = files.are_in_place();
        if matches!(in_place, Ok(true)) {
            return Ok(Ok(Section { key: self, files, turn, wakes: Vec::new() }));
        }
        flock::unlock(&files.mutex).map_err(Trouble::io("unlock the mutex of", files.gate_path()))?;
        in_place?;
        self.forget_files();
        Ok(Err(turn))
    }

    /// Marks the request as one that `enter` works on; until the result is dropped.
    pub(crate) fn begin_enter(self: &Arc<Self>, request: RequestId) -> EnterMark {
        self.table().entering.entry(request).or_default().0 += 1;
        EnterMark { key: Arc::clone(self), request }
    }

    /// Tells an `enter` that may still be under way to leave no ticket. Whether there is one.
    pub(crate) fn stop_enter(&self, request: RequestId) -> bool {
        let mut table = self.table();
        let entering = table.entering.get_mut(&request);
        entering.map(|(_, withdrawn)| *withdrawn = true).is_some()
    }
}

/// See [`Key::begin_enter`].
#[derive(Debug)]
pub(crate) struct EnterMark {
    key: Arc<Key>,
    pub(crate) request: RequestId,
}

impl Drop for EnterMark {
    fn drop(&mut self) {
        let mut table = self.key.table();
        if let Some((count, _)) = table.entering.get_mut(&self.request) {
            *count -= 1;
            if *count == 0 {
                table.entering.remove(&self.request);
            }
        }
    }
}
