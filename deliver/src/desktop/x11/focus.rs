//! Waiting for the keyboard focus.

use std::time::Duration;

use lock_core::Moment;
use x11rb::protocol::xproto::{ConnectionExt as _, EventMask, InputFocus, Window, WindowClass};

use super::{
    X11Desktop,
    bind::Target,
    connection::{Display, During as _, unless_gone},
    window::UnderPointer,
};
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
            self.refuse_other_input()?;
            let focus = self.display.x.get_input_focus().during(DOING)?;
            let under = self.display.under_pointer(&target.chain)?;
            let focus = focus.reply().during(DOING)?.focus;
            if self.display.leads_to(&under.chain, target) && self.display.has_focus(focus, &under)? {
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

impl Display {
    /// Whether keys go to the windows under the pointer: they have the focus, or nobody has and keys follow the pointer.
    pub(super) fn has_focus(&self, focus: Window, under: &UnderPointer) -> Result<bool, Refusal> {
        if focus == u32::from(InputFocus::POINTER_ROOT) || under.chain.contains(&focus) {
            return Ok(true);
        }
        self.takes_keys_for(focus, &under.chain)
    }

    /// Whether `focus` is the hidden window by which a toolkit takes the keys of one of its windows: GTK and Java keep one
    /// inside each, out of sight. A window that can be seen may be another input box, and does not count.
    fn takes_keys_for(&self, focus: Window, chain: &[Window]) -> Result<bool, Refusal> {
        const DOING: &str = "looking at the focus";
        if focus == u32::from(InputFocus::NONE) {
            return Ok(false);
        }
        let tree = self.x.query_tree(focus).during(DOING)?;
        let attributes = self.x.get_window_attributes(focus).during(DOING)?;
        let place = self.x.get_geometry(focus).during(DOING)?;
        let (tree, attributes) = (unless_gone(tree.reply(), DOING)?, unless_gone(attributes.reply(), DOING)?);
        let (Some(tree), Some(attributes), Some(place)) = (tree, attributes, unless_gone(place.reply(), DOING)?) else {
            return Ok(false);
        };
        let ends_before = |at: i16, length: u16| i32::from(at) + i32::from(length) <= 0;
        let hidden = attributes.class == WindowClass::INPUT_ONLY
            || ends_before(place.x, place.width)
            || ends_before(place.y, place.height);
        let inside = tree.parent != self.root && chain.contains(&tree.parent);
        Ok(hidden && inside && self.client_of(tree.parent) == self.client_of(focus))
    }
}
