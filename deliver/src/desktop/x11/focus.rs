//! Waiting for the keyboard focus.

use std::time::Duration;

use lock_core::Moment;
use x11rb::protocol::xproto::{ConnectionExt as _, EventMask};

use super::{X11Desktop, bind::Target, connection::During as _, press::has_focus};
use crate::desktop::Refusal;

/// Looked at again this often even without an event: a window manager may move the focus in ways that send none to the
/// windows that are watched.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(50);

impl X11Desktop {
    /// Waits until the focus is on the chain of windows under the pointer. Comparing clients is not enough: one client
    /// may have many windows.
    pub(super) fn await_focus_on(&mut self, target: &Target, until: Moment) -> Result<(), Refusal> {
        const DOING: &str = "waiting for the focus";
        // Watched first and looked at then, so that no change falls between.
        for window in target.chain.iter().filter(|window| **window != self.display.root) {
            self.display.select(*window, EventMask::FOCUS_CHANGE)?;
        }
        self.display.select(self.display.root, EventMask::PROPERTY_CHANGE | EventMask::FOCUS_CHANGE)?;
        loop {
            self.drain_events()?;
            let focus = self.display.x.get_input_focus().during(DOING)?;
            let under = self.display.under_pointer(&target.chain)?;
            let focus = focus.reply().during(DOING)?.focus;
            if self.display.leads_to(&under.chain, target) && has_focus(focus, &under) {
                self.keyboard_state = under.state;
                return Ok(());
            }
            if until.is_past() {
                return Err(self.elsewhere(focus, &under, target)?);
            }
            self.await_event(until.min(Moment::now() + LOOK_AGAIN_AFTER))?;
        }
    }
}
