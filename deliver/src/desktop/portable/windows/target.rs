//! The target: found once, and asked for again before each act.

use super::{Windows, screens::VirtualDesktop, window::Window};
use crate::desktop::{Bound, Place, Refusal};

impl Windows {
    /// The bound window, if it still is what it was.
    pub(super) fn target(&self, target: &Bound) -> Result<Window, Refusal> {
        let same = self.bound.filter(|(window, _)| window.0 as u64 == target.window);
        let (window, owner) = same.ok_or_else(|| Refusal::TargetGone("another one was bound meanwhile".into()))?;
        match window.owner()? == owner {
            true => Ok(window),
            false => Err(Refusal::TargetGone("its window belongs to another process now".into())),
        }
    }
}

/// The window that a place names, and the point of the desktop to click at. Pixels are real ones on this thread.
pub(super) fn find(place: &Place) -> Result<(Window, (i32, i32)), Refusal> {
    let desktop = VirtualDesktop::now();
    let (window, point) = match (&place.window, place.point) {
        (Some(identity), offset) => {
            let window = Window::find(identity)?;
            (window, window.point(offset)?)
        }
        (None, Some(point)) => {
            desktop.refuse_outside(point)?;
            let (x, y) = point;
            let nothing = || Refusal::TargetGone(format!("no window lies at ({x}, {y})"));
            (Window::at(point).ok_or_else(nothing)?, point)
        }
        (None, None) => return Err(Refusal::TargetGone("neither a point nor a window is named".into())),
    };
    desktop.refuse_outside(point)?;
    Ok((window, point))
}
