//! Monitors, and the coordinates that agents' places are written in.

use x11rb::protocol::{randr::ConnectionExt as _, xproto::ConnectionExt as _};

use super::connection::{Display, During as _};
use crate::desktop::Refusal;

/// One monitor, in desktop coordinates.
///
/// Their origin is the upper left corner of the **primary** monitor, as on Windows and macOS: a monitor to its left has
/// negative x. The X root window begins at the leftmost and topmost edge of all monitors instead, so a point `(x, y)` of
/// an agent lies at `(x + px, y + py)` on it, where `(px, py)` is where the primary monitor begins on the root window.
/// Without a primary monitor both origins are the same.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Screen {
    /// Left edge.
    pub x: i32,
    /// Upper edge.
    pub y: i32,
    /// In pixels.
    pub width: u16,
    /// In pixels.
    pub height: u16,
    /// Whether the origin of all coordinates is its corner.
    pub primary: bool,
}

/// All monitors of a display.
#[derive(Debug, Clone)]
pub(super) struct Screens {
    pub(super) list: Vec<Screen>,
    /// Where the origin of desktop coordinates lies on the root window.
    origin: (i32, i32),
}

impl Screens {
    /// Reads them anew: monitors come and go.
    pub(super) fn read(display: &Display) -> Result<Self, Refusal> {
        const DOING: &str = "asking for the monitors";
        let monitors = display.x.randr_get_monitors(display.root, true).during(DOING)?;
        let root = display.x.get_geometry(display.root).during(DOING)?;
        let monitors = monitors.reply().during(DOING)?.monitors;
        let root = root.reply().during(DOING)?;
        let origin = monitors.iter().find(|monitor| monitor.primary);
        let origin = origin.map_or((0, 0), |monitor| (i32::from(monitor.x), i32::from(monitor.y)));
        let mut list: Vec<Screen> = monitors
            .iter()
            .map(|monitor| Screen {
                x: i32::from(monitor.x) - origin.0,
                y: i32::from(monitor.y) - origin.1,
                width: monitor.width,
                height: monitor.height,
                primary: monitor.primary,
            })
            .collect();
        if list.is_empty() {
            list.push(Screen { x: 0, y: 0, width: root.width, height: root.height, primary: true });
        }
        Ok(Self { list, origin })
    }

    /// Where a point lies on the root window.
    pub(super) fn to_root(&self, (x, y): (i32, i32)) -> Result<(i16, i16), Refusal> {
        let outside = || Refusal::OutsideScreens { x, y, screens: self.to_string() };
        let within = |at: i32, from: i32, size: u16| at >= from && at - from < i32::from(size);
        let shown = |screen: &Screen| within(x, screen.x, screen.width) && within(y, screen.y, screen.height);
        // Far coordinates are refused before the sums and differences here could overflow.
        let near = |at: i32| (-0x10_0000..0x10_0000).contains(&at);
        if !near(x) || !near(y) || !self.list.iter().any(shown) {
            return Err(outside());
        }
        let (x, y) = (x + self.origin.0, y + self.origin.1);
        Ok((i16::try_from(x).map_err(|_| outside())?, i16::try_from(y).map_err(|_| outside())?))
    }

    /// What a point on the root window is called in desktop coordinates.
    pub(super) fn to_desktop(&self, (x, y): (i16, i16)) -> (i32, i32) {
        (i32::from(x) - self.origin.0, i32::from(y) - self.origin.1)
    }
}

impl std::fmt::Display for Screens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (nth, screen) in self.list.iter().enumerate() {
            let comma = if nth > 0 { ", " } else { "" };
            write!(f, "{comma}{screen}")?;
        }
        Ok(())
    }
}

impl std::fmt::Display for Screen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}x{}{:+}{:+}", self.width, self.height, self.x, self.y)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left_of_primary() -> Screens {
        let screen = |x, primary| Screen { x, y: 0, width: 1920, height: 1080, primary };
        Screens { list: vec![screen(0, true), screen(-1920, false)], origin: (1920, 0) }
    }

    #[test]
    fn negative_points_lie_left_of_the_primary_monitor() {
        let screens = left_of_primary();
        assert_eq!(screens.to_root((-1269, 481)).unwrap(), (651, 481));
        assert_eq!(screens.to_root((0, 0)).unwrap(), (1920, 0));
        assert_eq!(screens.to_desktop((651, 481)), (-1269, 481));
    }

    #[test]
    fn a_point_on_no_monitor_is_refused_with_the_list_of_them() {
        for point in [(1920, 0), (-1921, 0), (0, -1), (0, 1080), (i32::MIN, 0), (0, i32::MAX)] {
            let refusal = left_of_primary().to_root(point).unwrap_err();
            assert!(refusal.to_string().contains("1920x1080+0+0, 1920x1080-1920+0"), "{refusal}");
        }
    }
}
