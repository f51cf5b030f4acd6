//! Breaking a lease: the mark that asks its holder to let go, and the end of a proven holder.

use lock_core::{FencingToken, Holder, Owner};

use crate::{change::Change, error::Trouble, observe::holder, queries};

/// What came of it.
#[derive(Debug)]
pub(crate) enum Broken {
    /// Marked.
    Done,
    /// Marked, and this holder is to be ended.
    Doomed(Owner),
    /// The token does not hold the key now.
    NotHolder,
}

impl Change<'_> {
    /// Marks the lease `token`.
    pub(crate) fn break_lease(&mut self, token: FencingToken, kill: bool) -> Result<Broken, Trouble> {
        let Some(record) = self.record()?.filter(|record| record.last_token == token) else {
            return Ok(Broken::NotHolder);
        };
        let (Holder::Lease { owner, .. } | Holder::Ending { owner }) = holder(self.database(), &record)? else {
            return Ok(Broken::NotHolder);
        };
        queries::mark_broken(&self.database().connection, &self.key.name).map_err(self.sql("write to"))?;
        Ok(if kill { Broken::Doomed(owner) } else { Broken::Done })
    }
}

/// What a holder is told of that was not killed.
const MARKED: &str = "; the lease is marked as broken, its holder is asked to let go";

/// Ends the process of a holder, if `still_holds` proves after the process was opened that it is the one. Says why not.
#[cfg(target_os = "linux")]
pub(crate) fn kill(
    owner: &Owner,
    still_holds: impl FnOnce() -> Result<bool, Trouble>,
) -> Result<Result<(), String>, Trouble> {
    use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
    let refuse = |why: String| Ok(Err(why + MARKED));
    if owner.is_this_process() {
        return refuse("the holder is this very process, which does not kill itself: drop its guard".to_owned());
    }
    let failed = |e: rustix::io::Errno| Trouble::io("end", format!("/proc/{}", owner.pid))(e.into());
    let Some(pid) = i32::try_from(owner.pid).ok().and_then(Pid::from_raw) else {
        return refuse(format!("{owner} names no process"));
    };
    // The handle first, the proof after it: a later process with the same number cannot slip in between.
    let process = match pidfd_open(pid, PidfdFlags::empty()) {
        Ok(process) => process,
        Err(rustix::io::Errno::SRCH) => {
            return refuse(format!("{owner} has ended, and its supervisor is about to let go"));
        }
        Err(error) => return Err(failed(error)),
    };
    if !owner.runs() || !still_holds()? {
        return refuse(format!("{owner} is not proven to be the holder any more"));
    }
    pidfd_send_signal(&process, Signal::KILL).map_err(failed).map(Ok)
}

/// Nobody is killed where the system does not prove who holds.
#[cfg(not(target_os = "linux"))]
pub(crate) fn kill(
    owner: &Owner,
    _still_holds: impl FnOnce() -> Result<bool, Trouble>,
) -> Result<Result<(), String>, Trouble> {
    let why = "this system does not prove who holds a lock, so nobody is killed: end";
    Ok(Err(format!("{why} {owner} yourself{MARKED}")))
}
