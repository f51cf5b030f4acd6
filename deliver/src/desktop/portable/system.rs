//! What one system lets the portable driver see and do.

use std::time::Duration;

use lock_core::{Moment, Permit};

use crate::{
    MessageId,
    desktop::{Bound, Chord, FetchRule, Fetched, InputBox, Place, Refusal, Selection, Sight, Unsent},
};

/// One system. [`super::PortableDesktop`] asks the permit and keeps the order: look, act, look again.
pub(super) trait System: Send {
    /// A chord as the keyboard has it now.
    type Strokes;

    /// What this system lets be seen.
    fn sight(&self) -> Sight;

    /// As [`crate::desktop::Desktop::watch`]. Systems that do not tell whose input there was say so.
    fn watch(&mut self, _permit: Option<&Permit<'_>>, idle: Duration) -> Result<Vec<String>, Refusal> {
        let _not_looked_back = idle;
        Ok(vec![
            "a person at mouse or keyboard is not observed here, except by the keys and buttons that they hold".into(),
        ])
    }

    /// As [`crate::desktop::Desktop::unwatch`].
    fn unwatch(&mut self) {}

    /// As [`crate::desktop::Desktop::still_hindered`]. Where it is not known, the next attempt finds out: it looks before it
    /// touches anything.
    fn still_hindered(
        &mut self,
        _hindrance: Option<&Refusal>,
        _target: Option<&Bound>,
        _idle: Duration,
    ) -> Result<Option<Refusal>, Refusal> {
        Ok(None)
    }

    /// As [`crate::desktop::Desktop::await_change`]. Without events of a change, the time is all that there is to wait for.
    fn await_change(&mut self, until: Moment) -> Result<(), Refusal> {
        std::thread::sleep(until.remaining());
        Ok(())
    }

    /// Finds the window that `place` names. Touches nothing.
    fn bind(&mut self, place: &Place) -> Result<Bound, Refusal>;

    /// Makes hands for this hold of the lock, and releases what a dead predecessor left down.
    fn take_up(&mut self, permit: &Permit<'_>) -> Result<Vec<String>, Refusal>;

    /// Refuses unless the target lies open under its point and nobody else is at the input devices.
    fn lies_open(&mut self, target: &Bound) -> Result<(), Refusal>;

    /// Moves the pointer to the target.
    fn move_pointer(&mut self, target: &Bound) -> Result<(), Refusal>;

    /// Refuses unless the pointer has arrived and the target is under it.
    fn pointer_is_on(&mut self, target: &Bound) -> Result<(), Refusal>;

    /// Presses and releases the left button where the pointer is.
    fn click(&mut self) -> Result<(), Refusal>;

    /// As [`crate::desktop::Desktop::await_focus`].
    fn await_focus(&mut self, target: &Bound, until: Moment) -> Result<InputBox, Refusal>;

    /// Puts `text` on the clipboard.
    fn offer(&mut self, permit: &Permit<'_>, text: &str, selection: Selection) -> Result<(), Refusal>;

    /// Leaves the note on the target that text of `id` may stand unsent in its box; says whose may already. Where no Enter
    /// is ever claimed, there is no claim that a note could keep back.
    fn note_paste(&mut self, _target: &Bound, _id: &MessageId) -> Result<Option<Unsent>, Refusal> {
        Ok(None)
    }

    /// The paste of the note went to its target and nowhere else.
    fn note_arrived(&mut self) {}

    /// Puts the note back to what it was before the paste: nothing was typed.
    fn note_nothing(&mut self, _target: &Bound) {}

    /// Notes that the target's box is empty.
    fn note_enter(&mut self, _target: &Bound) {}

    /// Refuses unless `chord` would go to the target and the clipboard is ours; from now on, what could lead it elsewhere
    /// is noted.
    fn may_press(&mut self, target: &Bound, chord: &Chord) -> Result<Self::Strokes, Refusal>;

    /// Presses and releases the keys. An error leaves open what was pressed.
    fn press(&mut self, strokes: &Self::Strokes) -> Result<(), Refusal>;

    /// Refuses, in words, if anything since [`Self::may_press`] could have led the keys elsewhere.
    fn reached(&mut self, target: &Bound) -> Result<(), Refusal>;

    /// As [`crate::desktop::Desktop::await_fetched`].
    fn await_fetched(&mut self, target: &Bound, rule: FetchRule, until: Moment) -> Result<Fetched, Refusal>;

    /// As [`crate::desktop::Desktop::restore`].
    fn restore(&mut self, permit: &Permit<'_>) -> Result<(), Refusal>;
}
