//! Breaking a lease: the mark that asks its holder to let go, and the end of a proven holder.

use lock_core::{FencingToken, Holder, Owner};

use crate::{
    error::Trouble,
    key::Section,
    mark,
    observe::{Seen, foreign},
};

/// What came of it.
#[derive(Debug)]
pub(crate) enum Broken {
    /// Marked, and where it was asked for, killed.
    Done,
    /// The token does not hold the key now; `seen` does.
    NotHolder,
    /// It cannot be done, and why.
    Refused(String),
}

impl Section<'_> {
    /// Marks the lease `token`, and with `kill` ends its holder.
    pub(crate) fn break_lease(&mut self, token: FencingToken, kill: bool) -> Result<Broken, Trouble> {
        let (record, seen) = self.seen()?;
        let held = match seen {
            Seen::Lease(held) if record.last_token == token => held,
            Seen::Foreign(pid) => return Ok(Broken::Refused(refusal(pid))),
            Seen::Free | Seen::Lease(_) | Seen::ChangingHands(_) => return Ok(Broken::NotHolder),
        };
        mark::place(self.files.side(), token)?;
        if kill { self.kill(&held.owner) } else { Ok(Broken::Done) }
    }

    /// Ends the holder, if it is proven: by number and start, and as the locker of the gate.
    #[cfg(target_os = "linux")]
    fn kill(&self, owner: &Owner) -> Result<Broken, Trouble> {
        use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
        let marked = "; the lease is marked as broken, its holder is asked to let go";
        let refuse = |why: String| Ok(Broken::Refused(why + marked));
        if owner.is_this_process() {
            return refuse("the holder is this very process, which does not kill itself: drop its guard".to_owned());
        }
        let failed = |e: rustix::io::Errno| Trouble::io("end the holder of", self.files.gate_path())(e.into());
        let pid = i32::try_from(owner.pid).ok().and_then(Pid::from_raw);
        let Some(pid) = pid else { return refuse(format!("{owner} names no process")) };
        // The handle first, the proof after it: a later process with the same number cannot slip in between.
        let process = match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(process) => process,
            Err(rustix::io::Errno::SRCH) => {
                return refuse(format!("{owner} has ended, and its supervisor is about to let go"));
            }
            Err(e) => return Err(failed(e)),
        };
        let proven = owner.runs() && matches!(self.seen()?.1, Seen::Lease(held) if held.owner == *owner);
        if !proven {
            return refuse(format!("{owner} is not proven to be the holder any more"));
        }
        pidfd_send_signal(&process, Signal::KILL).map_err(failed)?;
        Ok(Broken::Done)
    }

    #[cfg(not(target_os = "linux"))]
    fn kill(&self, owner: &Owner) -> Result<Broken, Trouble> {
        Ok(Broken::Refused(format!(
            "this system does not prove who holds a lock, so nobody is killed: end {owner} yourself; the lease is marked as \
             broken, its holder is asked to let go"
        )))
    }
}

fn refusal(pid: Option<u32>) -> String {
    let who = match foreign(pid) {
        Holder::Foreign { pid: Some(pid), command: Some(command) } => format!(" (pid {pid}, {command})"),
        Holder::Foreign { pid: Some(pid), command: None } => format!(" (pid {pid})"),
        _ => String::new(),
    };
    format!("a program outside talkstick holds it{who} and would not see the mark: end that program, or wait for it")
}
