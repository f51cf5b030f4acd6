//! What `run` and its supervisor tell each other: frames on a socket pair, the first with a copy of the gate file.

use std::{
    io::{self, IoSlice, IoSliceMut, Read, Write},
    mem::MaybeUninit,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::net::UnixStream,
    },
};

use rustix::{
    cmsg_space,
    net::{
        RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
        recvmsg, sendmsg,
    },
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// No message comes near it: the largest holds the environment's additions, of which the kernel limits each to 128 KiB.
const FRAME_BYTES_MAX: u32 = 4 << 20;

/// From `run` to its supervisor.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Order {
    /// Start the child. The gate file comes with it, where there is one.
    Start(Start),
    /// The lease was renewed: its new end, nanoseconds since boot.
    Deadline(u64),
    /// Pass this signal on to the child's group.
    Signal(i32),
    /// The lease is lost: end the child's group.
    End,
    /// The lock was released: what is left of the group may stay.
    Released,
}

/// What the supervisor needs to start the child and to end it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Start {
    /// Set for the child.
    pub(super) environment: Vec<(String, String)>,
    /// Give the terminal at stdin to the child's group.
    pub(super) terminal: bool,
    /// When the lease ends unless renewed, nanoseconds since boot.
    pub(super) deadline_ns: Option<u64>,
    /// How long the group may take to end after TERM.
    pub(super) grace_ns: u64,
    /// The same for a group whose `run` is gone.
    pub(super) orphan_grace_ns: u64,
}

/// From the supervisor to `run`.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum News {
    /// It could not be started.
    NotStarted {
        /// Nothing of that name was found, as opposed to found but not executable.
        not_found: bool,
        /// Why.
        why: String,
    },
    /// The child was stopped by this signal.
    Stopped(i32),
    /// The child has ended.
    Ended(Ending),
}

/// How the child ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ending {
    /// How, in the words of shells: its exit code, or 128 + the signal that killed it.
    pub(super) status: u8,
    /// The supervisor had begun to end the group, because the lease was lost or about to end.
    pub(super) forced: bool,
}

/// One end of the socket pair.
#[derive(Debug)]
pub(super) struct Wire(UnixStream);

impl Wire {
    /// Both ends, closed on exec.
    pub(super) fn pair() -> io::Result<(Self, Self)> {
        let (ours, theirs) = UnixStream::pair()?;
        Ok((Self(ours), Self(theirs)))
    }

    /// Sends a message, with a copy of `file` if one is given.
    pub(super) fn send(&self, message: &impl Serialize, file: Option<BorrowedFd<'_>>) -> io::Result<()> {
        let body = serde_json::to_vec(message)?;
        let length = u32::try_from(body.len()).ok().filter(|length| *length <= FRAME_BYTES_MAX);
        let length = length.ok_or_else(|| io::Error::other("the environment for the child is too large"))?;
        let mut frame = length.to_be_bytes().to_vec();
        frame.extend(body);
        let files: Vec<_> = file.into_iter().collect();
        let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        if !files.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(&files)) {
            return Err(io::Error::other("no space for the gate file"));
        }
        let sent = rustix::io::retry_on_intr(|| {
            sendmsg(&self.0, &[IoSlice::new(&frame)], &mut ancillary, SendFlags::empty())
        })?;
        (&self.0).write_all(&frame[sent..])
    }

    /// Waits for a message and the file that came with it; `None` when the other end is closed.
    pub(super) fn receive<M: DeserializeOwned>(&self) -> io::Result<Option<(M, Option<OwnedFd>)>> {
        let mut length = [0; 4];
        let (read, file) = self.read_with_file(&mut length)?;
        if read == 0 {
            return Ok(None);
        }
        (&self.0).read_exact(&mut length[read..])?;
        let length = u32::from_be_bytes(length);
        if length > FRAME_BYTES_MAX {
            return Err(io::Error::other("a frame is too long"));
        }
        let mut body = vec![0; length as usize];
        (&self.0).read_exact(&mut body)?;
        Ok(Some((serde_json::from_slice(&body)?, file)))
    }

    fn read_with_file(&self, bytes: &mut [u8]) -> io::Result<(usize, Option<OwnedFd>)> {
        let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let received = rustix::io::retry_on_intr(|| {
            recvmsg(&self.0, &mut [IoSliceMut::new(bytes)], &mut ancillary, RECEIVE_FLAGS)
        });
        let read = match received {
            Ok(message) => message.bytes,
            Err(rustix::io::Errno::CONNRESET) => 0,
            Err(error) => return Err(error.into()),
        };
        let file = ancillary.drain().find_map(|message| match message {
            RecvAncillaryMessage::ScmRights(mut files) => files.next(),
            _ => None,
        });
        if let Some(file) = &file {
            // Where the flag below is unknown; the supervisor has one thread, so nothing is started in between.
            rustix::io::fcntl_setfd(file, rustix::io::FdFlags::CLOEXEC)?;
        }
        Ok((read, file))
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
const RECEIVE_FLAGS: RecvFlags = RecvFlags::CMSG_CLOEXEC;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const RECEIVE_FLAGS: RecvFlags = RecvFlags::empty();

impl AsFd for Wire {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_and_the_file_arrive() {
        let (a, b) = Wire::pair().unwrap();
        let file = tempfile::tempfile().unwrap();
        file.set_len(7).unwrap();
        a.send(&Order::Signal(15), Some(file.as_fd())).unwrap();
        a.send(&Order::End, None).unwrap();
        drop(a);
        let (order, copy) = b.receive::<Order>().unwrap().unwrap();
        assert!(matches!(order, Order::Signal(15)));
        assert_eq!(std::fs::File::from(copy.unwrap()).metadata().unwrap().len(), 7);
        assert!(matches!(b.receive::<Order>().unwrap(), Some((Order::End, None))));
        assert!(b.receive::<Order>().unwrap().is_none(), "the end of the wire");
    }
}
