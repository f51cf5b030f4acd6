//! Looking at a key from outside: who holds it, who waits, and breaking a lease.

use std::{collections::HashMap, sync::Arc, time::Duration};

use lock_core::{
    FencingToken, Holder, KeyState, Moment, Owner, SecretHash, Waiter, background, flock, process_start, turn,
};

use crate::{
    entry::Entry,
    error::Trouble,
    holder::{Held, Record},
    key::{Key, Section},
    line::Line,
    mark,
    proc_locks::{self, GateLock},
    waiters::{self, Life},
};

/// How often is looked again when the gate changes hands under our eyes; it takes microseconds.
const LOOKS: usize = 20;
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(1);

/// Who has the gate, as far as one look tells.
#[derive(Debug)]
pub(crate) enum Seen {
    Free,
    Lease(Held),
    Foreign(Option<u32>),
    /// A waiting process has just got the gate and has not written its name yet.
    ChangingHands(u32),
}

impl Key {
    /// See [`lock_core::DistributedLock::inspect`].
    pub(crate) async fn inspect(self: &Arc<Self>) -> Result<KeyState, Trouble> {
        if !self.has_files()? {
            return self.inspect_gate();
        }
        let mut looks = 1..LOOKS;
        loop {
            let (state, settled) = self.in_section(|section| section.inspect()).await?;
            // A waiter that was stopped right after it got the gate has no lease yet; it is named as what it is by then,
            // a process in the way.
            if settled || looks.next().is_none() {
                return Ok(state);
            }
            background::sleep_until(Moment::now() + LOOK_AGAIN_AFTER).await.map_err(|_| Trouble::Background)?;
        }
    }

    /// The token of the lease whose secret has this hash, if that can be told without the mutex and the list of locks: its
    /// process runs, it has not cleared its record, and somebody has the gate. Trying a gate that is held disturbs nobody.
    pub(crate) fn surely_held_under(&self, secret: SecretHash) -> Result<Option<FencingToken>, Trouble> {
        let Some(files) = self.files() else { return Ok(None) };
        let record = Record::read(&files.holder).map_err(files.holder_trouble("read"))?;
        let ours = record.held.is_some_and(|held| held.secret == secret && held.owner.runs());
        if !ours || !files.are_in_place()? || mark::read(files.side())? == Some(record.last_token) {
            return Ok(None);
        }
        let Some(gate) = files.existing_gate()? else { return Ok(None) };
        if flock::try_shared(&gate).map_err(Trouble::io("look at", files.gate_path()))? {
            flock::unlock(&gate).map_err(Trouble::io("unlock", files.gate_path()))?;
            return Ok(None);
        }
        Ok(Some(record.last_token))
    }

    /// A key that was never locked through us may still be locked by others. Its gate is checked like one of ours: a
    /// plain open would follow a link, and would sleep for ever on a FIFO.
    fn inspect_gate(&self) -> Result<KeyState, Trouble> {
        let gate = match self.existing_gate()? {
            Some(gate) => proc_locks::look(&self.gate_path(), &gate, None, false)?,
            None => GateLock::Free,
        };
        let holder = match gate {
            GateLock::Free => Holder::Free,
            GateLock::Locked(pid) => foreign(pid),
        };
        Ok(KeyState { key: self.name.clone(), holder, queue: Vec::new(), last_token: FencingToken(0) })
    }
}

impl Section<'_> {
    /// Holder and queue, and whether the lock was not just changing hands.
    pub(crate) fn inspect(&mut self) -> Result<(KeyState, bool), Trouble> {
        let (record, seen) = self.seen()?;
        let settled = !matches!(seen, Seen::ChangingHands(_));
        let holder = match seen {
            Seen::Free => Holder::Free,
            Seen::Lease(held) if held.owner.has_died() => Holder::Ending { owner: held.owner },
            Seen::Lease(held) => Holder::Lease {
                owner: held.owner,
                token: record.last_token,
                since_us: held.since_us,
                expires_us: None,
                broken: mark::read(self.files.side())? == Some(record.last_token),
            },
            Seen::Foreign(pid) => foreign(pid),
            Seen::ChangingHands(pid) => foreign(Some(pid)),
        };
        let queue = self.queue_seen()?.into_iter().map(|(entry, owner)| waiter(&entry, owner)).collect();
        Ok((KeyState { key: self.key.name.clone(), holder, queue, last_token: record.last_token }, settled))
    }

    /// The holder's record, and who has the gate.
    pub(crate) fn seen(&self) -> Result<(Record, Seen), Trouble> {
        let read = || Record::read(&self.files.holder).map_err(self.files.holder_trouble("read"));
        let mut record = read()?;
        let mut looks = 1..LOOKS;
        loop {
            let seen = self.seen_beside(&record)?;
            // A lease is released without the mutex: what was read before the gate may be older than the gate.
            let again = read()?;
            if again == record || looks.next().is_none() {
                return Ok((record, seen));
            }
            record = again;
        }
    }

    fn seen_beside(&self, record: &Record) -> Result<Seen, Trouble> {
        let Some(gate) = self.files.existing_gate()? else { return Ok(Seen::Free) };
        let device = proc_locks::shown_device(&self.files.mutex);
        let holder_runs = record.held.as_ref().is_some_and(|held| held.owner.runs());
        match proc_locks::look(self.files.gate_path(), &gate, device, holder_runs)? {
            GateLock::Free => Ok(Seen::Free),
            GateLock::Locked(pid) => self.locker(record, pid),
        }
    }

    fn locker(&self, record: &Record, pid: Option<u32>) -> Result<Seen, Trouble> {
        match (&record.held, pid) {
            // Its process may be dead while a supervisor holds on to the gate; but a later process of the same number is
            // another one.
            (Some(held), Some(pid)) if held.owner.pid == pid && (held.owner.runs() || process_start(pid).is_none()) => {
                Ok(Seen::Lease(held.clone()))
            }
            // Where the system does not tell who has the gate, the record must: it is cleared before each release.
            (Some(held), None) => Ok(Seen::Lease(held.clone())),
            (None, None) => Ok(Seen::Foreign(None)),
            (_, Some(pid)) => {
                let line = Line::read(&self.files.line).map_err(self.files.line_trouble("read"))?;
                let waits = line.entries().iter().any(|e| e.pid == pid);
                Ok(if waits { Seen::ChangingHands(pid) } else { Seen::Foreign(Some(pid)) })
            }
        }
    }

    /// Live tickets in the order of their grants, with their owners.
    fn queue_seen(&mut self) -> Result<Vec<(Entry, Owner)>, Trouble> {
        let line = self.line()?;
        let Some(folder) = self.files.existing_waiters()? else { return Ok(Vec::new()) };
        let mut processes: HashMap<u64, Life> = HashMap::new();
        let mut queue = Vec::with_capacity(line.entries().len());
        for index in turn::order(line.entries()) {
            let entry = line.entries()[index];
            let life = match processes.entry(entry.process) {
                std::collections::hash_map::Entry::Occupied(known) => known.into_mut(),
                std::collections::hash_map::Entry::Vacant(new) => new.insert(waiters::life(&folder, entry.process)?),
            };
            if let Life::Alive(file, _) = life {
                queue.push((entry, waiters::owner(file, entry.label).unwrap_or_else(|| nameless(&entry))));
            }
        }
        Ok(queue)
    }

    /// The token of the lease whose secret has this hash, if it holds the key now, nobody broke it, and its holder lives.
    pub(crate) fn held_under(&self, secret: SecretHash) -> Result<Option<FencingToken>, Trouble> {
        let (record, seen) = self.seen()?;
        let broken = mark::read(self.files.side())? == Some(record.last_token);
        Ok(match seen {
            Seen::Lease(held) if held.secret == secret && !held.owner.has_died() => Some(record.last_token),
            _ => None,
        }
        .filter(|_| !broken))
    }
}

fn waiter(entry: &Entry, owner: Owner) -> Waiter {
    let Entry { ticket, priority, since_us, passed, .. } = *entry;
    Waiter { owner, ticket, priority, since_us, passed }
}

/// An owner whose wake file could not be read: its process is known all the same.
fn nameless(entry: &Entry) -> Owner {
    Owner { host: String::new(), pid: entry.pid, start: entry.start, label: String::new() }
}

pub(crate) fn foreign(pid: Option<u32>) -> Holder {
    Holder::Foreign { pid, command: pid.and_then(command_of) }
}

/// The command of a process, without control characters: its name is its own choice.
fn command_of(pid: u32) -> Option<String> {
    let command = std::fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
    Some(command.trim_end().chars().filter(|c| !c.is_control()).collect())
}
