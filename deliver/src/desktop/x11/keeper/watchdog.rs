//! Ends a server grab that lasts too long, and the connection of a sender that has died.
//!
//! A client that is stopped inside a server grab freezes all others for good. This thread never talks to the X server,
//! so it is not among the frozen.
//!
//! A connection is ended by saying that nothing more comes, and closed only when the server has closed it. A server that finds
//! a connection closed in the middle of what it was asked leaves the rest undone: a key that was pressed and not released.

use std::{
    io::{Read as _, Write as _},
    os::unix::net::UnixStream,
    sync::mpsc::{Receiver, Sender, channel},
    time::Duration,
};

use lock_core::Moment;
use rustix::{
    event::{PollFd, PollFlags},
    fd::OwnedFd,
    io::Errno,
    net::{RecvFlags, SendFlags, Shutdown, recv, send, shutdown},
};

use super::super::stream::{QUIETLY, wait_for};

/// How long a server grab may last: a sender needs well under a millisecond, and a person notices a tenth of a second.
pub(super) const GRAB_MAX: Duration = Duration::from_millis(100);

/// How long it may last while its holder is not stopped: on a machine short of processor time a sender that is at work
/// may need longer, and to cut it off would lose a delivery for nothing.
pub(super) const GRAB_MAX_AT_WORK: Duration = Duration::from_secs(1);

/// How soon a sender that is late but at work is looked at again.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(20);

/// What a sender says when its grab begins.
pub(super) const BEGINS: u8 = b'B';
/// What it says when its grab has ended.
pub(super) const ENDS: u8 = b'E';
/// What the watchdog says when it watches; no sender grabs before that.
pub(super) const WATCHING: u8 = b'W';

/// A sender to watch.
#[derive(Debug)]
pub(super) struct Watched {
    /// A copy of its connection to the X server.
    pub(super) x: OwnedFd,
    /// Where it says when its grabs begin and end.
    pub(super) says: OwnedFd,
}

/// The thread, as the rest of the keeper sees it.
#[derive(Debug)]
pub(super) struct Watchdog {
    newcomers: Sender<Watched>,
    bell: UnixStream,
}

impl Watchdog {
    pub(super) fn start() -> std::io::Result<Self> {
        let (newcomers, received) = channel();
        let (bell, heard) = UnixStream::pair()?;
        heard.set_nonblocking(true)?;
        std::thread::Builder::new().name("watchdog".into()).spawn(move || watch(&received, heard))?;
        Ok(Self { newcomers, bell })
    }

    pub(super) fn watch(&self, sender: Watched) -> std::io::Result<()> {
        self.newcomers.send(sender).map_err(|_| std::io::Error::other("the watchdog has ended"))?;
        (&self.bell).write_all(b"!")
    }
}

struct Entry {
    sender: Watched,
    /// Of the grab that is on, when it must end at the latest.
    last_end: Option<Moment>,
    /// And when to look at it, which is earlier.
    ends_by: Option<Moment>,
}

fn watch(newcomers: &Receiver<Watched>, mut bell: UnixStream) {
    let mut entries: Vec<Entry> = Vec::new();
    // Connections that the server has not closed yet.
    let mut ending: Vec<OwnedFd> = Vec::new();
    loop {
        let mut fds: Vec<_> = entries.iter().map(|entry| PollFd::new(&entry.sender.says, PollFlags::IN)).collect();
        fds.extend(ending.iter().map(until_closed));
        fds.push(PollFd::new(&bell, PollFlags::IN));
        let first_end = entries.iter().filter_map(|entry| entry.ends_by).min();
        if let Err(error) = wait_for(&mut fds, first_end) {
            tracing::error!(%error, "the watchdog cannot wait");
            return;
        }
        drop(fds);
        let mut rings = [0; 64];
        // The end of the bell is the end of the keeper.
        if matches!(bell.read(&mut rings), Ok(0)) {
            return;
        }
        for sender in newcomers.try_iter() {
            // A sender that has gone already is noticed when it is listened to.
            let told = send(&sender.says, &[WATCHING], QUIETLY | SendFlags::DONTWAIT);
            tracing::trace!(?told, "watching a sender");
            entries.push(Entry { sender, last_end: None, ends_by: None });
        }
        // What was said is heard before any deadline is judged: this thread may have run late, the sender not.
        let over = entries.extract_if(.., |entry| !(entry.listen() && entry.is_in_time()));
        ending.extend(over.map(Entry::end));
        ending.retain(|x| !is_closed(x));
    }
}

/// Of a connection that was ended: ready when the server has closed it, too.
fn until_closed(x: &OwnedFd) -> PollFd<'_> {
    PollFd::new(x, PollFlags::empty())
}

fn is_closed(x: &OwnedFd) -> bool {
    // One that cannot be waited for is not kept.
    wait_for(&mut [until_closed(x)], Some(Moment::now())).unwrap_or(true)
}

impl Entry {
    /// Whether the sender is still there.
    fn listen(&mut self) -> bool {
        let mut said = [0; 64];
        match recv(&self.sender.says, &mut said, RecvFlags::DONTWAIT) {
            // It has gone, but this copy of its connection would keep its grab and its windows alive.
            Ok((0, _)) => false,
            Ok((length, _)) => {
                let begins = said.get(length - 1) == Some(&BEGINS);
                self.ends_by = begins.then(|| Moment::now() + GRAB_MAX);
                self.last_end = begins.then(|| Moment::now() + GRAB_MAX_AT_WORK);
                true
            }
            Err(Errno::AGAIN | Errno::INTR) => true,
            Err(error) => {
                tracing::debug!(%error, "a sender's watch socket broke");
                false
            }
        }
    }

    fn is_in_time(&mut self) -> bool {
        if self.ends_by.is_none_or(|by| !by.is_past()) {
            return true;
        }
        if self.last_end.is_some_and(|by| !by.is_past()) && is_at_work(&self.sender.says) {
            self.ends_by = Some(Moment::now() + LOOK_AGAIN_AFTER);
            return true;
        }
        tracing::warn!("a sender held the whole display for too long: its connection is closed");
        false
    }

    /// Says to the server that nothing more comes: it does what it was sent, ends the grab and closes the connection.
    fn end(self) -> OwnedFd {
        if let Err(error) = shutdown(&self.sender.x, Shutdown::Write) {
            tracing::debug!(%error, "a sender's connection was closed already");
        }
        self.sender.x
    }
}

/// Whether the process at the other end is known not to be stopped, by a signal or a debugger.
#[cfg(target_os = "linux")]
fn is_at_work(says: &OwnedFd) -> bool {
    let Ok(peer) = rustix::net::sockopt::socket_peercred(says) else { return false };
    let stat = lock_core::process_stat(peer.pid.as_raw_nonzero().get().unsigned_abs());
    stat.is_some_and(|stat| matches!(stat.state, 'R' | 'S' | 'D'))
}

/// Not known here, so nobody is given more time.
#[cfg(not(target_os = "linux"))]
fn is_at_work(_says: &OwnedFd) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watched() -> (Watchdog, UnixStream, UnixStream) {
        let dog = Watchdog::start().unwrap();
        let (x, x_far) = UnixStream::pair().unwrap();
        let (says, mut says_far) = UnixStream::pair().unwrap();
        dog.watch(Watched { x: x.into(), says: says.into() }).unwrap();
        let mut word = [0];
        says_far.read_exact(&mut word).unwrap();
        assert_eq!(word, [WATCHING]);
        (dog, x_far, says_far)
    }

    /// The sender here is this very process, which is at work.
    #[test]
    fn a_grab_that_does_not_end_costs_its_connection() {
        let (_dog, mut x, mut says) = watched();
        let began = Moment::now();
        says.write_all(&[BEGINS]).unwrap();
        assert_eq!(x.read(&mut [0]).unwrap(), 0);
        assert!(began.elapsed() >= GRAB_MAX_AT_WORK, "{:?}", began.elapsed());
    }

    #[test]
    fn a_late_sender_that_is_at_work_keeps_its_connection() {
        let (_dog, mut x, mut says) = watched();
        x.set_read_timeout(Some(GRAB_MAX * 3)).unwrap();
        says.write_all(&[BEGINS]).unwrap();
        let nothing = x.read(&mut [0]).unwrap_err();
        assert_eq!(nothing.kind(), std::io::ErrorKind::WouldBlock);
        says.write_all(&[ENDS]).unwrap();
    }

    #[test]
    fn grabs_that_end_cost_nothing() {
        let (_dog, mut x, mut says) = watched();
        x.set_read_timeout(Some(GRAB_MAX * 2)).unwrap();
        for _ in 0..100 {
            says.write_all(&[BEGINS]).unwrap();
            says.write_all(&[ENDS]).unwrap();
        }
        let nothing = x.read(&mut [0]).unwrap_err();
        assert_eq!(nothing.kind(), std::io::ErrorKind::WouldBlock);
    }

    #[test]
    fn a_sender_that_dies_leaves_no_connection_behind() {
        let (_dog, mut x, says) = watched();
        drop(says);
        assert_eq!(x.read(&mut [0]).unwrap(), 0);
        // A server in the middle of its last requests: an answer that it cannot write would make it leave the others undone.
        x.write_all(b"an answer").unwrap();
    }
}
