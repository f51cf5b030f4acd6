//! Finding the window that a place names.

use std::collections::{HashMap, HashSet};

use x11rb::protocol::xproto::{AtomEnum, ConnectionExt as _, MapState, Window};

use super::{
    connection::{Display, During as _, unless_gone},
    screens::Screens,
    window::Labels,
};
use crate::desktop::{Bound, Place, Refusal, WindowIdentity};

const DOING: &str = "looking for the target";
/// How deep below the root a program's own window may lie: window managers add one or two frames.
const FRAMES_MAX: usize = 4;
/// Windows looked at for one identity. A desktop has some hundred.
const WINDOWS_MAX: usize = 4096;

/// A bound target, with what the driver knows beyond [`Bound`].
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) window: Window,
    /// The point on the root window.
    pub(super) point: (i16, i16),
    /// From the root to the window, as last seen.
    pub(super) chain: Vec<Window>,
}

impl Display {
    /// Finds the window that `place` names.
    pub(super) fn find(&self, place: &Place) -> Result<(Bound, Target), Refusal> {
        let screens = Screens::read(self)?;
        let (point, chain) = match (&place.window, place.point) {
            (Some(identity), offset) => {
                let window = self.find_window(identity)?;
                let point = self.point_in(window, offset)?;
                // Checked against the monitors: a window may hang over the edge of them.
                let point = screens.to_root(screens.to_desktop(point))?;
                (point, self.chain_within(window, point)?)
            }
            (None, Some(point)) => {
                let point = screens.to_root(point)?;
                (point, self.chain_at(point, &[])?)
            }
            (None, None) => return Err(Refusal::TargetGone("neither a point nor a window is named".into())),
        };
        let Some(window) = chain.last().copied().filter(|window| *window != self.root) else {
            let (x, y) = screens.to_desktop(point);
            return Err(Refusal::TargetGone(format!("no window lies at ({x}, {y})")));
        };
        let bound = Bound {
            window: window.into(),
            client: self.client_of(window).into(),
            point: screens.to_desktop(point),
            description: self.describe(&chain)?,
        };
        Ok((bound, Target { window, point, chain }))
    }

    fn find_window(&self, identity: &WindowIdentity) -> Result<Window, Refusal> {
        let windows = self.program_windows()?;
        let labels = self.labels(&windows)?;
        let fitting: Vec<Window> =
            windows.into_iter().zip(labels).filter(|(_, labels)| fits(identity, labels)).map(|found| found.0).collect();
        match fitting[..] {
            [] => Err(Refusal::TargetGone(format!("no window on the screen has {}", describe(identity)))),
            [window] => Ok(window),
            _ => Err(Refusal::Ambiguous(fitting.len())),
        }
    }

    /// The windows on the screen that programs made for themselves, without the frames around them.
    fn program_windows(&self) -> Result<Vec<Window>, Refusal> {
        let mut found = Vec::new();
        let mut level = self.visible_children(&[self.root])?;
        let tops: Vec<Window> = level.iter().map(|(_, child)| *child).collect();
        let mut managed_tops: HashSet<Window> = HashSet::new();
        let mut top_of: HashMap<Window, Window> = tops.iter().map(|top| (*top, *top)).collect();
        for _ in 0..FRAMES_MAX {
            let windows: Vec<Window> = level.iter().map(|(_, child)| *child).collect();
            let managed = self.are_managed(&windows)?;
            for window in windows.iter().zip(&managed).filter(|(_, managed)| **managed).map(|found| *found.0) {
                found.push(window);
                managed_tops.extend(top_of.get(&window));
            }
            let frames: Vec<Window> =
                windows.into_iter().zip(managed).filter(|(_, managed)| !managed).map(|frame| frame.0).collect();
            level = self.visible_children(&frames)?;
            level.truncate(WINDOWS_MAX);
            for (parent, child) in &level {
                if let Some(top) = top_of.get(parent).copied() {
                    top_of.insert(*child, top);
                }
            }
        }
        // Those that no window manager manages: menus, docks, and everything where there is none.
        found.extend(tops.into_iter().filter(|top| !managed_tops.contains(top)));
        Ok(found)
    }

    /// The children of `parents` that are on the screen, each with its parent; two round trips for all.
    fn visible_children(&self, parents: &[Window]) -> Result<Vec<(Window, Window)>, Refusal> {
        let asked: Vec<_> =
            parents.iter().map(|parent| self.x.query_tree(*parent).during(DOING)).collect::<Result<_, _>>()?;
        let mut children = Vec::new();
        for (parent, cookie) in parents.iter().zip(asked) {
            let tree = unless_gone(cookie.reply(), DOING)?;
            children.extend(tree.into_iter().flat_map(|tree| tree.children).map(|child| (*parent, child)));
        }
        children.truncate(WINDOWS_MAX);
        let asked: Vec<_> = children
            .iter()
            .map(|(_, child)| self.x.get_window_attributes(*child).during(DOING))
            .collect::<Result<_, _>>()?;
        let mut visible = Vec::new();
        for (child, cookie) in children.into_iter().zip(asked) {
            let attributes = unless_gone(cookie.reply(), DOING)?;
            visible.extend(attributes.filter(|of| of.map_state == MapState::VIEWABLE).map(|_| child));
        }
        Ok(visible)
    }

    pub(super) fn are_managed(&self, windows: &[Window]) -> Result<Vec<bool>, Refusal> {
        let state = self.atoms.WM_STATE;
        let ask = |window: &Window| self.x.get_property(false, *window, state, AtomEnum::ANY, 0, 1).during(DOING);
        let asked: Vec<_> = windows.iter().map(ask).collect::<Result<_, _>>()?;
        let answers = asked.into_iter().map(|cookie| unless_gone(cookie.reply(), DOING));
        answers.map(|answer| Ok(answer?.is_some_and(|property| property.type_ != 0))).collect()
    }

    /// Where `offset` (or the middle) of a window lies on the root window.
    fn point_in(&self, window: Window, offset: Option<(i32, i32)>) -> Result<(i16, i16), Refusal> {
        let gone = || Refusal::TargetGone("its window was closed just now".into());
        let geometry = self.x.get_geometry(window).during(DOING)?;
        let geometry = unless_gone(geometry.reply(), DOING)?.ok_or_else(gone)?;
        let (width, height) = (i32::from(geometry.width), i32::from(geometry.height));
        let (x, y) = offset.unwrap_or((width / 2, height / 2));
        if !(0..width).contains(&x) || !(0..height).contains(&y) {
            let why = format!("the point ({x}, {y}) lies outside its window of {width}x{height}");
            return Err(Refusal::TargetGone(why));
        }
        let short = |at: i32| i16::try_from(at).map_err(|_| gone());
        let on_root = self.x.translate_coordinates(window, self.root, short(x)?, short(y)?).during(DOING)?;
        let on_root = unless_gone(on_root.reply(), DOING)?.ok_or_else(gone)?;
        Ok((on_root.dst_x, on_root.dst_y))
    }

    /// The chain from the root through `window` to the deepest window at `point` inside it, whatever lies over it.
    fn chain_within(&self, window: Window, point: (i16, i16)) -> Result<Vec<Window>, Refusal> {
        let gone = || Refusal::TargetGone("its window was closed just now".into());
        let mut chain = vec![window];
        let mut top = window;
        while top != self.root && chain.len() < 64 {
            let tree = self.x.query_tree(top).during(DOING)?;
            top = unless_gone(tree.reply(), DOING)?.ok_or_else(gone)?.parent;
            chain.insert(0, top);
        }
        let mut deepest = window;
        while chain.len() < 64 {
            let asked = self.x.translate_coordinates(self.root, deepest, point.0, point.1).during(DOING)?;
            deepest = unless_gone(asked.reply(), DOING)?.ok_or_else(gone)?.child;
            if deepest == 0 {
                break;
            }
            chain.push(deepest);
        }
        Ok(chain)
    }
}

fn fits(identity: &WindowIdentity, labels: &Labels) -> bool {
    identity.class.as_ref().is_none_or(|class| labels.class.contains(class))
        && identity.title.as_ref().is_none_or(|title| labels.title.as_ref() == Some(title))
        && identity.pid.is_none_or(|pid| labels.pid == Some(pid))
}

fn describe(identity: &WindowIdentity) -> String {
    let parts = [
        identity.title.as_ref().map(|title| format!("the title \"{title}\"")),
        identity.class.as_ref().map(|class| format!("the class \"{class}\"")),
        identity.pid.map(|pid| format!("the pid {pid}")),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" and ")
}
