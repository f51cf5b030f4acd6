//! X11: enigo's hands, while the verified driver's eyes and clipboard look on over a connection of their own.

use std::time::Duration;

use lock_core::{Moment, Permit};

use super::{hands::Hands, system::System};
use crate::{
    MessageId,
    desktop::{
        Bound, Chord, Desktop as _, FetchRule, Fetched, InputBox, Place, Refusal, Selection, Sight, Unsent,
        x11::{KeyStroke, X11Desktop, XWayland, keeper::KeeperCommand},
    },
};

/// An X11 display, seen by [`X11Desktop`] and touched by enigo.
pub(super) struct X11 {
    eyes: X11Desktop,
    hands: Option<Hands>,
}

impl X11 {
    pub(super) fn connect(xwayland: XWayland, display: Option<&str>, keeper: &KeeperCommand) -> Result<Self, Refusal> {
        let mut this = Self { eyes: X11Desktop::connect_even_to(xwayland, display, keeper)?, hands: None };
        // Found out now, not under the lock: enigo refuses a keyboard without a free key.
        this.reach()?;
        Ok(this)
    }

    fn reach(&mut self) -> Result<&mut Hands, Refusal> {
        let display = self.eyes.display_name().to_owned();
        let hands = Hands::new(Some(&display));
        let hands = hands.map_err(|error| Refusal::NoDisplay { display, why: format!("enigo: {error}") })?;
        Ok(self.hands.insert(hands))
    }

    fn hands(&mut self) -> Result<&mut Hands, Refusal> {
        if self.hands.is_none() {
            self.reach()?;
        }
        let none = Refusal::Disconnected { during: "reaching for the devices", why: "enigo has no connection".into() };
        self.hands.as_mut().ok_or(none)
    }
}

impl System for X11 {
    type Strokes = Vec<KeyStroke>;

    fn sight(&self) -> Sight {
        self.eyes.sight()
    }

    fn watch(&mut self, permit: Option<&Permit<'_>>, idle: Duration) -> Result<Vec<String>, Refusal> {
        if let Some(permit) = permit {
            self.eyes.take_mark(permit)?;
        }
        self.eyes.begin_watch_of_real_devices(idle)
    }

    fn unwatch(&mut self) {
        self.eyes.unwatch();
    }

    fn still_hindered(
        &mut self,
        hindrance: Option<&Refusal>,
        target: Option<&Bound>,
        idle: Duration,
    ) -> Result<Option<Refusal>, Refusal> {
        self.eyes.still_hindered(hindrance, target, idle)
    }

    fn await_change(&mut self, until: Moment) -> Result<(), Refusal> {
        self.eyes.await_change(until)
    }

    fn bind(&mut self, place: &Place) -> Result<Bound, Refusal> {
        self.eyes.bind(place)
    }

    fn take_up(&mut self, permit: &Permit<'_>) -> Result<Vec<String>, Refusal> {
        self.reach()?;
        self.eyes.sweep(permit)
    }

    fn lies_open(&mut self, target: &Bound) -> Result<(), Refusal> {
        self.eyes.lies_open(target)
    }

    fn move_pointer(&mut self, target: &Bound) -> Result<(), Refusal> {
        let (x, y) = self.eyes.note_move_to(target)?;
        self.hands()?.move_to((x.into(), y.into()))
    }

    fn pointer_is_on(&mut self, target: &Bound) -> Result<(), Refusal> {
        self.eyes.pointer_is_on(target)
    }

    fn click(&mut self) -> Result<(), Refusal> {
        self.eyes.note_click()?;
        self.hands()?.click()?;
        self.eyes.note_released()
    }

    fn await_focus(&mut self, target: &Bound, until: Moment) -> Result<InputBox, Refusal> {
        self.eyes.await_focus(target, until)
    }

    fn offer(&mut self, permit: &Permit<'_>, text: &str, selection: Selection) -> Result<(), Refusal> {
        self.eyes.offer(permit, text, selection)
    }

    fn note_paste(&mut self, target: &Bound, id: &MessageId) -> Result<Option<Unsent>, Refusal> {
        self.eyes.note_paste_of(target, id)
    }

    fn note_arrived(&mut self) {
        self.eyes.note_arrived();
    }

    fn note_nothing(&mut self, _: &Bound) {
        self.eyes.note_nothing();
    }

    fn note_enter(&mut self, _: &Bound) {
        self.eyes.note_enter();
    }

    fn may_press(&mut self, target: &Bound, chord: &Chord) -> Result<Self::Strokes, Refusal> {
        self.eyes.may_press(target, chord)
    }

    fn press(&mut self, strokes: &Self::Strokes) -> Result<(), Refusal> {
        self.eyes.note_strokes(strokes)?;
        self.eyes.note_paste();
        let hands = self.hands()?;
        if let Err(broke) = strokes.iter().try_for_each(|stroke| hands.key(stroke.key, stroke.down)) {
            // Dropped, they release what they still hold. What they cannot, the next sender finds named.
            self.hands = None;
            return Err(broke);
        }
        self.eyes.note_released()
    }

    fn reached(&mut self, target: &Bound) -> Result<(), Refusal> {
        self.eyes.still_undisturbed(target)
    }

    fn await_fetched(&mut self, target: &Bound, rule: FetchRule, until: Moment) -> Result<Fetched, Refusal> {
        self.eyes.await_fetched(target, rule, until)
    }

    fn restore(&mut self, permit: &Permit<'_>) -> Result<(), Refusal> {
        self.hands = None;
        self.eyes.restore(permit)
    }
}
