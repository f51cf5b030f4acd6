//! Where in a window text may stand unsent, and whose.
//!
//! A sender that dies between the paste and Enter leaves its text in the input box, and so does one whose Enter was
//! forbidden. The next message is then glued to it, and its sender must be told. The note that says so is on the window
//! itself: it goes with that, and whoever can paste there finds it, whatever the agent is called and wherever files are kept.
//!
//! A window may have several boxes, and nothing tells which of them a point belongs to. So a text that was left at one point
//! may stand at any other, until Enter was pressed there: then the box at that point is empty.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::MessageId;

/// Longest note: what the name of one atom holds on Windows.
pub(super) const NOTE_BYTES_MAX: usize = 240;

/// A point in the window, from its corner.
type Point = (i32, i32);

/// The first message whose text may stand unsent in a target's input box.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unsent(Option<MessageId>);

/// What may stand unsent in one window.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Note(Vec<Left>);

/// A text that was pasted and not submitted.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Left {
    of: Option<MessageId>,
    /// Where it was pasted; unknown in a note that says too much, or nothing that can be read.
    at: Option<Point>,
    /// Where Enter was pressed since.
    emptied: Vec<Point>,
}

impl Note {
    /// Reads a note. Any program may have written it: what cannot be read is an unknown text at an unknown place.
    pub(crate) fn read(note: &[u8]) -> Self {
        let text = std::str::from_utf8(note).ok().filter(|note| !note.is_empty() && note.len() <= NOTE_BYTES_MAX);
        let left = text.and_then(|text| text.lines().map(Left::read).collect::<Option<Vec<_>>>());
        Self(left.filter(|left| !left.is_empty()).unwrap_or_else(|| vec![Left::unknown()]))
    }

    /// The note as it is written; `None` where there is nothing to be noted.
    pub(crate) fn text(&self) -> Option<String> {
        if self.0.is_empty() {
            return None;
        }
        let written = |left: &[Left]| left.iter().map(Left::text).collect::<Vec<_>>().join("\n");
        // Less is known by a shorter note, so that more is doubted.
        let short = || self.0.iter().map(|left| Left { emptied: Vec::new(), ..left.clone() }).collect::<Vec<_>>();
        let fits = |text: &String| text.len() <= NOTE_BYTES_MAX;
        Some(written(&self.0))
            .filter(fits)
            .or_else(|| Some(written(&short())).filter(fits))
            .or_else(|| Some(Left::unknown().text()))
    }

    /// Whose text may stand in the box at `point`.
    pub(crate) fn unsent_at(&self, point: Point) -> Option<Unsent> {
        let may_stand = |left: &&Left| left.at == Some(point) || !left.emptied.contains(&point);
        self.0.iter().find(may_stand).map(|left| Unsent(left.of.clone()))
    }

    /// As it is once text of `id` was pasted at `point`. What was left there before was first.
    pub(crate) fn pasted(self, id: &MessageId, point: Point) -> Self {
        self.left(id, Some(point))
    }

    /// As it is once text of `id` was typed nobody knows where.
    #[cfg(not(target_os = "macos"))]
    pub(crate) fn astray(self, id: &MessageId) -> Self {
        self.left(id, None)
    }

    fn left(mut self, id: &MessageId, at: Option<Point>) -> Self {
        // One that was left here and may still stand everywhere says all that this one could.
        if !self.0.iter().any(|left| left.at == at && left.emptied.is_empty()) {
            // The first one and the newest say all that those between could.
            let mut here = 0;
            self.0.retain(|left| left.at != at || std::mem::replace(&mut here, 1) == 0);
            self.0.push(Left { of: Some(id.clone()), at, emptied: Vec::new() });
        }
        self
    }

    /// As it is once Enter has emptied the box at `point`.
    pub(crate) fn emptied(mut self, point: Point) -> Self {
        self.0.retain(|left| left.at != Some(point));
        for left in self.0.iter_mut().filter(|left| !left.emptied.contains(&point)) {
            left.emptied.push(point);
        }
        self
    }
}

impl Left {
    const fn unknown() -> Self {
        Self { of: None, at: None, emptied: Vec::new() }
    }

    /// `ID X,Y`, and each point that was emptied: `X,Y`. What is unknown is a `-`.
    fn read(line: &str) -> Option<Self> {
        let mut words = line.split(' ');
        let of = words.next().filter(|id| *id != "-").map(str::parse).transpose().ok()?;
        let at = words.next()?;
        let at = if at == "-" { None } else { Some(point(at)?) };
        Some(Self { of, at, emptied: words.map(point).collect::<Option<_>>()? })
    }

    fn text(&self) -> String {
        let of = self.of.as_ref().map_or("-", MessageId::as_str);
        let at = self.at.map_or_else(|| "-".to_owned(), |(x, y)| format!("{x},{y}"));
        let emptied: String = self.emptied.iter().map(|(x, y)| format!(" {x},{y}")).collect();
        format!("{of} {at}{emptied}")
    }
}

/// A point of a window among all of the display, as a note of what went astray has it: windows move, so it is the window's
/// number and the point in it.
pub(crate) const fn place(window: i32, (x, y): Point) -> Point {
    (window, (x << 16) | (y & 0xffff))
}

fn point(word: &str) -> Option<Point> {
    let (x, y) = word.split_once(',')?;
    Some((x.parse().ok()?, y.parse().ok()?))
}

impl From<MessageId> for Unsent {
    fn from(id: MessageId) -> Self {
        Self(Some(id))
    }
}

impl fmt::Display for Unsent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(id) => write!(f, "the message {id}"),
            None => f.write_str("an unknown message"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: Point = (10, 20);
    const THERE: Point = (-5, 300);

    fn id(name: &str) -> MessageId {
        name.parse().unwrap()
    }

    fn again(note: &Note) -> Note {
        note.text().map(|text| Note::read(text.as_bytes())).unwrap_or_default()
    }

    #[test]
    fn a_text_may_stand_at_every_point_until_enter_was_pressed_there() {
        let left = again(&Note::default().pasted(&id("left"), HERE));
        assert_eq!(left.unsent_at(HERE), Some(id("left").into()));
        assert_eq!(left.unsent_at(THERE), Some(id("left").into()), "maybe in the same box");
        let elsewhere = again(&left.pasted(&id("next"), THERE).emptied(THERE));
        assert_eq!(elsewhere.unsent_at(THERE), None);
        assert_eq!(elsewhere.unsent_at(HERE), Some(id("left").into()), "maybe in another box");
        let again_elsewhere = again(&elsewhere.clone().pasted(&id("killed"), THERE));
        assert_eq!(again_elsewhere.unsent_at(THERE), Some(id("killed").into()));
        assert_eq!(elsewhere.pasted(&id("last"), HERE).emptied(HERE).text(), None);
    }

    #[test]
    fn what_was_first_stays() {
        let twice = Note::default().pasted(&id("first"), HERE).pasted(&id("second"), HERE);
        assert_eq!(again(&twice).unsent_at(HERE), Some(id("first").into()));
    }

    #[test]
    fn a_text_that_is_left_anew_may_stand_where_enter_was_pressed_before() {
        let left = Note::default().pasted(&id("first"), HERE).pasted(&id("second"), THERE).emptied(THERE);
        let anew = again(&left.pasted(&id("third"), HERE));
        assert_eq!(anew.unsent_at(THERE), Some(id("third").into()));
        assert_eq!(anew.unsent_at(HERE), Some(id("first").into()));
        assert_eq!(anew.clone().pasted(&id("fourth"), HERE), anew, "it says no more");
        let often = (0..50).fold(anew.clone(), |note, nth| {
            again(&note.emptied(THERE).pasted(&id(&format!("a-message-with-a-long-name-{nth}")), HERE))
        });
        assert_eq!(often.unsent_at(THERE), Some(id("a-message-with-a-long-name-49").into()), "it does not grow");
        assert_eq!(anew.emptied(HERE).text(), None);
    }

    #[cfg(not(target_os = "macos"))]
    #[test]
    fn what_went_astray_often_is_doubted_once_at_each_place() {
        let long = |nth: u32| id(&format!("{nth:032}"));
        let often = (0..6).fold(Note::default(), |note, nth| again(&note.emptied(THERE).astray(&long(nth))));
        assert_eq!(often.unsent_at(HERE), Some(long(0).into()));
        assert_eq!(often.unsent_at(THERE), Some(long(5).into()));
        let emptied = again(&again(&often.emptied(HERE)).emptied(THERE));
        assert_eq!((emptied.unsent_at(HERE), emptied.unsent_at(THERE)), (None, None));
    }

    #[test]
    fn what_others_plant_is_an_unknown_text_and_gone_where_enter_was_pressed() {
        let long = [b'x'; 4096];
        let many = "m 1,1\n".repeat(50);
        for planted in
            [&b""[..], b"\n", b"\x1b]0;x\x07 1,1", b"m", b"m 1", b"m 1,1 x", b"\xff\xfe", &long, many.as_bytes()]
        {
            let note = Note::read(planted);
            assert_eq!(note.unsent_at(HERE).unwrap().to_string(), "an unknown message");
            assert_eq!(again(&note.emptied(HERE)).unsent_at(HERE), None);
        }
    }

    #[test]
    fn a_note_that_would_be_too_long_says_less_and_doubts_more() {
        let points = |count| (0..count).map(|nth| (nth, 1000 + nth));
        let long = points(200).fold(Note::default().pasted(&id("left"), HERE), Note::emptied);
        let short = again(&long);
        assert_eq!(
            (short.unsent_at(HERE), short.unsent_at((3, 1003))),
            (Some(id("left").into()), Some(id("left").into()))
        );
        let many = points(50).fold(Note::default(), |note, point| note.pasted(&id("left"), point));
        assert_eq!(again(&many).unsent_at(HERE).unwrap().to_string(), "an unknown message");
        assert!(many.text().unwrap().len() <= NOTE_BYTES_MAX);
    }
}
