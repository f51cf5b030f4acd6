//! The threads that sleep in the kernel for the tasks of this process.
//!
//! For each key at most one sleeps as the head, on the holder's baton or behind another program on the gate, and one on the wake file ahead. Where a new ticket of ours jumps ahead,
//! the one that sleeps further back is left there and another one is started; it finds nothing to do when it wakes.
//! What they wake with decides nothing: the line does.

use std::fs::File;

use lock_core::{
    RequestId, flock,
    turn::{Turn, turn},
};

use crate::{
    error::Trouble,
    header::Header,
    key::{Key, Section},
    key_files::{Gate, KeyFiles},
    line::Line,
};

/// How many threads may sleep for one key. One more is started each time a ticket of ours jumps ahead of where the others
/// sleep; there are four priorities, and beyond that the sweep finds out.
const SLEEPERS_MAX: usize = 4;

/// What a thread does outside the section.
enum Sleep {
    /// Nothing: no ticket, or another thread does it.
    Done,
    /// A ticket was granted at once; look again.
    Again,
    /// On the baton, then as the head with the gate.
    AsHead(File, Gate),
    /// On a wake file, which is no gate, but as much a file and its identity.
    OnWakeFile(Gate),
}

impl Section<'_> {
    /// Makes sure that a thread of this process sleeps where it is woken in time.
    pub(crate) fn ensure_sleeper(&mut self, line: &mut Line) -> Result<(), Trouble> {
        if self.key.table().starting || self.sleeps_as_head()? {
            return Ok(());
        }
        match turn(line.entries(), self.key.process) {
            Turn::None => Ok(()),
            Turn::Head(_) => self.start_sleeper(),
            Turn::Behind { ahead, .. } => {
                let process = line.entries()[ahead].process;
                let ahead = self.sweep_if_dead(line, process)?;
                let table = self.key.table();
                let sleeps = ahead.is_some_and(|file| table.sleepers.contains(&file.id));
                if sleeps || table.sleepers.len() >= SLEEPERS_MAX {
                    return Ok(());
                }
                drop(table);
                self.start_sleeper()
            }
        }
    }

    /// Whether one of our threads sleeps as the head: it wakes at the next release, whoever goes first.
    fn sleeps_as_head(&self) -> Result<bool, Trouble> {
        let gate = self.key.table().gate_sleeper;
        gate.map_or(Ok(false), |id| self.files.names_gate(id))
    }

    /// Where to sleep now, or the grant itself when the gate happens to be free.
    fn next_sleep(&mut self) -> Result<Sleep, Trouble> {
        self.key.table().starting = false;
        let mut line = self.line()?;
        let sleep = self.next_sleep_in(&mut line);
        self.keep(line);
        sleep
    }

    fn next_sleep_in(&mut self, line: &mut Line) -> Result<Sleep, Trouble> {
        loop {
            match turn(line.entries(), self.key.process) {
                Turn::None => return Ok(Sleep::Done),
                Turn::Head(_) if self.sleeps_as_head()? => return Ok(Sleep::Done),
                Turn::Head(index) => {
                    if let Some(gate) = self.try_gate()? {
                        if self.gives_way(line, &gate)? {
                            continue;
                        }
                        self.grant_ticket(gate, line, index)?;
                        return Ok(Sleep::Again);
                    }
                    let gate = self.files.open_gate()?;
                    let baton = self.files.open_baton()?;
                    self.key.table().gate_sleeper = Some(gate.id);
                    return Ok(Sleep::AsHead(baton, gate));
                }
                Turn::Behind { ahead, ours } => {
                    self.step_back_for_aged(line, ours)?;
                    let process = line.entries()[ahead].process;
                    let Some(file) = self.sweep_if_dead(line, process)? else { continue };
                    let sleeps_as_head = self.sleeps_as_head()?;
                    let mut table = self.key.table();
                    if sleeps_as_head || table.sleepers.contains(&file.id) {
                        return Ok(Sleep::Done);
                    }
                    table.sleepers.push(file.id);
                    return Ok(Sleep::OnWakeFile(file));
                }
            }
        }
    }

    /// Takes the gate for our ticket if that is the head of the line; `Some` gives the gate back when it is to be slept on,
    /// for a program outside talkstick has it, or a dead holder's supervisor.
    fn claim(&mut self, gate: Gate, locked: bool) -> Result<Option<Gate>, Trouble> {
        let claimed = self.claim_for(&gate, locked);
        if let Ok(Claim::Grant(mut line, index)) = claimed {
            let granted = self.grant_ticket(gate, &mut line, index);
            self.keep(line);
            return granted.map(|()| None);
        }
        if locked {
            gate.give_back();
        }
        Ok(matches!(claimed?, Claim::Busy).then_some(gate))
    }

    fn claim_for(&mut self, gate: &Gate, locked: bool) -> Result<Claim, Trouble> {
        if !self.files.names_gate(gate.id)? {
            return Ok(Claim::Nothing);
        }
        let mut line = self.line()?;
        let Turn::Head(index) = turn(line.entries(), self.key.process) else { return Ok(Claim::Nothing) };
        if locked {
            return Ok(Claim::Grant(line, index));
        }
        if !flock::try_exclusive(&gate.file).map_err(Trouble::io("lock", self.files.gate_path()))? {
            return Ok(Claim::Busy);
        }
        Ok(if self.gives_way(&mut line, gate)? { Claim::Nothing } else { Claim::Grant(line, index) })
    }
}

/// What became of the gate.
enum Claim {
    /// Ours, for the ticket at this index.
    Grant(Line, usize),
    /// Somebody else has it.
    Busy,
    /// It is not our turn, or it is not the gate any more.
    Nothing,
}

/// One sleep of a thread, and what it woke for. Whether there is more to do.
pub(crate) fn step(key: &Key) -> Result<bool, Trouble> {
    let sleep = key.section()?.next_sleep()?;
    match sleep {
        Sleep::Done => return Ok(false),
        Sleep::Again => {}
        Sleep::AsHead(baton, gate) => {
            tracing::debug!(key = %key.name, "next in line: asleep until the holder lets go");
            let id = gate.id;
            let claimed = sleep_as_head(key, baton, gate);
            let mut table = key.table();
            table.gate_sleeper = table.gate_sleeper.filter(|&sleeping| sleeping != id);
            drop(table);
            claimed?;
        }
        Sleep::OnWakeFile(file) => {
            tracing::debug!(key = %key.name, "in line: asleep until the one ahead moves");
            let slept = flock::shared(&file.file).map_err(Trouble::io("wait behind", key.gate_path()));
            key.table().sleepers.retain(|&id| id != file.id);
            slept?;
            tracing::debug!(key = %key.name, "woken: the one ahead has moved");
        }
    }
    Ok(true)
}

fn sleep_as_head(key: &Key, baton: File, gate: Gate) -> Result<(), Trouble> {
    flock::shared(&baton).map_err(Trouble::io("wait for", key.gate_path()))?;
    tracing::debug!(key = %key.name, "woken: the holder has let go; trying the gate");
    // Before the claim: the new holder takes the baton for itself. Not by the close alone: a copy of the file in a forked
    // child would keep the baton from every holder.
    flock::unlock(&baton).map_err(Trouble::io("pass on", key.gate_path()))?;
    let gate = match claim_at_once(key, gate)? {
        Quick::Granted(request) => return key.settle(request),
        Quick::Withdrawn => return Ok(()),
        Quick::Unclear(gate) => gate,
    };
    let Some(gate) = key.section()?.claim(gate, false)? else { return Ok(()) };
    flock::exclusive(&gate.file).map_err(Trouble::io("wait for", key.gate_path()))?;
    match key.section() {
        Ok(mut section) => section.claim(gate, true).map(drop),
        Err(trouble) => {
            gate.give_back();
            Err(trouble)
        }
    }
}

/// What a look without a section brought.
enum Quick {
    /// The gate, for this request; its ticket still stands in the line's file.
    Granted(RequestId),
    /// Nobody waits for it any more; the gate was given back.
    Withdrawn,
    /// The gate is not free, or it is not plain that it is our turn.
    Unclear(Gate),
}

/// The way of nearly every handover: the gate is free, and the line's header says that our ticket is next. It needs no
/// section, so it never waits for others who are at the line, and costs the same however long the line is.
///
/// A better ticket that comes while we look has come after the grant.
fn claim_at_once(key: &Key, gate: Gate) -> Result<Quick, Trouble> {
    let Some(files) = key.files() else { return Ok(Quick::Unclear(gate)) };
    if !flock::try_exclusive(&gate.file).map_err(Trouble::io("lock", files.gate_path()))? {
        return Ok(Quick::Unclear(gate));
    }
    match next_of_ours(key, &files, &gate) {
        Ok(Some(number)) => {
            let granted = key.grant_waiting(&files, gate, number)?;
            Ok(granted.map_or(Quick::Withdrawn, Quick::Granted))
        }
        otherwise => {
            gate.give_back();
            otherwise.map(|_| Quick::Unclear(gate))
        }
    }
}

/// The number of our ticket, if it is the one that the header names.
fn next_of_ours(key: &Key, files: &KeyFiles, gate: &Gate) -> Result<Option<u64>, Trouble> {
    if !files.names_gate(gate.id)? || !files.are_in_place()? {
        return Ok(None);
    }
    let Some(header) = Header::read(&files.line).map_err(files.line_trouble("read"))? else { return Ok(None) };
    let table = key.table();
    let known = header.epoch == table.epoch && table.waiting_as(header.head).is_some();
    Ok(known.then_some(header.head))
}

#[cfg(test)]
mod tests {
    use lock_core::{Entered, Ticket, turn::InLine};

    use super::*;
    use crate::{
        entry::Rest,
        testing::{holds, key, request, waits},
    };

    /// The line as it was read while this ticket's process was stopped.
    fn with_stopped(section: &mut Section<'_>, ticket: &Ticket) -> Line {
        let mut line = section.line().unwrap();
        let stopped = |e: &mut crate::entry::Entry| {
            let is_it = e.request == ticket.request;
            e.rest = if is_it { Rest::Stopped } else { e.rest };
            is_it
        };
        line.update(&section.files.line, stopped).unwrap();
        assert!(line.entries().iter().any(|entry| !entry.is_awake()));
        line
    }

    /// It runs again, and then the holder lets go, between a look at the line and the look at the gate.
    #[test]
    fn who_runs_again_right_before_the_release_goes_first() {
        let folder = tempfile::tempdir().unwrap();
        let [holder, first, second] = [1, 2, 3].map(|process| key(folder.path(), process));
        holds(&holder, 1);
        let (first_ticket, _) = (waits(&first, 2), waits(&second, 3));
        let mut section = second.section().unwrap();
        let mut line = with_stopped(&mut section, &first_ticket);
        assert!(holder.let_go(RequestId(1), None));
        let sleep = section.next_sleep_in(&mut line).unwrap();
        assert!(matches!(sleep, Sleep::OnWakeFile(_)) && second.table().leases.is_empty(), "it waits behind the first");
    }

    #[test]
    fn who_runs_again_right_before_the_release_goes_before_a_newcomer() {
        let folder = tempfile::tempdir().unwrap();
        let [holder, first, newcomer] = [1, 2, 3].map(|process| key(folder.path(), process));
        holds(&holder, 1);
        let ticket = waits(&first, 2);
        let mut section = newcomer.section().unwrap();
        let mut line = with_stopped(&mut section, &ticket);
        assert!(holder.let_go(RequestId(1), None));
        newcomer.table().starting = true;
        assert!(matches!(section.enter_line(&mut line, &request(3)).unwrap(), Entered::Queued(..)));
    }

    /// The first in line was stopped and passed over, and runs again by the time of the next release: the second one,
    /// which the release wakes, must not take the lock by the header alone.
    #[test]
    fn who_runs_again_goes_before_who_was_next_without_it() {
        let folder = tempfile::tempdir().unwrap();
        let [holder, first, second] = [1, 2, 3].map(|process| key(folder.path(), process));
        holds(&holder, 1);
        let (first_ticket, second_ticket) = (waits(&first, 2), waits(&second, 3));
        {
            let mut section = second.section().unwrap();
            let line = with_stopped(&mut section, &first_ticket);
            section.keep(line);
        }
        assert!(holder.let_go(RequestId(1), None));
        let gate = second.files().unwrap().open_gate().unwrap();
        let Quick::Unclear(gate) = claim_at_once(&second, gate).unwrap() else { panic!("granted by the header alone") };
        assert!(second.section().unwrap().claim(gate, false).unwrap().is_none(), "it is not its turn");
        assert!(second.table().leases.is_empty() && second.table().waiting_as(second_ticket.number).is_some());
        let gate = first.files().unwrap().open_gate().unwrap();
        assert!(first.section().unwrap().claim(gate, false).unwrap().is_none());
        assert!(first.table().leases.contains_key(&first_ticket.request), "its place is its own again");
    }
}
