//! Where the windows are.

use std::ops::Range;

use serde::{Deserialize, Serialize};

/// Pixels between windows, and from the screen's edges: room for the borders of a window manager.
const GAP: usize = 40;

/// A window smaller than this cannot be hit and read reliably.
const SMALLEST: usize = 40;

/// An open window.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentWindow {
    /// Its index, from 0.
    pub index: usize,
    /// Its X11 id.
    pub id: u32,
    /// Its title.
    pub title: String,
    /// Left edge on the root window, in pixels.
    pub x: i16,
    /// Upper edge on the root window, in pixels.
    pub y: i16,
    /// Width in pixels.
    pub width: u16,
    /// Height in pixels.
    pub height: u16,
}

impl AgentWindow {
    /// A point well inside, on the root window.
    pub const fn centre(&self) -> (i16, i16) {
        (self.x + (self.width / 2) as i16, self.y + (self.height / 2) as i16)
    }
}

/// Left edge, upper edge, width and height of a cell.
pub(super) type Cell = (i16, i16, u16, u16);

/// The cells of windows `indices` in a grid of `count` over a screen, or `None` when they would become too small.
pub(super) fn cells(count: usize, indices: Range<usize>, screen: (u16, u16)) -> Option<Vec<Cell>> {
    let columns = (1..=count).find(|columns| columns * columns >= count).unwrap_or(1);
    let rows = count.div_ceil(columns);
    let size = |pixels: u16, parts: usize| {
        let left = usize::from(pixels).checked_sub(GAP * (parts + 1))?;
        Some(left / parts.max(1)).filter(|size| *size >= SMALLEST)
    };
    let (width, height) = (size(screen.0, columns)?, size(screen.1, rows)?);
    let cell = |index: usize| {
        let (column, row) = (index % columns, index / columns);
        let x = i16::try_from(GAP + column * (width + GAP)).ok()?;
        let y = i16::try_from(GAP + row * (height + GAP)).ok()?;
        Some((x, y, u16::try_from(width).ok()?, u16::try_from(height).ok()?))
    };
    indices.map(cell).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_do_not_touch_each_other_and_lie_on_the_screen() {
        for count in [1, 2, 3, 4, 8, 9, 16] {
            let cells = cells(count, 0..count, (1600, 1200)).expect("room");
            assert_eq!(cells.len(), count);
            for (number, (x, y, width, height)) in cells.iter().copied().enumerate() {
                assert!(x > 0 && y > 0 && x as u16 + width < 1600 && y as u16 + height < 1200);
                for (left, upper, wide, high) in cells.iter().copied().skip(number + 1) {
                    let beside = x as u16 + width < left as u16 || left as u16 + wide < x as u16;
                    let above = y as u16 + height < upper as u16 || upper as u16 + high < y as u16;
                    assert!(beside || above, "windows {count}: {number} overlaps");
                }
            }
        }
        assert_eq!(cells(10_000, 0..1, (1600, 1200)), None);
    }
}
