//! The terminal: given to the child's group while it runs in the foreground, as a shell does.

use std::{
    fs::File,
    io::{self, IsTerminal},
    os::fd::BorrowedFd,
};

use rustix::{
    process::{Pid, Signal},
    termios::{tcgetpgrp, tcsetpgrp},
};

use crate::signals::is_ignored;

/// The controlling terminal, if there is one.
#[derive(Debug)]
pub(super) struct Terminal {
    tty: Option<File>,
    /// The child works with the terminal: it is our stdin, or the child was stopped for want of it.
    wanted: bool,
    /// The child's group has been given the terminal.
    given: bool,
}

impl Terminal {
    /// Looks for the controlling terminal.
    pub(super) fn open() -> Self {
        let tty = File::options().read(true).write(true).open("/dev/tty").ok();
        Self { tty, wanted: io::stdin().is_terminal(), given: false }
    }

    /// Whether the child is to have the terminal from its start: the terminal is our stdin, and we are in its foreground.
    ///
    /// Not under a shell without job control that runs us in the background: such shells leave us in their own group, which
    /// is in the foreground, and have INT ignored.
    pub(super) fn is_for_child(&self) -> bool {
        self.wanted && self.is_ours() && !is_ignored(libc::SIGINT).unwrap_or(true)
    }

    /// Remembers that the child took the terminal at its start.
    pub(super) fn taken_by_child(&mut self) {
        self.given = true;
    }

    /// Whether our own group is in the foreground.
    fn is_ours(&self) -> bool {
        self.foreground() == Some(rustix::process::getpgrp())
    }

    fn foreground(&self) -> Option<Pid> {
        tcgetpgrp(self.tty.as_ref()?).ok()
    }

    /// Gives the terminal to the child's group again, if the child works with it and it is ours to give.
    pub(super) fn give_again(&mut self, group: Pid) {
        if self.wanted {
            self.give(group);
        }
    }

    /// Gives the terminal to the child's group if it is ours to give.
    pub(super) fn give(&mut self, group: Pid) -> bool {
        let Some(tty) = self.tty.as_ref().filter(|_| self.is_ours()) else { return false };
        let worked = tcsetpgrp(tty, group).is_ok();
        self.given |= worked;
        self.wanted |= worked;
        worked
    }

    /// Takes the terminal back, if the child's group still has it. Needs TTOU ignored.
    ///
    /// Without a group, the command could not be executed, which it found out after it had taken the terminal.
    pub(super) fn take_back(&mut self, group: Option<Pid>) {
        if self.given && (group.is_none() || self.foreground() == group) {
            // A terminal that has hung up is nobody's.
            let _gone = self.tty.as_ref().map(|tty| tcsetpgrp(tty, rustix::process::getpgrp()));
        }
        self.given = false;
    }

    /// Stops our own job along with the child, so that the shell sees it stopped; returns when the shell continues it.
    ///
    /// STOP and not the signal that stopped the child: that one would need its handler taken out for the moment, and
    /// another thread could take it meanwhile. Without a terminal there is no shell that would continue us.
    pub(super) fn stop_along(&self) {
        if self.foreground().is_some() {
            let _refused = rustix::process::kill_current_process_group(Signal::STOP);
        }
    }
}

/// Duplicates a descriptor that the caller gave us by number, and keeps it from the child.
pub(super) fn adopt_descriptor(number: i32) -> io::Result<File> {
    if number < 0 {
        return Err(io::Error::from_raw_os_error(libc::EBADF));
    }
    // SAFETY: a number that is not open is refused by the call below; the borrow ends with this function.
    let given = unsafe { BorrowedFd::borrow_raw(number) };
    let copy = rustix::io::fcntl_dupfd_cloexec(given, 3)?;
    if number > 2 {
        rustix::io::fcntl_setfd(given, rustix::io::FdFlags::CLOEXEC)?;
    }
    Ok(copy.into())
}
