//! The threads that sleep in the kernel for the tasks of this process.
//!
//! For each key at most one sleeps on the gate, and one on the wake file ahead. Where a new ticket of ours jumps ahead,
//! the one that sleeps further back is left there and another one is started; it finds nothing to do when it wakes.
//! What they wake with decides nothing: the line does.

use std::sync::Arc;

use lock_core::flock;

use crate::{
    error::Trouble,
    key::{Key, Section},
    key_files::Gate,
    line::Line,
    turn::{Turn, turn},
};

/// How many threads may sleep for one key. One more is started each time a ticket of ours jumps ahead of where the others
/// sleep; there are four priorities, and beyond that the sweep finds out.
const SLEEPERS_MAX: usize = 4;

/// Room for the stack of a thread that reads one file and logs.
const STACK_BYTES: usize = 128 * 1024;

/// What a thread does outside the section.
enum Sleep {
    /// Nothing: no ticket, or another thread does it.
    Done,
    /// A ticket was granted at once; look again.
    Again,
    OnGate(Gate),
    /// On a wake file, which is no gate, but as much a file and its identity.
    OnWakeFile(Gate),
}

impl Section<'_> {
    /// Makes sure that a thread of this process sleeps where it is woken in time.
    pub(crate) fn ensure_sleeper(&mut self, line: &mut Line) -> Result<(), Trouble> {
        if self.key.table().starting || self.sleeps_on_gate()? {
            return Ok(());
        }
        match turn(line.entries(), self.key.process) {
            Turn::None => Ok(()),
            Turn::Head(_) => self.start(),
            Turn::Behind { ahead, .. } => {
                let process = line.entries()[ahead].process;
                let ahead = self.sweep_if_dead(line, process)?;
                let table = self.key.table();
                let sleeps = ahead.is_some_and(|file| table.sleepers.contains(&file.id));
                if sleeps || table.sleepers.len() >= SLEEPERS_MAX {
                    return Ok(());
                }
                drop(table);
                self.start()
            }
        }
    }

    /// Whether one of our threads sleeps on the gate: it wakes at the next release, whoever goes first.
    fn sleeps_on_gate(&self) -> Result<bool, Trouble> {
        let gate = self.key.table().gate_sleeper;
        gate.map_or(Ok(false), |id| self.files.names_gate(id))
    }

    fn start(&mut self) -> Result<(), Trouble> {
        let Some(key) = self.key.shared() else { return Ok(()) };
        self.key.table().starting = true;
        let builder = std::thread::Builder::new().name("talkstick-wait".to_owned()).stack_size(STACK_BYTES);
        let started = builder.spawn(move || run(&key));
        started.map(drop).map_err(|source| {
            self.key.table().starting = false;
            Trouble::io("start a thread to wait for", self.files.gate_path())(source)
        })
    }

    /// Where to sleep now, or the grant itself when the gate happens to be free.
    fn next_sleep(&mut self) -> Result<Sleep, Trouble> {
        self.key.table().starting = false;
        let mut line = self.line()?;
        loop {
            match turn(line.entries(), self.key.process) {
                Turn::None => return Ok(Sleep::Done),
                Turn::Head(_) if self.sleeps_on_gate()? => return Ok(Sleep::Done),
                Turn::Head(index) => {
                    if let Some(gate) = self.try_gate()? {
                        self.grant_ticket(gate, &mut line, index)?;
                        return Ok(Sleep::Again);
                    }
                    let gate = self.files.open_gate()?;
                    self.key.table().gate_sleeper = Some(gate.id);
                    return Ok(Sleep::OnGate(gate));
                }
                Turn::Behind { ahead, ours } => {
                    self.step_back_for_aged(&line, ours)?;
                    let process = line.entries()[ahead].process;
                    let Some(file) = self.sweep_if_dead(&mut line, process)? else { continue };
                    let sleeps_on_gate = self.sleeps_on_gate()?;
                    let mut table = self.key.table();
                    if sleeps_on_gate || table.sleepers.contains(&file.id) {
                        return Ok(Sleep::Done);
                    }
                    table.sleepers.push(file.id);
                    return Ok(Sleep::OnWakeFile(file));
                }
            }
        }
    }

    /// The gate is ours: for our ticket if that is the head of the line, else it goes back, and the head gets it.
    fn claim(&mut self, gate: Gate) -> Result<(), Trouble> {
        if !self.files.names_gate(gate.id)? {
            gate.give_back();
            return Ok(());
        }
        let mut line = match self.line() {
            Ok(line) => line,
            Err(trouble) => {
                gate.give_back();
                return Err(trouble);
            }
        };
        match turn(line.entries(), self.key.process) {
            Turn::Head(index) => self.grant_ticket(gate, &mut line, index),
            Turn::Behind { .. } | Turn::None => {
                gate.give_back();
                Ok(())
            }
        }
    }
}

/// One thread, until nobody needs it.
fn run(key: &Arc<Key>) {
    loop {
        match step(key) {
            Ok(true) => {}
            Ok(false) => return,
            Err(trouble) => return fail(key, trouble),
        }
    }
}

fn step(key: &Key) -> Result<bool, Trouble> {
    let sleep = key.section()?.next_sleep()?;
    match sleep {
        Sleep::Done => return Ok(false),
        Sleep::Again => {}
        Sleep::OnGate(gate) => {
            let slept = flock::exclusive(&gate.file).map_err(Trouble::io("wait for", key.gate_path()));
            {
                let mut table = key.table();
                table.gate_sleeper = table.gate_sleeper.filter(|&id| id != gate.id);
            }
            slept?;
            match key.section() {
                Ok(mut section) => section.claim(gate)?,
                Err(trouble) => {
                    gate.give_back();
                    return Err(trouble);
                }
            }
        }
        Sleep::OnWakeFile(file) => {
            let slept = flock::shared(&file.file).map_err(Trouble::io("wait behind", key.gate_path()));
            key.table().sleepers.retain(|&id| id != file.id);
            slept?;
        }
    }
    Ok(true)
}

/// Tells the tasks that wait: what is unknown is no lock, and no waiting either.
fn fail(key: &Key, trouble: Trouble) {
    tracing::error!(key = %key.name, error = %trouble, "the thread that waits for the lock failed");
    let trouble = Arc::new(trouble);
    let mut table = key.table();
    table.starting = false;
    for ticket in table.tickets.values_mut().filter(|t| !t.granted) {
        ticket.fault = Some(Arc::clone(&trouble));
        ticket.ring.notify_one();
    }
}
