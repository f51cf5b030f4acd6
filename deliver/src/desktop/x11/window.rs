//! Windows: which lie under a point, whose they are, and what a person would call them.

use x11rb::protocol::{
    res::{ClientIdMask, ClientIdSpec, ConnectionExt as _},
    xproto::{Atom, AtomEnum, ConnectionExt as _, GetPropertyReply, QueryPointerReply, Window},
};

use super::connection::{Display, During as _, unless_gone};
use crate::desktop::Refusal;

/// A chain of windows deeper than this is no application but an attack on the walker.
const DEPTH_MAX: usize = 64;
/// Of a title or class, in 4-byte units: more than a person reads.
const NAME_UNITS_MAX: u32 = 256;

/// Where the pointer is, and what lies under it.
#[derive(Debug, Clone)]
pub(super) struct UnderPointer {
    pub(super) position: (i16, i16),
    /// Held modifiers and buttons, and the keyboard group.
    pub(super) state: u16,
    /// From the root window to the deepest one.
    pub(super) chain: Vec<Window>,
}

/// What is written on a window.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Labels {
    pub(super) title: Option<String>,
    /// Instance and class.
    pub(super) class: Vec<String>,
    pub(super) pid: Option<u32>,
}

impl Display {
    /// The windows under a point of the root window, from the root to the deepest.
    ///
    /// `expected` is what they were last time: it is asked about in one round trip, and walked only if it differs.
    pub(super) fn chain_at(&self, point: (i16, i16), expected: &[Window]) -> Result<Vec<Window>, Refusal> {
        const DOING: &str = "looking at the windows under the point";
        let child = |below: Window| -> Result<Option<Window>, Refusal> {
            let asked = self.x.translate_coordinates(self.root, below, point.0, point.1).during(DOING)?;
            Ok(unless_gone(asked.reply(), DOING)?.map(|reply| reply.child))
        };
        let asked: Vec<_> = expected
            .iter()
            .map(|window| self.x.translate_coordinates(self.root, *window, point.0, point.1).during(DOING))
            .collect::<Result<_, _>>()?;
        let mut children = Vec::new();
        for cookie in asked {
            children.push(unless_gone(cookie.reply(), DOING)?.map_or(0, |reply| reply.child));
        }
        if is_chain(self.root, expected, &children) {
            return Ok(expected.to_vec());
        }
        walk(self.root, child)
    }

    /// Where the pointer is and what lies under it; `expected` as for [`Self::chain_at`].
    pub(super) fn under_pointer(&self, expected: &[Window]) -> Result<UnderPointer, Refusal> {
        const DOING: &str = "looking at the windows under the pointer";
        let root = self.x.query_pointer(self.root).during(DOING)?;
        let below = expected.get(1..).unwrap_or_default().iter();
        let asked: Vec<_> =
            below.map(|window| self.x.query_pointer(*window).during(DOING)).collect::<Result<_, _>>()?;
        let root = root.reply().during(DOING)?;
        let mut children = vec![root.child];
        for cookie in asked {
            children.push(unless_gone(cookie.reply(), DOING)?.map_or(0, |reply| reply.child));
        }
        let chain = match is_chain(self.root, expected, &children) {
            true => expected.to_vec(),
            false => walk(self.root, |window| self.child_under_pointer(window))?,
        };
        Ok(UnderPointer { position: position(&root), state: root.mask.into(), chain })
    }

    fn child_under_pointer(&self, window: Window) -> Result<Option<Window>, Refusal> {
        const DOING: &str = "looking at the windows under the pointer";
        let asked = self.x.query_pointer(window).during(DOING)?;
        Ok(unless_gone(asked.reply(), DOING)?.map(|reply| reply.child))
    }

    /// What a person would call the deepest labelled window of `chain`: `title (class, pid N)`.
    pub(super) fn describe(&self, chain: &[Window]) -> Result<String, Refusal> {
        let labels = self.labels(chain)?;
        let pid = labels.iter().rev().find_map(|labels| labels.pid);
        let named = labels.iter().rev().find(|labels| labels.title.is_some() || !labels.class.is_empty());
        let title = named.and_then(|labels| labels.title.clone()).unwrap_or_else(|| match chain.last() {
            Some(window) if *window != self.root => format!("window {window:#x}"),
            _ => "the empty desktop".into(),
        });
        let class = named.and_then(|labels| labels.class.last().cloned());
        let detail: Vec<String> = class.into_iter().chain(pid.map(|pid| format!("pid {pid}"))).collect();
        Ok(if detail.is_empty() { title } else { format!("{title} ({})", detail.join(", ")) })
    }

    /// What is written on each of `windows`, in one round trip for all.
    pub(super) fn labels(&self, windows: &[Window]) -> Result<Vec<Labels>, Refusal> {
        const DOING: &str = "reading window names";
        let property = |window, name: Atom| {
            self.x.get_property(false, window, name, AtomEnum::ANY, 0, NAME_UNITS_MAX).during(DOING)
        };
        let mut asked = Vec::with_capacity(windows.len());
        for window in windows {
            let spec = [ClientIdSpec { client: *window, mask: ClientIdMask::LOCAL_CLIENT_PID }];
            asked.push((
                property(*window, self.atoms._NET_WM_NAME)?,
                property(*window, AtomEnum::WM_NAME.into())?,
                property(*window, AtomEnum::WM_CLASS.into())?,
                property(*window, self.atoms._NET_WM_PID)?,
                self.x.res_query_client_ids(&spec).during(DOING)?,
            ));
        }
        let mut labels = Vec::with_capacity(windows.len());
        for (net_name, name, class, net_pid, client) in asked {
            let net_name = unless_gone(net_name.reply(), DOING)?;
            let name = unless_gone(name.reply(), DOING)?;
            let class = unless_gone(class.reply(), DOING)?;
            let net_pid = unless_gone(net_pid.reply(), DOING)?;
            // A server refuses ids that it does not know with BadValue: no pid then, and no broken connection.
            let pid = client
                .reply()
                .ok()
                .and_then(|reply| reply.ids.iter().find_map(|id| id.value.first().copied().filter(|pid| *pid != 0)));
            labels.push(Labels {
                title: net_name.as_ref().and_then(text).or_else(|| name.as_ref().and_then(text)),
                class: class.map(|class| words(&class)).unwrap_or_default(),
                pid: pid.or_else(|| net_pid.and_then(|value| value.value32()?.next())),
            });
        }
        Ok(labels)
    }
}

pub(super) fn position(reply: &QueryPointerReply) -> (i16, i16) {
    (reply.root_x, reply.root_y)
}

/// Whether `children`, each the child of the window at its place in `expected`, say that `expected` is the whole chain.
fn is_chain(root: Window, expected: &[Window], children: &[Window]) -> bool {
    expected.first() == Some(&root)
        && expected.len() == children.len()
        && expected.iter().skip(1).chain([&0]).eq(children.iter())
}

fn walk(root: Window, child: impl Fn(Window) -> Result<Option<Window>, Refusal>) -> Result<Vec<Window>, Refusal> {
    let mut chain = vec![root];
    while chain.len() < DEPTH_MAX {
        match chain.last().map(|window| child(*window)).transpose()?.flatten() {
            None | Some(0) => break,
            Some(window) => chain.push(window),
        }
    }
    Ok(chain)
}

fn text(property: &GetPropertyReply) -> Option<String> {
    let text = match property.type_ == u32::from(AtomEnum::STRING) {
        true => property.value.iter().map(|byte| char::from(*byte)).collect(),
        false => String::from_utf8_lossy(&property.value).into_owned(),
    };
    let text = printable(&text);
    (property.format == 8 && !text.is_empty()).then_some(text)
}

fn words(property: &GetPropertyReply) -> Vec<String> {
    let words = property.value.split(|byte| *byte == 0).filter(|word| !word.is_empty());
    words.map(|word| printable(&String::from_utf8_lossy(word))).collect()
}

/// Titles are any program's to choose and end on terminals and in logs: no escape sequences.
fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_is_taken_only_when_every_link_holds() {
        assert!(is_chain(1, &[1, 5, 9], &[5, 9, 0]));
        assert!(!is_chain(1, &[1, 5, 9], &[5, 9, 12]), "something new lies deeper");
        assert!(!is_chain(1, &[1, 5, 9], &[5, 0, 0]), "the deepest has gone");
        assert!(!is_chain(1, &[], &[]), "nothing is known yet");
    }

    #[test]
    fn titles_carry_no_escape_sequences() {
        assert_eq!(printable("a\u{1b}]0;x\u{7}b\n"), "a]0;xb");
    }
}
