//! A sender's side of the keeper: connecting (and starting one), offers, receipts, and the watched grab.

use std::{
    collections::VecDeque,
    io::{self, IoSlice},
    mem::MaybeUninit,
    os::unix::net::UnixStream,
    time::Duration,
};

use lock_core::Moment;
use rustix::{
    event::{PollFd, PollFlags},
    fd::AsFd as _,
    io::Errno,
    net::{RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, recv, send, sendmsg},
};
use x11rb::protocol::xproto::{AtomEnum, ConnectionExt as _, Timestamp, Window};

use super::{
    KeeperCommand,
    folder::Meeting,
    frame::{FromKeeper, Inflow, ToKeeper, VERSION, frame},
    watch::Watch,
    watchdog::WATCHING,
};
use crate::desktop::{
    Refusal, Selection,
    x11::{
        connection::{Display, unless_gone},
        stream::{QUIETLY, wait_for},
    },
};

/// How long a keeper may take to come up, on a machine that is busy.
const START_WITHIN: Duration = Duration::from_secs(5);
/// Between two tries to meet a keeper that another sender has just started, or that is just ending.
const TRY_AGAIN_AFTER: Duration = Duration::from_millis(2);

/// The connection to a keeper.
#[derive(Debug)]
pub(in super::super) struct KeeperClient {
    socket: UnixStream,
    inflow: Inflow,
    heard: VecDeque<FromKeeper>,
    /// The window that owns the selections.
    pub(in super::super) window: Window,
}

impl KeeperClient {
    /// Meets the keeper of `display`, started with `command` where there is none.
    pub(in super::super) fn connect(display: &Display, command: &KeeperCommand) -> Result<(Self, Watch), Refusal> {
        let refused = |why: String| Refusal::NoDisplay { display: display.name.clone(), why };
        let until = Moment::now() + START_WITHIN;
        let meeting = Meeting::of(&display.name).map_err(|error| refused(format!("its clipboard keeper: {error}")))?;
        let mut tried_to_start = false;
        loop {
            let last = match Self::greet(display, &meeting, until) {
                Ok(met) => return Ok(met),
                Err(Meet::Refused(why)) => return Err(refused(why)),
                Err(Meet::Nobody(error)) => error,
            };
            if until.is_past() {
                return Err(refused(format!("its clipboard keeper does not answer: {last}")));
            }
            if tried_to_start {
                std::thread::sleep(TRY_AGAIN_AFTER);
            }
            command.start(&display.name, until).map_err(refused)?;
            tried_to_start = true;
        }
    }

    fn greet(display: &Display, meeting: &Meeting, until: Moment) -> Result<(Self, Watch), Meet> {
        let socket = UnixStream::connect(meeting.socket())?;
        let (says, heard) = UnixStream::pair()?;
        hand_over(&socket, display, heard)?;
        socket.set_nonblocking(true)?;
        let mut client = Self { socket, inflow: Inflow::default(), heard: VecDeque::new(), window: 0 };
        // A keeper that was just ending closes the socket instead: the next try finds none and starts one.
        let Some(FromKeeper::Welcome { version, window, nonce }) = client.next(until)? else {
            return Err(Meet::Nobody(io::Error::new(io::ErrorKind::TimedOut, "no welcome came")));
        };
        if version != VERSION {
            let why =
                format!("its clipboard keeper speaks version {version}, this program {VERSION}; end that program");
            return Err(Meet::Refused(why));
        }
        // A keeper that is starting, or late, may have taken longer than the server may.
        display.answer_soon();
        if read_nonce(display, window).map_err(|refusal| Meet::Refused(refusal.to_string()))? != Some(nonce) {
            // The keeper of a display of the same number that is gone: it ends as soon as it notices.
            return Err(Meet::Nobody(io::Error::other("the keeper found serves another display")));
        }
        client.window = window;
        await_watchdog(&says, until)?;
        Ok((client, Watch::new(says.into())))
    }

    /// Asks for a selection to be owned with `text`, for a click at the time `after` on a window of `client`, and waits for
    /// the server's word on it.
    /// [`FromKeeper::Firm`] follows.
    pub(in super::super) fn offer(
        &mut self,
        offer: u64,
        selection: Selection,
        text: &str,
        (after, client): (Option<Timestamp>, u32),
        until: Moment,
    ) -> Result<Offered, Refusal> {
        const DOING: &str = "offering the text";
        self.say(&ToKeeper::Offer { offer, selection, text: text.to_owned(), after, client }, until)
            .map_err(broke(DOING))?;
        loop {
            match self.next(until).map_err(broke(DOING))? {
                Some(FromKeeper::Offered { offer: of }) if of == offer => return Ok(Offered::Owned),
                Some(FromKeeper::NotOffered { offer: of, owner }) if of == offer => return Ok(Offered::OwnedBy(owner)),
                // Of an offer before.
                Some(_) => {}
                None => return Ok(Offered::NoAnswer),
            }
        }
    }

    /// The next receipt; `None` at `until`. `during` completes "the connection broke while ...".
    pub(in super::super) fn receipt(
        &mut self,
        until: Moment,
        during: &'static str,
    ) -> Result<Option<FromKeeper>, Refusal> {
        self.next(until).map_err(broke(during))
    }

    /// Says that this sender is done; returns what could not be restored.
    pub(in super::super) fn restore(&mut self, until: Moment) -> Result<Option<String>, Refusal> {
        const DOING: &str = "giving the clipboard back";
        self.say(&ToKeeper::Restore, until).map_err(broke(DOING))?;
        loop {
            match self.next(until).map_err(broke(DOING))? {
                Some(FromKeeper::Restored { missing }) => return Ok(missing),
                Some(_) => {}
                None => return Ok(Some("the clipboard's keeper did not answer in time".into())),
            }
        }
    }

    fn say(&mut self, message: &ToKeeper, until: Moment) -> io::Result<()> {
        let bytes = frame(message).map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            match send(&self.socket, rest, QUIETLY) {
                Ok(sent) => rest = &rest[sent..],
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => {
                    // Heard meanwhile, or both sides could wait for each other to read.
                    let mut fds = [PollFd::new(&self.socket, PollFlags::IN | PollFlags::OUT)];
                    if !wait_for(&mut fds, Some(until))? {
                        return Err(io::Error::new(io::ErrorKind::TimedOut, "the keeper does not read"));
                    }
                    self.hear()?;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn next(&mut self, until: Moment) -> io::Result<Option<FromKeeper>> {
        loop {
            if let Some(message) = self.heard.pop_front() {
                return Ok(Some(message));
            }
            if self.hear()? == 0 && !wait_for(&mut [PollFd::new(&self.socket, PollFlags::IN)], Some(until))? {
                return Ok(None);
            }
        }
    }

    /// Reads what there is, without waiting; says how many bytes.
    fn hear(&mut self) -> io::Result<usize> {
        let mut bytes = [0; 4096];
        match recv(&self.socket, &mut bytes, RecvFlags::DONTWAIT) {
            Ok((0, _)) => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the clipboard's keeper has ended")),
            Ok((length, _)) => {
                self.inflow.push(&bytes[..length]);
                while let Some(message) = self.inflow.next().map_err(io::Error::other)? {
                    self.heard.push_back(message);
                }
                Ok(length)
            }
            Err(Errno::AGAIN | Errno::INTR) => Ok(0),
            Err(error) => Err(error.into()),
        }
    }
}

/// What came of an offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Offered {
    Owned,
    /// By this window instead.
    OwnedBy(Window),
    NoAnswer,
}

pub(super) fn broke(during: &'static str) -> impl Fn(io::Error) -> Refusal {
    move |error| Refusal::Disconnected { during, why: error.to_string() }
}

/// Why a keeper was not met.
enum Meet {
    /// There is none, or it is just ending: worth starting one.
    Nobody(io::Error),
    Refused(String),
}

impl From<io::Error> for Meet {
    fn from(error: io::Error) -> Self {
        Self::Nobody(error)
    }
}

/// Gives the keeper copies of the X connection and of its end of the watch socket.
fn hand_over(socket: &UnixStream, display: &Display, watch: UnixStream) -> io::Result<()> {
    let fds = [display.x.stream().as_fd(), watch.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
    let mut rights = SendAncillaryBuffer::new(&mut space);
    if !rights.push(SendAncillaryMessage::ScmRights(&fds)) {
        return Err(io::Error::other("no room for two descriptors"));
    }
    sendmsg(socket, &[IoSlice::new(&[0])], &mut rights, QUIETLY)?;
    Ok(())
}

fn read_nonce(display: &Display, window: Window) -> Result<Option<u64>, Refusal> {
    const DOING: &str = "meeting the clipboard's keeper";
    let atom = display.atoms._TALKSTICK_KEEPER;
    let asked = display.x.get_property(false, window, atom, AtomEnum::CARDINAL, 0, 2);
    let answer = unless_gone(asked.map_err(Into::into).and_then(x11rb::cookie::Cookie::reply), DOING)?;
    let halves: Option<Vec<u32>> = answer.and_then(|property| Some(property.value32()?.collect()));
    Ok(halves.and_then(|halves| match halves[..] {
        [low, high] => Some(u64::from(low) | u64::from(high) << 32),
        _ => None,
    }))
}

fn await_watchdog(socket: &UnixStream, until: Moment) -> io::Result<()> {
    if !wait_for(&mut [PollFd::new(socket, PollFlags::IN)], Some(until))? {
        return Err(io::Error::new(io::ErrorKind::TimedOut, "the watchdog does not answer"));
    }
    let mut word = [0];
    match recv(socket, &mut word, RecvFlags::DONTWAIT)? {
        (1, _) if word == [WATCHING] => Ok(()),
        _ => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the watchdog does not watch")),
    }
}
