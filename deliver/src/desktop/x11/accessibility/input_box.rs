//! What a program tells of the input box at a point.

use super::bus::{Object, States};

/// By how many pixels a program and the X server may differ about the edges of one window: shadows and frames.
const EDGE_MAX: i32 = 64;

/// A rectangle on the root window, in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Area {
    pub(super) x: i32,
    pub(super) y: i32,
    pub(super) width: i32,
    pub(super) height: i32,
}

impl Area {
    /// Whether both are about one window. They are not where a program counts in other units than the X server, as some do
    /// on screens with many pixels: then its points are not ours.
    pub(super) fn is_about(self, other: Self) -> bool {
        // In 64 bits: the numbers are any program's to choose.
        let near = |ours: i64, theirs: i64| (ours - theirs).abs() <= i64::from(EDGE_MAX);
        let edges = |area: Self| {
            let (x, y) = (i64::from(area.x), i64::from(area.y));
            [x, y, x + i64::from(area.width), y + i64::from(area.height)]
        };
        edges(self).into_iter().zip(edges(other)).all(|(ours, theirs)| near(ours, theirs))
    }
}

/// What a program tells of the box at a point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Told {
    /// It has the focus.
    Focused(Object),
    /// There is one, and it has not the focus.
    NotFocused,
    /// Nothing that proves the one or the other.
    Nothing,
}

impl Told {
    /// Of a box with these states.
    pub(super) fn of(object: Object, states: States) -> Self {
        match states.focused() {
            true => Self::Focused(object),
            false if states.proposes() => Self::Nothing,
            false => Self::NotFocused,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_in_other_units_is_about_no_window() {
        let window = Area { x: 0, y: 0, width: 1200, height: 900 };
        assert!(window.is_about(Area { x: -10, y: -10, width: 1220, height: 930 }), "a shadow");
        assert!(!window.is_about(Area { x: 0, y: 0, width: 600, height: 450 }), "twice the pixels");
    }

    #[test]
    fn hostile_sizes_do_not_overflow() {
        let all = Area { x: i32::MIN, y: i32::MIN, width: i32::MAX, height: i32::MAX };
        assert!(!all.is_about(Area { x: i32::MAX, y: 0, width: i32::MAX, height: 1 }));
    }
}
