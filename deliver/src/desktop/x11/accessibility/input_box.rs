//! Which of the input boxes of a window has the focus, judged from what its program tells.

use super::bus::Object;

/// By how many pixels a program and the X server may differ about the edges of one window: shadows and frames.
const EDGE_MAX: i32 = 64;

/// A rectangle on the root window, in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::desktop::x11) struct Area {
    pub(in crate::desktop::x11) x: i32,
    pub(in crate::desktop::x11) y: i32,
    pub(in crate::desktop::x11) width: i32,
    pub(in crate::desktop::x11) height: i32,
}

impl Area {
    fn contains(self, (x, y): (i32, i32)) -> bool {
        // In 64 bits: the numbers are any program's to choose.
        let within = |at: i32, from: i32, length: i32| {
            let (at, from) = (i64::from(at), i64::from(from));
            at >= from && at < from + i64::from(length)
        };
        within(x, self.x, self.width) && within(y, self.y, self.height)
    }

    /// Whether both are about one window. They are not where a program counts in other units than the X server, as some do
    /// on screens with many pixels: then its points are not ours.
    pub(super) fn is_about(self, other: Self) -> bool {
        let near = |ours: i64, theirs: i64| (ours - theirs).abs() <= i64::from(EDGE_MAX);
        let edges = |area: Self| {
            let (x, y) = (i64::from(area.x), i64::from(area.y));
            [x, y, x + i64::from(area.width), y + i64::from(area.height)]
        };
        edges(self).into_iter().zip(edges(other)).all(|(ours, theirs)| near(ours, theirs))
    }
}

/// Something on the screen, as its program describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) object: Object,
    /// Printable.
    pub(super) label: String,
    pub(super) area: Area,
    pub(super) takes_text: bool,
}

/// What a program tells of the box at a point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Told {
    /// It has the focus.
    Focused(Object),
    /// There is one, and something else has the focus.
    Elsewhere {
        /// What has it.
        on: String,
    },
    /// Nothing that proves the one or the other.
    Nothing,
}

/// What has the focus is enough where it can be typed into and lies under the point. That something else has the focus
/// counts only where a box is under the point: editors take keys by boxes that they keep out of sight.
pub(super) fn judge(point: (i32, i32), focused: &[Part], boxes: &[Part]) -> Told {
    let here = |part: &&Part| part.area.contains(point);
    if let Some(part) = focused.iter().filter(|part| part.takes_text).find(here) {
        return Told::Focused(part.object.clone());
    }
    match (focused.last(), boxes.iter().find(here)) {
        (Some(focused), Some(_)) => Told::Elsewhere { on: focused.label.clone() },
        _ => Told::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(name: &str, area: [i32; 4], takes_text: bool) -> Part {
        let [x, y, width, height] = area;
        Part { object: Object::named(name), label: name.into(), area: Area { x, y, width, height }, takes_text }
    }

    #[test]
    fn only_what_is_proven_is_told() {
        let left = part("left", [0, 0, 100, 100], true);
        let right = part("right", [100, 0, 100, 100], true);
        let page = part("page", [0, 0, 200, 100], false);
        let hidden = part("hidden", [-9999, 0, 1, 1], true);
        let boxes = [left.clone(), right.clone()];
        let elsewhere = |on: &str| Told::Elsewhere { on: on.into() };

        assert_eq!(judge((99, 50), std::slice::from_ref(&left), &boxes), Told::Focused(left.object.clone()));
        assert_eq!(
            judge((100, 50), std::slice::from_ref(&left), &boxes),
            elsewhere("left"),
            "the edge is the next one's"
        );
        assert_eq!(judge((50, 50), std::slice::from_ref(&page), &boxes), elsewhere("page"));
        assert_eq!(judge((50, 50), &[page.clone(), left.clone()], &boxes), Told::Focused(left.object));
        assert_eq!(judge((50, 50), &[], &boxes), Told::Nothing, "nothing has the focus yet, or it is not told");
        assert_eq!(judge((50, 50), &[hidden], &[]), Told::Nothing, "an editor that keeps its box out of sight");
        assert_eq!(judge((50, 50), &[page], &[]), Told::Nothing, "what is under the point is no box");
    }

    #[test]
    fn hostile_sizes_do_not_overflow() {
        let all = part("all", [i32::MIN, i32::MIN, i32::MAX, i32::MAX], true);
        let beyond = Area { x: i32::MAX, y: 0, width: i32::MAX, height: 1 };
        assert_eq!(judge((0, 0), std::slice::from_ref(&all), &[]), Told::Nothing);
        assert!(!all.area.is_about(beyond));
        assert!(!beyond.contains((0, 0)));
    }

    #[test]
    fn a_frame_in_other_units_is_about_no_window() {
        let window = Area { x: 0, y: 0, width: 1200, height: 900 };
        assert!(window.is_about(Area { x: -10, y: -10, width: 1220, height: 930 }), "a shadow");
        assert!(!window.is_about(Area { x: 0, y: 0, width: 600, height: 450 }), "twice the pixels");
    }
}
