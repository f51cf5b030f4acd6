//! The keeper's side of one sender's connection.

use std::{io::IoSliceMut, mem::MaybeUninit, os::unix::net::UnixStream};

use rustix::{
    fd::{AsFd, BorrowedFd, OwnedFd},
    io::Errno,
    net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendFlags, recv, recvmsg, send},
};

use super::{
    super::stream::QUIETLY,
    frame::{FromKeeper, Inflow, ToKeeper, frame},
    watchdog::Watched,
};

/// Bytes that wait for a sender to read them. One that is stopped for long is let go: receipts are small.
const UNREAD_BYTES_MAX: usize = 1024 * 1024;

/// One connected sender.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) number: u64,
    socket: UnixStream,
    inflow: Inflow,
    unsent: Vec<u8>,
    greeted: bool,
    /// Whether it is to be waited for before what was there before is put back: since it came, until it is done.
    pub(super) in_line: bool,
}

/// What a sender said.
#[derive(Debug)]
pub(super) enum Said {
    /// Its first word: the descriptors to watch.
    Hello(Watched),
    Message(ToKeeper),
}

/// The sender is gone, or broke the protocol: close it.
#[derive(Debug)]
pub(super) struct Hangup(pub(super) String);

impl Peer {
    /// Takes a connection, if it is one of the same user.
    pub(super) fn accept(socket: UnixStream, number: u64) -> Result<Self, Hangup> {
        check_user(&socket)?;
        socket.set_nonblocking(true).map_err(|error| Hangup(error.to_string()))?;
        Ok(Self { number, socket, inflow: Inflow::default(), unsent: Vec::new(), greeted: false, in_line: true })
    }

    /// Everything that it has said so far, without waiting.
    pub(super) fn hear(&mut self) -> Result<Vec<Said>, Hangup> {
        let mut said = Vec::new();
        if !self.greeted {
            let Some(watched) = self.hello()? else { return Ok(said) };
            self.greeted = true;
            said.push(Said::Hello(watched));
        }
        let mut bytes = [0; 64 * 1024];
        match recv(&self.socket, &mut bytes, RecvFlags::DONTWAIT) {
            Ok((0, _)) => return Err(Hangup("it has gone".into())),
            Ok((length, _)) => self.inflow.push(&bytes[..length]),
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(error) => return Err(Hangup(error.to_string())),
        }
        while let Some(message) = self.inflow.next().map_err(|error| Hangup(error.to_string()))? {
            said.push(Said::Message(message));
        }
        Ok(said)
    }

    /// The first byte carries two descriptors. Any beyond are closed by being dropped.
    fn hello(&self) -> Result<Option<Watched>, Hangup> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
        let mut rights = RecvAncillaryBuffer::new(&mut space);
        let mut byte = [0];
        let flags = RecvFlags::DONTWAIT | close_on_exec();
        match recvmsg(&self.socket, &mut [IoSliceMut::new(&mut byte)], &mut rights, flags) {
            Ok(read) if read.bytes == 0 => return Err(Hangup("it has gone".into())),
            Ok(_) => {}
            Err(Errno::AGAIN | Errno::INTR) => return Ok(None),
            Err(error) => return Err(Hangup(error.to_string())),
        }
        let mut fds: Vec<OwnedFd> = Vec::new();
        for message in rights.drain() {
            if let RecvAncillaryMessage::ScmRights(received) = message {
                fds.extend(received);
            }
        }
        let mut fds = fds.into_iter();
        match (fds.next(), fds.next()) {
            (Some(x), Some(says)) => Ok(Some(Watched { x, says })),
            _ => Err(Hangup("its first word brought no descriptors".into())),
        }
    }

    /// Says something, now or when the sender reads again.
    pub(super) fn tell(&mut self, message: &FromKeeper) -> Result<(), Hangup> {
        self.unsent.extend(frame(message).map_err(|error| Hangup(error.to_string()))?);
        self.flush()?;
        match self.unsent.len() > UNREAD_BYTES_MAX {
            true => Err(Hangup("it does not read".into())),
            false => Ok(()),
        }
    }

    /// Sends what waits, as far as the sender reads.
    pub(super) fn flush(&mut self) -> Result<(), Hangup> {
        while !self.unsent.is_empty() {
            match send(&self.socket, &self.unsent, QUIETLY | SendFlags::DONTWAIT) {
                Ok(sent) => drop(self.unsent.drain(..sent)),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Ok(()),
                Err(error) => return Err(Hangup(error.to_string())),
            }
        }
        Ok(())
    }

    pub(super) fn has_unsent(&self) -> bool {
        !self.unsent.is_empty()
    }
}

impl AsFd for Peer {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn check_user(socket: &UnixStream) -> Result<(), Hangup> {
    let peer = rustix::net::sockopt::socket_peercred(socket).map_err(|error| Hangup(error.to_string()))?;
    match peer.uid == rustix::process::geteuid() {
        true => Ok(()),
        false => Err(Hangup(format!("it is of user {}", peer.uid.as_raw()))),
    }
}

/// Elsewhere the folder of the socket is what keeps others out.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn check_user(_socket: &UnixStream) -> Result<(), Hangup> {
    Ok(())
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn close_on_exec() -> RecvFlags {
    RecvFlags::CMSG_CLOEXEC
}

/// The keeper starts no programs.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn close_on_exec() -> RecvFlags {
    RecvFlags::empty()
}
