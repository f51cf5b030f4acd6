//! The verified X11 driver: every act is checked and done under one server grab, over one connection.
//!
//! A lock alone does not make a delivery right. Targets focus, fetch and insert in their own time, and other programs move
//! windows and take selections in theirs. So this driver waits for what the server itself reports, and presses keys only in
//! the same grab in which it has seen that they go to the bound window.
//!
//! | step | what the server must say |
//! |---|---|
//! | click | the bound window is what lies under the point; the pointer arrived there; nobody holds keys or buttons |
//! | focus | the focus is on the chain of windows under the pointer, or keys follow the pointer |
//! | offer | the keeper owns the selection, since a time of the server's own clock |
//! | press | all of this still holds; nobody grabs a device or the chord; then keys and ungrab in one write |
//! | fetch | the target's own client was served the text after the keys were pressed, and the server passed it on |
//!
//! What X cannot tell: which of several input boxes inside one window has the focus, and that a key was acted on. The former
//! many programs tell by accessibility, and then it is checked, too: before each key, not in one act with it.

mod accessibility;
mod atoms;
mod bind;
mod connection;
mod display_name;
mod fetch;
mod focus;
mod grabs;
mod guarded;
mod hindrance;
pub mod keeper;
mod keyboard;
mod mark;
mod own_input;
mod person;
mod pointer;
mod press;
mod pressed;
mod probe;
mod screens;
#[cfg(test)]
mod stopped;
mod stream;
mod sweep;
mod unsent;
#[cfg(not(target_os = "macos"))]
mod watched;
mod window;

use std::{
    cell::{Cell, RefCell},
    time::Duration,
};

use lock_core::{Moment, Permit};
use x11rb::{
    COPY_DEPTH_FROM_PARENT, COPY_FROM_PARENT,
    connection::Connection as _,
    protocol::xproto::{
        Atom, AtomEnum, ConnectionExt as _, CreateWindowAux, EventMask, Timestamp, Window, WindowClass,
    },
};

use self::{
    accessibility::{Accessibility, FocusedBox},
    bind::Target,
    connection::{Display, During as _},
    fetch::{Offer, late},
    keeper::{KeeperClient, KeeperCommand, Offered, Watch},
    keyboard::Keyboard,
    mark::Mark,
    person::OtherInput,
    pointer::Moved,
    press::still_permitted,
    screens::Screens,
    unsent::OnTarget,
};
use super::{Bound, Chord, Desktop, FetchRule, Fetched, InputBox, Place, Refusal, Selection, Sight, Unsent};
use crate::MessageId;

pub use connection::XWayland;
pub use display_name::display_name;
#[cfg(not(target_os = "macos"))]
pub(super) use keyboard::KeyStroke;
pub use probe::{Probe, probe};
pub use screens::Screen;

/// How long the keeper may take to own the clipboard: it saves first what is there, which has a bound of its own.
const OFFER_WITHIN: Duration = Duration::from_secs(6);
/// How long it may take to give it back.
const RESTORE_WITHIN: Duration = Duration::from_secs(1);

/// One X11 display, driven with proof.
///
/// It refuses [`Refusal::Grabbed`] for the "X server" when the server does not answer for two seconds, and closes its
/// connection then; [`Refusal::Disconnected`] when its connection broke, also by the watchdog because a grab of this process
/// lasted too long. Both leave a desktop that refuses everything: connect anew.
///
/// A refusal of [`Desktop::paste`] and [`Desktop::submit`] means that nothing was pressed, except [`Refusal::Disconnected`],
/// which tells nothing.
#[derive(Debug)]
pub struct X11Desktop {
    display: Display,
    keeper: KeeperClient,
    watch: Watch,
    /// Where the session has a bus for it.
    accessibility: Option<Accessibility>,
    /// The input box that was seen to have the focus.
    focused_box: Option<FocusedBox>,
    keyboard: Keyboard,
    /// The server has said that the keyboard's mapping changed.
    keyboard_is_stale: Cell<bool>,
    /// Modifiers and layout as last seen.
    keyboard_state: u16,
    /// Focus, pointer or key grabs have changed in a watched window.
    stirred: Cell<bool>,
    /// Never shown: the window of grabs that are meant to fail, and of changes that the server stamps with its time.
    probe_window: Window,
    target: Option<Target>,
    offer: Option<Offer>,
    /// The note on the target as it was before the paste.
    note_before: Option<OnTarget>,
    offers_so_far: u64,
    moved: Option<Moved>,
    /// The server's time of the last click.
    clicked_at: Cell<Option<Timestamp>>,
    /// Input that is not ours.
    other_input: RefCell<OtherInput>,
    /// Whether this is the one sender at work on the display.
    mark: Cell<Mark>,
}

impl X11Desktop {
    /// Connects to a display (`None`: the one that DISPLAY names) and to its keeper, started by `keeper` where there is
    /// none. To be called before the lock is taken: all that is slow is done here.
    ///
    /// # Errors
    /// [`Refusal::NoDisplay`] says what is missing; the server's own answers decide, not what a session is called.
    pub fn connect(display: Option<&str>, keeper: &KeeperCommand) -> Result<Self, Refusal> {
        Self::connect_even_to(XWayland::Refuse, display, keeper)
    }

    /// As [`Self::connect`], with a choice about XWayland.
    ///
    /// # Errors
    /// As there; [`Refusal::Wayland`] where it is refused.
    pub fn connect_even_to(xwayland: XWayland, display: Option<&str>, keeper: &KeeperCommand) -> Result<Self, Refusal> {
        let display = Display::connect(display, xwayland)?;
        let keyboard = Keyboard::read(&display)?;
        let probe_window = unseen_window(&display)?;
        display.sign(probe_window)?;
        let (keeper, watch) = KeeperClient::connect(&display, keeper)?;
        Ok(Self {
            display,
            keeper,
            watch,
            accessibility: Accessibility::connect(),
            focused_box: None,
            keyboard,
            keyboard_is_stale: Cell::new(false),
            keyboard_state: 0,
            stirred: Cell::new(false),
            probe_window,
            target: None,
            offer: None,
            note_before: None,
            offers_so_far: 0,
            moved: None,
            clicked_at: Cell::new(None),
            other_input: RefCell::default(),
            mark: Cell::default(),
        })
    }

    /// The monitors, read anew.
    ///
    /// # Errors
    /// The connection broke, or the server does not answer.
    pub fn screens(&self) -> Result<Vec<Screen>, Refusal> {
        self.display.answer_soon();
        Ok(Screens::read(&self.display)?.list)
    }

    fn selection_atom(&self, selection: Selection) -> Atom {
        match selection {
            Selection::Clipboard => self.display.atoms.CLIPBOARD,
            Selection::Primary => AtomEnum::PRIMARY.into(),
        }
    }

    /// What is known about a bound target, beyond what the protocol carries.
    fn target(&self, bound: &Bound) -> Result<Target, Refusal> {
        if let Some(target) = self.target.clone().filter(|target| u64::from(target.window) == bound.window) {
            return Ok(target);
        }
        let window = Window::try_from(bound.window);
        let window = window.map_err(|_| Refusal::TargetGone(format!("{} is no X11 window", bound.window)))?;
        let point = Screens::read(&self.display)?.to_root(bound.point)?;
        Ok(Target { window, point, chain: self.display.chain_at(point, &[])? })
    }
}

impl Desktop for X11Desktop {
    fn sight(&self) -> Sight {
        let doubt = self.display.xwayland.then_some("its display is XWayland, whose compositor leads the keys");
        Sight { doubt, ..Sight::FULL }
    }

    fn watch(&mut self, permit: Option<&Permit<'_>>, idle: Duration) -> Result<Vec<String>, Refusal> {
        if let Some(permit) = permit {
            self.take_mark(permit)?;
        }
        self.begin_watch(permit.is_none(), idle)
    }

    fn unwatch(&mut self) {
        self.give_mark_back();
        self.end_watch();
    }

    fn still_hindered(
        &mut self,
        hindrance: Option<&Refusal>,
        target: Option<&Bound>,
        idle: Duration,
    ) -> Result<Option<Refusal>, Refusal> {
        self.drain_events()?;
        self.look_for_hindrance(hindrance, target, idle)
    }

    fn await_change(&mut self, until: Moment) -> Result<(), Refusal> {
        self.drain_events()?;
        self.await_event(until)
    }

    fn bind(&mut self, place: &Place) -> Result<Bound, Refusal> {
        self.drain_events()?;
        let (bound, target) = self.display.find(place)?;
        self.target = Some(target);
        Ok(bound)
    }

    fn sweep(&mut self, permit: &Permit<'_>) -> Result<Vec<String>, Refusal> {
        self.drain_events()?;
        still_permitted(permit)?;
        self.release_left_down()
    }

    fn click(&mut self, permit: &Permit<'_>, target: &Bound) -> Result<(), Refusal> {
        self.drain_events()?;
        let target = self.target(target)?;
        self.click_target(permit, &target)
    }

    fn await_focus(&mut self, target: &Bound, until: Moment) -> Result<InputBox, Refusal> {
        self.drain_events()?;
        let target = self.target(target)?;
        self.await_focus_on(&target, until)?;
        self.await_box(&target, until)
    }

    fn offer(&mut self, permit: &Permit<'_>, text: &str, selection: Selection) -> Result<(), Refusal> {
        still_permitted(permit)?;
        self.drain_events()?;
        self.offers_so_far += 1;
        let number = self.offers_so_far;
        self.offer = None;
        let client = self.target.as_ref().map_or(0, |target| self.display.client_of(target.window));
        let click = (self.clicked_at.take(), client);
        match self.keeper.offer(number, selection, text, click, Moment::now() + OFFER_WITHIN)? {
            Offered::Owned => {
                self.offer = Some(Offer::new(number, selection));
                Ok(())
            }
            Offered::OwnedBy(owner) => {
                self.drain_events()?;
                Err(Refusal::ClipboardTaken { by: self.describe_owner(owner)? })
            }
            Offered::NoAnswer => Err(late("offering the text")),
        }
    }

    fn paste(
        &mut self,
        permit: &Permit<'_>,
        target: &Bound,
        chord: &Chord,
        id: &MessageId,
    ) -> Result<Option<Unsent>, Refusal> {
        self.press_on(permit, target, chord, Some(id))
    }

    fn submit(&mut self, permit: &Permit<'_>, target: &Bound, chord: &Chord, seen: bool) -> Result<(), Refusal> {
        self.press_on(permit, target, chord, None)?;
        if seen {
            self.note_enter();
        }
        Ok(())
    }

    fn await_fetched(&mut self, target: &Bound, rule: FetchRule, until: Moment) -> Result<Fetched, Refusal> {
        self.drain_events()?;
        let target = self.target(target)?;
        self.await_fetches(&target, rule, until)
    }

    fn restore(&mut self, permit: &Permit<'_>) -> Result<(), Refusal> {
        // The clipboard first: it is given back by the keeper, under a lost lease and over a broken connection too.
        let clipboard = match self.offer.take() {
            Some(_) => self.keeper.restore(Moment::now() + RESTORE_WITHIN),
            None => Ok(None),
        };
        if self.moved.is_some() {
            still_permitted(permit)?;
            self.drain_events()?;
            self.restore_pointer()?;
        }
        if let Some(missing) = clipboard? {
            tracing::warn!(missing, "the clipboard was not restored in full");
        }
        Ok(())
    }
}

fn unseen_window(display: &Display) -> Result<Window, Refusal> {
    const DOING: &str = "making a window";
    let window = display.x.generate_id().during(DOING)?;
    let aux = CreateWindowAux::new().override_redirect(1).event_mask(EventMask::PROPERTY_CHANGE);
    let class = WindowClass::INPUT_ONLY;
    let made = display.x.create_window(
        COPY_DEPTH_FROM_PARENT,
        window,
        display.root,
        -1,
        -1,
        1,
        1,
        0,
        class,
        COPY_FROM_PARENT,
        &aux,
    );
    made.during(DOING)?.check().during(DOING)?;
    Ok(window)
}
