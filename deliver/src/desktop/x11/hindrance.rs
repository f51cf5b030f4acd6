//! Whether what was in the way of a delivery still is, asked without touching anything.

use std::time::Duration;

use x11rb::protocol::xproto::{ConnectionExt as _, EventMask, Window};

use super::{X11Desktop, bind::Target, connection::During as _};
use crate::desktop::{Bound, Refusal};

const DOING: &str = "looking at what is in the way";

impl X11Desktop {
    /// A person is in the way of everything, so is asked for first: who closes a menu or a dialog is at work.
    pub(super) fn look_for_hindrance(
        &mut self,
        hindrance: Option<&Refusal>,
        target: Option<&Bound>,
        idle: Duration,
    ) -> Result<Option<Refusal>, Refusal> {
        if let Some(person) = self.recently_used(idle) {
            return Ok(Some(person));
        }
        let still = match (hindrance, target) {
            (Some(Refusal::Interference { .. }), _) => self.held_now(),
            (Some(Refusal::DisplayTaken { .. }), _) => self.marked_now(),
            (Some(Refusal::Grabbed { .. }), _) => self.grabbed_now(),
            (Some(Refusal::Covered { by }), Some(target)) => self.covered_now(by, target),
            (Some(Refusal::FocusElsewhere { on }), Some(target)) => self.focus_still_on(on, target),
            _ => Ok(()),
        };
        Refusal::still_hindering(still)
    }

    fn held_now(&self) -> Result<(), Refusal> {
        let pointer = self.display.x.query_pointer(self.display.root).during(DOING)?.reply().during(DOING)?;
        self.refuse_held_by_strangers()?;
        self.refuse_held(pointer.mask.into())
    }

    /// The end of a grab of the keyboard gives the focus back, which is an event; a sweep sees the end of the others.
    fn grabbed_now(&self) -> Result<(), Refusal> {
        let focus = self.display.x.get_input_focus().during(DOING)?.reply().during(DOING)?.focus;
        self.watch_windows(&[focus])?;
        self.display.ask_for_grabs(self.probe_window)?.refuse()
    }

    /// Whether the same window still lies over the target. Over another one the delivery itself may help itself.
    fn covered_now(&self, by: &str, bound: &Bound) -> Result<(), Refusal> {
        let target = self.target(bound)?;
        self.watch_windows(&target.chain)?;
        self.refuse_if_gone(&target)?;
        let chain = self.display.chain_at(target.point, &target.chain)?;
        if self.display.leads_to(&chain, &target) {
            return Ok(());
        }
        self.watch_windows(&chain)?;
        let now = self.display.describe(&chain)?;
        if now == by { Err(Refusal::Covered { by: now }) } else { Ok(()) }
    }

    /// Whether the focus is still where it was seen. Where else it goes, a click may bring it to the target.
    fn focus_still_on(&self, on: &str, bound: &Bound) -> Result<(), Refusal> {
        let target: Target = self.target(bound)?;
        self.refuse_if_gone(&target)?;
        let focus = self.display.x.get_input_focus().during(DOING)?.reply().during(DOING)?.focus;
        self.watch_windows(&[focus])?;
        let now = self.describe_focus(focus)?;
        if now == on { Err(Refusal::FocusElsewhere { on: now }) } else { Ok(()) }
    }

    /// Has the server tell when these windows go, come, move or lose the focus.
    fn watch_windows(&self, windows: &[Window]) -> Result<(), Refusal> {
        let root = self.display.root;
        let events = EventMask::SUBSTRUCTURE_NOTIFY | EventMask::PROPERTY_CHANGE | EventMask::FOCUS_CHANGE;
        self.display.select(root, events)?;
        for window in windows.iter().filter(|window| **window > 1 && **window != root) {
            self.display.select(*window, EventMask::STRUCTURE_NOTIFY | EventMask::FOCUS_CHANGE)?;
        }
        Ok(())
    }
}
