//! Looking at a target around an act of somebody else's connection, which cannot be inside our server grab.
//!
//! What the server logs between two looks is complete: it sends every change of focus, every crossing and every key grab that
//! concerns the watched windows, in order, before it answers the second look. So when nothing was logged and both looks saw the
//! target, the keys between them went to it.

use x11rb::protocol::xproto::{BUTTON_PRESS_EVENT, ConnectionExt as _, EventMask, InputFocus, Window};

use super::{
    X11Desktop,
    bind::Target,
    connection::During as _,
    keyboard::KeyStroke,
    pointer::{BUTTON, Moved},
};
use crate::desktop::{Bound, Chord, Refusal};

const DOING: &str = "looking at the target";
/// Looks until one of them is undisturbed. Window managers and targets move the focus about after a click, for a moment.
const LOOKS: usize = 16;

/// Where keys go.
struct Seen {
    focus: Window,
    /// The windows under the pointer.
    chain: Vec<Window>,
}

impl X11Desktop {
    /// The display's name.
    pub(in crate::desktop) fn display_name(&self) -> &str {
        &self.display.name
    }

    /// Refuses unless the target is what lies under its point, raised if need be, and nobody else is at the devices.
    pub(in crate::desktop) fn lies_open(&mut self, bound: &Bound) -> Result<(), Refusal> {
        self.drain_events()?;
        let target = self.target(bound)?;
        self.while_grabs_pass(|driver| driver.display.ask_for_grabs(driver.probe_window)?.refuse())?;
        let pointer = self.display.x.query_pointer(self.display.root).during(DOING)?.reply().during(DOING)?;
        self.drain_events()?;
        self.refuse_other_input()?;
        self.refuse_held(pointer.mask.into())?;
        let chain = self.display.chain_at(target.point, &target.chain)?;
        if self.display.leads_to(&chain, &target) {
            return Ok(());
        }
        self.refuse_if_gone(&target)?;
        match self.raise(&target, chain)? {
            None => Ok(()),
            Some(by) => Err(Refusal::Covered { by: self.display.describe(&by)? }),
        }
    }

    /// Remembers where the pointer is, to put it back, and says where on the root window it has to go.
    pub(in crate::desktop) fn note_move_to(&mut self, bound: &Bound) -> Result<(i16, i16), Refusal> {
        let target = self.target(bound)?;
        let there = self.display.x.query_pointer(self.display.root).during(DOING)?.reply().during(DOING)?;
        self.moved = Some(Moved::since(self.moved, super::window::position(&there), target.point));
        Ok(target.point)
    }

    /// Refuses unless the pointer is where it was sent, and the target is under it.
    pub(in crate::desktop) fn pointer_is_on(&mut self, bound: &Bound) -> Result<(), Refusal> {
        let target = self.target(bound)?;
        let there = self.display.under_pointer(&target.chain)?;
        if there.position != target.point {
            return Err(Refusal::Interference { device: "the pointer: it is not where it was sent".into() });
        }
        match self.display.leads_to(&there.chain, &target) {
            true => Ok(()),
            false => Err(Refusal::Covered { by: self.display.describe(&there.chain)? }),
        }
    }

    /// Refuses unless `chord` would go to the target now and the clipboard is ours; says which keys make it. From now on
    /// the server logs what could lead it elsewhere.
    pub(in crate::desktop) fn may_press(&mut self, bound: &Bound, chord: &Chord) -> Result<Vec<KeyStroke>, Refusal> {
        self.drain_events()?;
        let mut target = self.target(bound)?;
        self.refuse_another_box(&target)?;
        self.await_firm(&target)?;
        // While a window manager that grabs clicks has not let our own go, its button counts as held.
        self.while_grabs_pass(|driver| driver.display.ask_for_grabs(driver.probe_window)?.refuse())?;
        let mut focus = self.look(&target)?.focus;
        for _ in 0..LOOKS {
            self.have_logged(&target, focus)?;
            self.drain_events()?;
            self.stirred.set(false);
            self.while_grabs_pass(|driver| driver.display.ask_for_grabs(driver.probe_window)?.refuse())?;
            self.refuse_taken()?;
            let seen = self.look(&target)?;
            self.drain_events()?;
            if seen.chain != target.chain || seen.focus != focus {
                // Other windows are concerned than those that are watched.
                target.chain = seen.chain;
                focus = seen.focus;
                self.target = Some(target.clone());
            } else if !self.stirred.get() {
                self.refresh_keyboard()?;
                return self.keyboard.strokes(chord, self.keyboard_state);
            }
        }
        Err(Refusal::Interference { device: "the keyboard focus: it does not come to rest".into() })
    }

    /// Names the button that another connection clicks next, until [`Self::note_released`].
    pub(in crate::desktop) fn note_click(&self) -> Result<(), Refusal> {
        self.display.name_pressed(&[(BUTTON_PRESS_EVENT, BUTTON)])?;
        self.display.round_trip(DOING)
    }

    /// Names the keys that another connection presses next, until [`Self::note_released`].
    pub(in crate::desktop) fn note_strokes(&self, strokes: &[KeyStroke]) -> Result<(), Refusal> {
        let presses: Vec<_> = strokes.iter().filter(|stroke| stroke.down).map(KeyStroke::act).collect();
        self.display.name_pressed(&presses)?;
        self.display.round_trip(DOING)
    }

    /// Another connection has released all that it has pressed.
    pub(in crate::desktop) fn note_released(&self) -> Result<(), Refusal> {
        self.display.all_released()?;
        self.display.round_trip(DOING)
    }

    /// Notes that keys are pressed from now on: fetches from before are not for this paste.
    pub(in crate::desktop) fn note_paste(&mut self) {
        if let Some(offer) = &mut self.offer {
            offer.pasted_at.get_or_insert_with(lock_core::Moment::now);
        }
    }

    /// Refuses if anything since [`Self::may_press`] could have led keys elsewhere.
    pub(in crate::desktop) fn still_undisturbed(&mut self, bound: &Bound) -> Result<(), Refusal> {
        let target = self.target(bound)?;
        self.look(&target)?;
        self.drain_events()?;
        self.refuse_other_input()?;
        match self.stirred.get() {
            false => Ok(()),
            true => {
                Err(Refusal::FocusElsewhere { on: "another window or a grab of another program, meanwhile".into() })
            }
        }
    }

    /// Selects what is logged.
    fn have_logged(&self, target: &Target, focus: Window) -> Result<(), Refusal> {
        let events = EventMask::FOCUS_CHANGE | EventMask::ENTER_WINDOW | EventMask::LEAVE_WINDOW;
        // A toolkit's hidden window for keys is in no chain. The numbers 0 and 1 stand for no window.
        let focus = Some(focus).filter(|focus| *focus > u32::from(InputFocus::POINTER_ROOT));
        for window in target.chain.iter().copied().chain(focus).filter(|window| *window != self.display.root) {
            self.display.select(window, events)?;
        }
        self.display.select(self.display.root, EventMask::PROPERTY_CHANGE | EventMask::FOCUS_CHANGE)
    }

    /// Refuses unless keys go to the target.
    fn look(&mut self, target: &Target) -> Result<Seen, Refusal> {
        let focus = self.display.x.get_input_focus().during(DOING)?;
        let under = self.display.under_pointer(&target.chain)?;
        let focus = focus.reply().during(DOING)?.focus;
        self.refuse_other_input()?;
        self.refuse_held(under.state)?;
        if !self.display.leads_to(&under.chain, target) || !self.display.has_focus(focus, &under)? {
            return Err(self.elsewhere(focus, &under, target)?);
        }
        self.keyboard_state = under.state;
        Ok(Seen { focus, chain: under.chain })
    }

    fn refuse_taken(&self) -> Result<(), Refusal> {
        let Some(offer) = &self.offer else { return Ok(()) };
        let name = self.selection_atom(offer.selection);
        let owner = self.display.x.get_selection_owner(name).during(DOING)?.reply().during(DOING)?.owner;
        match owner == self.keeper.window {
            true => Ok(()),
            false => Err(Refusal::ClipboardTaken { by: self.describe_owner(owner)? }),
        }
    }
}
