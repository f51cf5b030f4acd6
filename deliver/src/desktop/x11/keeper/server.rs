//! The keeper's main thread: one loop over the display, the senders and the clock.

use std::{fs::File, io, os::unix::net::UnixListener, path::PathBuf, time::Duration};

use lock_core::{Moment, flock};
use rustix::event::{PollFd, PollFlags};
use x11rb::{
    COPY_DEPTH_FROM_PARENT, COPY_FROM_PARENT,
    connection::Connection as _,
    errors::ConnectionError,
    protocol::{
        Event,
        xfixes::{ConnectionExt as _, SelectionEventMask},
        xproto::{AtomEnum, ConnectionExt as _, CreateWindowAux, EventMask, PropMode, Window, WindowClass},
    },
    wrapper::ConnectionExt as _,
};

use super::{folder::Meeting, incr::Transfer, peer::Peer, reading::Reading, side::Side, watchdog::Watchdog};
use crate::desktop::{
    Refusal,
    x11::{
        connection::{Display, During as _, XWayland},
        stream::wait_for,
    },
};

/// How long a keeper that is not needed stays: senders often come in a row, and starting anew costs each of them
/// milliseconds.
const LINGER: Duration = Duration::from_secs(2);

/// Events of the display that are handled before senders are heard again.
const EVENTS_IN_A_ROW: usize = 32;

/// A running keeper.
#[derive(Debug)]
pub(super) struct Keeper {
    pub(super) display: Display,
    /// Owns the selections.
    pub(super) window: Window,
    pub(super) sides: [Side; 2],
    pub(super) peers: Vec<Peer>,
    pub(super) transfers: Vec<Transfer>,
    pub(super) readings: Vec<Reading>,
    pub(super) nonce: u64,
    pub(super) peers_so_far: u64,
    pub(super) watchdog: Watchdog,
    pub(super) listener: UnixListener,
    socket: PathBuf,
    /// The right to be the keeper.
    lock: File,
    unneeded_since: Option<Moment>,
    /// Senders whose connection broke while they were told something.
    pub(super) hung_up: Vec<u64>,
}

impl Keeper {
    /// Connects to the display and opens the socket.
    pub(super) fn open(display: &str, meeting: &Meeting, lock: File) -> Result<Self, Refusal> {
        let refused = |error: io::Error| Refusal::NoDisplay {
            display: display.to_owned(),
            why: format!("its clipboard keeper cannot start: {error}"),
        };
        // It touches no device: whether to deliver there was its starter's to decide.
        let display = Display::connect(Some(display), XWayland::Doubt)?;
        let window = own_window(&display)?;
        let nonce = sign(&display, window)?;
        let sides = [Side::new(display.atoms.CLIPBOARD), Side::new(AtomEnum::PRIMARY.into())];
        for side in &sides {
            let mask = SelectionEventMask::SET_SELECTION_OWNER
                | SelectionEventMask::SELECTION_WINDOW_DESTROY
                | SelectionEventMask::SELECTION_CLIENT_CLOSE;
            display.x.xfixes_select_selection_input(window, side.name, mask).during("watching the clipboard")?;
        }
        display.round_trip("watching the clipboard")?;
        // It has no sender to hurry for: a grab of somebody else's is waited for.
        display.answer_whenever();
        let watchdog = Watchdog::start().map_err(refused)?;
        let socket = meeting.socket();
        // A killed keeper's. No living one has it: we hold the lock.
        match std::fs::remove_file(&socket) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(refused(error)),
            _ => {}
        }
        let listener = UnixListener::bind(&socket).map_err(refused)?;
        listener.set_nonblocking(true).map_err(refused)?;
        Ok(Self {
            display,
            window,
            sides,
            peers: Vec::new(),
            transfers: Vec::new(),
            readings: Vec::new(),
            nonce,
            peers_so_far: 0,
            watchdog,
            listener,
            socket,
            lock,
            unneeded_since: None,
            hung_up: Vec::new(),
        })
    }

    /// Serves until nobody needs it, or the display is gone.
    pub(super) fn serve(mut self) -> Result<(), Refusal> {
        loop {
            let mut busy = self.handle_events()?;
            self.put_back_due()?;
            self.make_firm_due()?;
            self.give_up_transfers(None)?;
            self.let_go()?;
            let needed = !self.peers.is_empty() || self.sides.iter().any(Side::owns);
            self.unneeded_since = if needed { None } else { self.unneeded_since.or_else(|| Some(Moment::now())) };
            if self.unneeded_since.is_some_and(|since| since.elapsed() >= LINGER) {
                return Ok(());
            }
            self.display.x.flush().during("serving the clipboard")?;
            // Answers that were waited for above may have brought events with them, which no poll would report.
            if let Some(event) = self.display.x.poll_for_event().during("serving the clipboard")? {
                self.handle(event)?;
                busy = true;
            }
            self.wait_and_hear(busy)?;
        }
    }

    /// Waits for an event that `pick` likes, and handles all others meanwhile; `None` at `until`.
    pub(super) fn await_event<T>(
        &mut self,
        until: Moment,
        mut pick: impl FnMut(&Event) -> Option<T>,
    ) -> Result<Option<T>, Refusal> {
        const DOING: &str = "serving the clipboard";
        loop {
            self.display.x.flush().during(DOING)?;
            while let Some(event) = self.display.x.poll_for_event().during(DOING)? {
                match pick(&event) {
                    Some(picked) => return Ok(Some(picked)),
                    None => self.handle(event)?,
                }
                self.display.x.flush().during(DOING)?;
            }
            let mut fds = [PollFd::new(self.display.x.stream(), PollFlags::IN)];
            if !wait_for(&mut fds, Some(until)).map_err(ConnectionError::from).during(DOING)? {
                return Ok(None);
            }
        }
    }

    /// Handles what there is, but not so much that senders go unheard: some programs ask for the clipboard again as soon as
    /// they have been answered. `true` when more may be there.
    fn handle_events(&mut self) -> Result<bool, Refusal> {
        for _ in 0..EVENTS_IN_A_ROW {
            let Some(event) = self.display.x.poll_for_event().during("serving the clipboard")? else {
                return Ok(false);
            };
            self.handle(event)?;
        }
        Ok(true)
    }

    fn handle(&mut self, event: Event) -> Result<(), Refusal> {
        match event {
            Event::SelectionRequest(request) => self.serve_request(&request)?,
            Event::PropertyNotify(change) => {
                self.note_reading(&change)?;
                self.next_piece(&change)?;
            }
            Event::DestroyNotify(gone) => self.give_up_transfers(Some(gone.window))?,
            Event::XfixesSelectionNotify(change) => {
                let side = self.sides.iter().position(|side| side.name == change.selection && side.owns());
                // A claim for the click before the offer is taken back as soon as the server's clock allows.
                let side = side.filter(|at| self.sides[*at].not_firm.is_none());
                // The news may be older than our own taking, which it then does not undo: the server knows who owns it now.
                if let Some(at) = side.filter(|_| change.owner != self.window)
                    && self.owner(at)? != self.window
                {
                    self.lose(at, change.owner);
                }
            }
            // Of a requestor that has gone meanwhile.
            Event::Error(error) => tracing::trace!(?error, "an X error while serving"),
            _ => {}
        }
        Ok(())
    }

    /// Waits for something to do, unless it is `busy`, and hears what senders say.
    fn wait_and_hear(&mut self, busy: bool) -> Result<(), Refusal> {
        let until = self.sides.iter().filter_map(|side| Some(side.put_back?.at)).chain(self.first_give_up());
        let until = until.chain(self.sides.iter().filter_map(|side| Some(side.not_firm?.ask_at)));
        let until = until.chain(self.unneeded_since.map(|since| since + LINGER));
        let until = until.chain(busy.then(Moment::now)).min();
        let mut fds =
            vec![PollFd::new(self.display.x.stream(), PollFlags::IN), PollFd::new(&self.listener, PollFlags::IN)];
        for peer in &self.peers {
            let out = if peer.has_unsent() { PollFlags::OUT } else { PollFlags::empty() };
            fds.push(PollFd::new(peer, PollFlags::IN | out));
        }
        wait_for(&mut fds, until).map_err(ConnectionError::from).during("serving the clipboard")?;
        let ready: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
        drop(fds);
        if ready[1] {
            self.accept();
        }
        let numbers: Vec<u64> = self.peers.iter().map(|peer| peer.number).collect();
        for (number, _) in numbers.into_iter().zip(&ready[2..]).filter(|(_, ready)| **ready) {
            self.hear(number)?;
        }
        Ok(())
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        // First the name, so that senders from now on start a new keeper; then the right to be one.
        if let Err(error) = std::fs::remove_file(&self.socket) {
            tracing::debug!(%error, "the keeper's socket was removed already");
        }
        if let Err(error) = flock::unlock(&self.lock) {
            tracing::debug!(%error, "the keeper's lock ends with its process");
        }
    }
}

fn own_window(display: &Display) -> Result<Window, Refusal> {
    const DOING: &str = "making the window that owns the clipboard";
    let window = display.x.generate_id().during(DOING)?;
    let events = CreateWindowAux::new().event_mask(EventMask::PROPERTY_CHANGE).override_redirect(1);
    let (depth, class) = (COPY_DEPTH_FROM_PARENT, WindowClass::INPUT_OUTPUT);
    let made = display.x.create_window(depth, window, display.root, -1, -1, 1, 1, 0, class, COPY_FROM_PARENT, &events);
    made.during(DOING)?.check().during(DOING)?;
    Ok(window)
}

/// Writes a number on the window that a sender can compare: it is then on the same server as this keeper.
fn sign(display: &Display, window: Window) -> Result<u64, Refusal> {
    const DOING: &str = "signing the window that owns the clipboard";
    let low = getrandom::u32().map_err(|error| Refusal::Disconnected { during: DOING, why: error.to_string() })?;
    let high = getrandom::u32().map_err(|error| Refusal::Disconnected { during: DOING, why: error.to_string() })?;
    let name = display.atoms._TALKSTICK_KEEPER;
    let written = display.x.change_property32(PropMode::REPLACE, window, name, AtomEnum::CARDINAL, &[low, high]);
    written.during(DOING)?.check().during(DOING)?;
    Ok(u64::from(low) | u64::from(high) << 32)
}
