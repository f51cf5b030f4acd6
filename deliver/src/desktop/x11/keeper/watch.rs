//! What a sender tells the watchdog of its grabs.

use std::io;

use lock_core::Moment;
use rustix::{
    event::{PollFd, PollFlags},
    fd::OwnedFd,
    io::Errno,
    net::{SendFlags, send},
};

use super::{
    client::broke,
    watchdog::{BEGINS, ENDS, GRAB_MAX_AT_WORK},
};
use crate::desktop::{
    Refusal,
    x11::stream::{QUIETLY, wait_for},
};

/// Tells the keeper's watchdog about server grabs.
#[derive(Debug)]
pub(in super::super) struct Watch {
    socket: OwnedFd,
}

impl Watch {
    pub(super) const fn new(socket: OwnedFd) -> Self {
        Self { socket }
    }

    /// Said before the server is grabbed: from now on the grab may last as long as the watchdog allows.
    pub(in super::super) fn begins(&self) -> Result<(), Refusal> {
        self.say(BEGINS)
    }

    /// Said after the grab was ended.
    pub(in super::super) fn ends(&self) -> Result<(), Refusal> {
        self.say(ENDS)
    }

    /// A watchdog that the machine lets fall behind by hundreds of words is waited for: no grab is held meanwhile.
    fn say(&self, word: u8) -> Result<(), Refusal> {
        const DOING: &str = "telling the watchdog";
        let until = Moment::now() + GRAB_MAX_AT_WORK;
        loop {
            match send(&self.socket, &[word], QUIETLY | SendFlags::DONTWAIT) {
                Ok(_) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => {
                    let mut room = [PollFd::new(&self.socket, PollFlags::OUT)];
                    if !wait_for(&mut room, Some(until)).map_err(broke(DOING))? {
                        let late = io::Error::new(io::ErrorKind::TimedOut, "it does not listen");
                        return Err(broke(DOING)(late));
                    }
                }
                Err(error) => return Err(broke(DOING)(error.into())),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{io::Read as _, os::unix::net::UnixStream, thread};

    use super::*;

    #[test]
    fn a_watchdog_that_is_behind_is_waited_for() {
        let (ours, mut its) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let watch = Watch::new(ours.into());
        let mut words = 0;
        while send(&watch.socket, &[BEGINS], QUIETLY | SendFlags::DONTWAIT).is_ok() {
            words += 1;
        }
        let listener = thread::spawn(move || {
            let mut heard = Vec::new();
            its.read_to_end(&mut heard).unwrap();
            heard
        });
        watch.ends().unwrap();
        drop(watch);
        let heard = listener.join().unwrap();
        assert_eq!((heard.len(), heard.last()), (words + 1, Some(&ENDS)));
    }
}
