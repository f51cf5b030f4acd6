//! The pointer: click, nudge, and back to where it was.

use lock_core::{Moment, Permit};
use x11rb::{
    connection::Connection as _,
    errors::ConnectionError,
    protocol::xproto::{
        AtomEnum, BUTTON_PRESS_EVENT, BUTTON_RELEASE_EVENT, ClientMessageEvent, ConnectionExt as _, EventMask,
        MOTION_NOTIFY_EVENT, PropMode, Window,
    },
    wrapper::ConnectionExt as _,
};

use super::{
    X11Desktop,
    bind::Target,
    connection::{Display, During as _},
    guarded::ServerGrab,
    keyboard::buttons,
    press::still_permitted,
    stream::wait_for,
};
use crate::desktop::Refusal;

const DOING: &str = "clicking";
/// How long a window manager may take to raise the target.
const RAISED_WITHIN: std::time::Duration = std::time::Duration::from_millis(500);
/// The left button.
pub(super) const BUTTON: u8 = 1;

/// Where the pointer was before the first act, and where that act put it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moved {
    was: (i16, i16),
    ours: (i16, i16),
}

impl Moved {
    /// The pointer is at `position` and goes to `ours`; an earlier move of the same delivery knows where it was first.
    pub(super) fn since(earlier: Option<Self>, position: (i16, i16), ours: (i16, i16)) -> Self {
        Self { was: earlier.map_or(position, |moved| moved.was), ours }
    }
}

/// What came of an attempt to click.
enum Clicked {
    Done,
    /// Something else lies over the point: these windows.
    Covered(Vec<Window>),
}

impl X11Desktop {
    pub(super) fn click_target(&mut self, permit: &Permit<'_>, target: &Target) -> Result<(), Refusal> {
        let covered_by = match self.while_grabs_pass(|driver| driver.try_click(permit, target))? {
            Clicked::Done => return Ok(()),
            Clicked::Covered(by) => by,
        };
        self.refuse_if_gone(target)?;
        let covered_by = match self.raise(target, covered_by)? {
            Some(by) => by,
            None => match self.while_grabs_pass(|driver| driver.try_click(permit, target))? {
                Clicked::Done => return Ok(()),
                Clicked::Covered(by) => by,
            },
        };
        Err(Refusal::Covered { by: self.display.describe(&covered_by)? })
    }

    fn try_click(&mut self, permit: &Permit<'_>, target: &Target) -> Result<Clicked, Refusal> {
        let grab = ServerGrab::begin(&self.display, &self.watch)?;
        let grabbed = self.display.ask_for_grabs(self.probe_window)?;
        let before = self.display.under_pointer(&[])?;
        self.drain_events()?;
        self.refuse_other_input()?;
        grabbed.refuse()?;
        self.refuse_held(before.state)?;
        let chain = self.display.chain_at(target.point, &target.chain)?;
        if !self.display.leads_to(&chain, target) {
            drop(grab);
            return Ok(Clicked::Covered(chain));
        }
        // Asked before the first event: from here on something is touched.
        still_permitted(permit)?;
        self.moved = Some(Moved::since(self.moved, before.position, target.point));
        self.display.move_pointer(target.point)?;
        // Barriers and confining grabs can stop a pointer short of where it was sent.
        let there = self.display.under_pointer(&chain)?;
        if there.position != target.point {
            return Err(Refusal::Interference { device: "the pointer: it does not go where it is sent".into() });
        }
        if !self.display.leads_to(&there.chain, target) {
            drop(grab);
            return Ok(Clicked::Covered(there.chain));
        }
        still_permitted(permit)?;
        self.display.name_pressed(&[(BUTTON_PRESS_EVENT, BUTTON)])?;
        for kind in [BUTTON_PRESS_EVENT, BUTTON_RELEASE_EVENT] {
            self.display.fake_input(kind, BUTTON, (0, 0))?;
        }
        self.display.all_released()?;
        // Stamped right behind the click; the event comes with the grab's own answer.
        let stamp = self.display.atoms._TALKSTICK_TIME;
        self.clicked_at.set(None);
        self.display
            .x
            .change_property8(PropMode::APPEND, self.probe_window, stamp, AtomEnum::STRING, &[])
            .during(DOING)?;
        grab.submit(DOING)?;
        Ok(Clicked::Done)
    }

    /// A person who holds a button or a modifier would make another act of ours.
    pub(super) fn refuse_held(&self, state: u16) -> Result<(), Refusal> {
        if let Some(name) = self.keyboard.held(state) {
            return Err(Refusal::Interference { device: format!("the keyboard: {name} is held") });
        }
        match buttons(state) {
            0 => Ok(()),
            _ => Err(Refusal::Interference { device: "the mouse: a button is held".into() }),
        }
    }

    pub(super) fn refuse_if_gone(&self, target: &Target) -> Result<(), Refusal> {
        let asked = self.display.x.get_window_attributes(target.window).during(DOING)?;
        let gone = |_| Refusal::TargetGone("its window was closed".into());
        super::connection::unless_gone(asked.reply(), DOING)?.map(drop).ok_or(()).map_err(gone)
    }

    /// Asks the window manager once to bring the target up; returns what still covers it, `None` when nothing does.
    pub(super) fn raise(&self, target: &Target, covered_by: Vec<Window>) -> Result<Option<Vec<Window>>, Refusal> {
        let Some(top) = self.display.managed_window(&target.chain)? else { return Ok(Some(covered_by)) };
        let events = EventMask::SUBSTRUCTURE_NOTIFY | EventMask::PROPERTY_CHANGE | EventMask::FOCUS_CHANGE;
        self.display.select(self.display.root, events)?;
        // 2: on behalf of a person, which a window manager does not refuse as focus stealing.
        let message = ClientMessageEvent::new(32, top, self.display.atoms._NET_ACTIVE_WINDOW, [2, 0, 0, 0, 0]);
        let mask = EventMask::SUBSTRUCTURE_REDIRECT | EventMask::SUBSTRUCTURE_NOTIFY;
        self.display.x.send_event(false, self.display.root, mask, message).during(DOING)?;
        let until = Moment::now() + RAISED_WITHIN;
        loop {
            self.drain_events()?;
            let chain = self.display.chain_at(target.point, &target.chain)?;
            if self.display.leads_to(&chain, target) {
                return Ok(None);
            }
            if until.is_past() {
                return Ok(Some(chain));
            }
            self.await_event(until)?;
        }
    }

    /// Moves the pointer by a pixel and back, for targets that notice what they were sent only at the next event.
    pub(super) fn nudge_pointer(&self, target: &Target) -> Result<(), Refusal> {
        // The wait for the target may have been longer than the server may take.
        self.display.answer_soon();
        let there = self.display.under_pointer(&target.chain)?;
        // A pointer that somebody has moved away is theirs.
        if there.position != target.point {
            return Ok(());
        }
        let (x, y) = target.point;
        let beside = if x > 0 { x - 1 } else { x + 1 };
        self.display.move_pointer((beside, y))?;
        self.display.move_pointer((x, y))?;
        self.display.x.flush().during("waking the target")
    }

    /// Puts the pointer back to where it was before the first act, if it is still where we put it.
    pub(super) fn restore_pointer(&mut self) -> Result<(), Refusal> {
        const DOING: &str = "putting the pointer back";
        let Some(Moved { was, ours }) = self.moved.take() else { return Ok(()) };
        let grab = ServerGrab::begin(&self.display, &self.watch)?;
        let there = self.display.x.query_pointer(self.display.root).during(DOING)?.reply().during(DOING)?;
        if (there.root_x, there.root_y) == ours && buttons(there.mask.into()) == 0 {
            self.display.move_pointer(was)?;
        }
        grab.submit(DOING)
    }

    /// Waits until the server has something to say, or `until`.
    pub(super) fn await_event(&self, until: Moment) -> Result<(), Refusal> {
        const DOING: &str = "waiting for the target";
        self.display.x.flush().during(DOING)?;
        // Answers that were waited for may have brought events with them, which no poll would report.
        if self.drain_events()? {
            return Ok(());
        }
        let mut fds = [rustix::event::PollFd::new(self.display.x.stream(), rustix::event::PollFlags::IN)];
        wait_for(&mut fds, Some(until)).map_err(ConnectionError::from).during(DOING)?;
        self.display.answer_soon();
        Ok(())
    }
}

impl Display {
    /// Whether `chain` ends in the bound window, or in one of the same client below it.
    pub(super) fn leads_to(&self, chain: &[Window], target: &Target) -> bool {
        let deepest = chain.last().copied().unwrap_or(self.root);
        chain.contains(&target.window) && self.client_of(deepest) == self.client_of(target.window)
    }

    pub(super) fn move_pointer(&self, to: (i16, i16)) -> Result<(), Refusal> {
        self.fake_input(MOTION_NOTIFY_EVENT, 0, to)
    }

    pub(super) fn select(&self, window: Window, events: EventMask) -> Result<(), Refusal> {
        let events = x11rb::protocol::xproto::ChangeWindowAttributesAux::new().event_mask(events);
        // A window that has gone answers with an error event, which is read and dropped like other events.
        self.x.change_window_attributes(window, &events).during("watching the target")?;
        Ok(())
    }

    /// The window of a chain that a window manager manages and can be asked to raise.
    fn managed_window(&self, chain: &[Window]) -> Result<Option<Window>, Refusal> {
        use x11rb::protocol::xproto::AtomEnum;
        let atoms = &self.atoms;
        let supported = self.x.get_property(false, self.root, atoms._NET_SUPPORTED, AtomEnum::ATOM, 0, 1024);
        let supported = supported.during(DOING)?.reply().during(DOING)?;
        let raises = supported.value32().is_some_and(|mut list| list.any(|atom| atom == atoms._NET_ACTIVE_WINDOW));
        let managed = self.are_managed(chain)?;
        Ok(chain.iter().zip(managed).find(|(_, managed)| *managed && raises).map(|(window, _)| *window))
    }
}
