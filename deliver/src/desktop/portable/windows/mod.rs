//! Windows: input as whole arrays, a foreground log, and a clipboard that is only promised, so that reading it is seen.

mod attendant;
mod clipboard;
mod findings;
mod foreground;
mod keys;
mod listening;
mod person;
mod promise;
mod screens;
mod session;
mod target;
mod unsent;
mod window;

pub(super) use findings::findings;

use std::time::Duration;

use lock_core::{Moment, Permit};

use self::{
    attendant::Attendant,
    keys::KeyStroke,
    screens::{RealPixels, VirtualDesktop},
    unsent::Noted,
    window::{Owner, Window},
};
use super::{UNSEEN_FETCH_SETTLE, hands::Hands, system::System};
use crate::{
    MessageId,
    desktop::{Bound, Chord, FetchRule, Fetched, InputBox, Place, Refusal, Selection, Sight, Unsent},
};

/// What no event tells of is looked for this often.
const SWEEP_AFTER: Duration = Duration::from_millis(100);
/// Looked at again this often: a program may move the focus among its own windows, of which nothing is heard.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(10);

/// The desktop of this session.
pub(super) struct Windows {
    attendant: Attendant,
    hands: Option<Hands>,
    bound: Option<(Window, Owner)>,
    /// Where the pointer was before the first act, and where it was sent.
    moved: Option<((i32, i32), (i32, i32))>,
    /// The text that was on the clipboard alone.
    former: Option<String>,
    offered: bool,
    /// The notes as they were before the paste.
    noted: Option<Noted>,
    /// When the first keys were pressed: earlier readers were not pasted to.
    pasted_at: Option<Moment>,
    foregrounds: u64,
    watching: bool,
}

// SAFETY: the window's number is only ever handed to Windows, which takes it from any thread.
unsafe impl Send for Windows {}

impl Windows {
    pub(super) fn connect() -> Result<Self, Refusal> {
        session::refuse_other_desktops()?;
        let attendant = Attendant::start().map_err(|error| Refusal::NoDisplay {
            display: "of this session".into(),
            why: format!("no window for its messages: {error}"),
        })?;
        Ok(Self {
            attendant,
            hands: None,
            bound: None,
            moved: None,
            former: None,
            offered: false,
            noted: None,
            pasted_at: None,
            foregrounds: 0,
            watching: false,
        })
    }

    /// Refuses if somebody else used an input device since it is watched.
    fn refuse_other_input(&self) -> Result<(), Refusal> {
        match self.attendant.heard().other_input {
            Some((at, device)) if self.watching => {
                Err(Refusal::Person { device: device.into(), ago: at.elapsed(), may_type: true })
            }
            _ => Ok(()),
        }
    }

    /// Listens for as long as `idle`: Windows tells when the last input was, and not whose.
    fn listen_for(&self, idle: Duration) -> Result<(), Refusal> {
        let until = Moment::now() + idle;
        self.attendant.wait(until, |heard| heard.other_input.map(drop));
        self.refuse_other_input()
    }
}

impl System for Windows {
    type Strokes = Vec<KeyStroke>;

    fn sight(&self) -> Sight {
        Sight { every_fetch: false, doubt: None }
    }

    fn watch(&mut self, _: Option<&Permit<'_>>, idle: Duration) -> Result<Vec<String>, Refusal> {
        let failed = |error| Refusal::Disconnected { during: "watching the input devices", why: format!("{error}") };
        self.attendant.listen(true).map_err(failed)?;
        self.watching = true;
        if person::last_input_ago().is_some_and(|ago| ago < idle && !person::was_ours()) {
            self.listen_for(idle)?;
        }
        Ok(vec!["which device was used before it was watched is not told by Windows".into()])
    }

    fn unwatch(&mut self) {
        if std::mem::take(&mut self.watching)
            && let Err(error) = self.attendant.listen(false)
        {
            tracing::debug!(%error, "the watch ended with its thread");
        }
    }

    fn still_hindered(
        &mut self,
        hindrance: Option<&Refusal>,
        target: Option<&Bound>,
        idle: Duration,
    ) -> Result<Option<Refusal>, Refusal> {
        let recent = self.attendant.heard().other_input.filter(|(at, _)| at.elapsed() < idle);
        if let Some((at, device)) = recent {
            return Ok(Some(Refusal::Person { device: device.into(), ago: at.elapsed(), may_type: true }));
        }
        let still = match (hindrance, target) {
            (Some(Refusal::Interference { .. }), _) => keys::refuse_held(),
            (Some(Refusal::Covered { by }), Some(target)) => match self.lies_open(target) {
                Err(Refusal::Covered { by: now }) if now != *by => Ok(()),
                other => other,
            },
            (Some(Refusal::FocusElsewhere { on }), Some(target)) => {
                match Self::refuse_unfocused(self.target(target)?) {
                    Err(Refusal::FocusElsewhere { on: now }) if now != *on => Ok(()),
                    other => other,
                }
            }
            _ => Ok(()),
        };
        Refusal::still_hindering(still)
    }

    fn await_change(&mut self, until: Moment) -> Result<(), Refusal> {
        let before = {
            let heard = self.attendant.heard();
            (heard.foregrounds, heard.other_input)
        };
        // Windows that go, come or move are not told of: they are looked for.
        let again = until.min(Moment::now() + SWEEP_AFTER);
        self.attendant.wait(again, |heard| ((heard.foregrounds, heard.other_input) != before).then_some(()));
        Ok(())
    }

    fn bind(&mut self, place: &Place) -> Result<Bound, Refusal> {
        let _pixels = RealPixels::on_this_thread();
        let (window, point) = target::find(place)?;
        let (owner, description) = (window.owner()?, window.describe());
        session::refuse_higher_rights(owner.pid, &description)?;
        self.bound = Some((window, owner));
        Ok(Bound { window: window.0 as u64, client: owner.pid.into(), point, description })
    }

    fn take_up(&mut self, _: &Permit<'_>) -> Result<Vec<String>, Refusal> {
        session::refuse_other_desktops()?;
        let refused = |error| Refusal::NoDisplay { display: "of this session".into(), why: format!("enigo: {error}") };
        self.hands = Some(Hands::new(None).map_err(refused)?);
        (self.moved, self.former, self.offered, self.pasted_at) = (None, None, false, None);
        // Chords are whole arrays: a dead sender has left no key down.
        Ok(Vec::new())
    }

    fn lies_open(&mut self, target: &Bound) -> Result<(), Refusal> {
        let _pixels = RealPixels::on_this_thread();
        let window = self.target(target)?;
        self.refuse_other_input()?;
        keys::refuse_held()?;
        match Window::at(target.point) {
            Some(there) if there == window => Ok(()),
            Some(other) => Err(Refusal::Covered { by: other.describe() }),
            None => Err(Refusal::Covered { by: "the empty desktop".into() }),
        }
    }

    fn move_pointer(&mut self, target: &Bound) -> Result<(), Refusal> {
        let _pixels = RealPixels::on_this_thread();
        if self.moved.is_none() {
            self.moved = screens::pointer().map(|was| (was, target.point));
        }
        keys::move_pointer(VirtualDesktop::now().absolute(target.point))
    }

    fn pointer_is_on(&mut self, target: &Bound) -> Result<(), Refusal> {
        let _pixels = RealPixels::on_this_thread();
        if !screens::arrived(target.point) {
            return Err(Refusal::Interference { device: "the pointer: it is not where it was sent".into() });
        }
        self.lies_open(target)
    }

    fn click(&mut self) -> Result<(), Refusal> {
        let none = Refusal::Disconnected { during: "clicking", why: "there are no hands".into() };
        self.hands.as_mut().ok_or(none)?.click()
    }

    fn await_focus(&mut self, target: &Bound, until: Moment) -> Result<InputBox, Refusal> {
        loop {
            let window = self.target(target)?;
            let focus = Self::refuse_unfocused(window);
            if focus.is_ok() || until.is_past() {
                return focus.map(|()| InputBox::NotTold);
            }
            let seen = self.attendant.heard().foregrounds;
            let again = until.min(Moment::now() + LOOK_AGAIN_AFTER);
            self.attendant.wait(again, |heard| (heard.foregrounds != seen).then_some(()));
        }
    }

    fn offer(&mut self, _: &Permit<'_>, text: &str, _: Selection) -> Result<(), Refusal> {
        self.former = clipboard::only_text();
        // Windows ends its lines so; classic input boxes know no other end.
        let text = text.replace('\n', "\r\n");
        self.promise(text.encode_utf16().collect())?;
        self.offered = true;
        Ok(())
    }

    fn note_paste(&mut self, target: &Bound, id: &MessageId) -> Result<Option<Unsent>, Refusal> {
        let _pixels = RealPixels::on_this_thread();
        let window = self.target(target)?;
        let noted = Noted::read(window, window.offset_of(target.point)?);
        let failed = |error| Refusal::TargetGone(format!("no note can be left on its window: {error}"));
        noted.pasted(id).map_err(failed)?;
        let unsent = noted.unsent();
        self.noted = Some(noted);
        Ok(unsent)
    }

    fn note_arrived(&mut self) {
        self.noted.iter().for_each(Noted::arrived);
    }

    fn note_nothing(&mut self, target: &Bound) {
        let there = self.target(target).is_ok();
        if let Some(noted) = self.noted.take() {
            noted.nothing(there);
        }
    }

    fn note_enter(&mut self, target: &Bound) {
        let there = self.target(target).is_ok();
        if let Some(noted) = self.noted.take() {
            noted.emptied(there);
        }
    }

    fn may_press(&mut self, target: &Bound, chord: &Chord) -> Result<Self::Strokes, Refusal> {
        self.refuse_taken()?;
        if self.pasted_at.is_none() && self.offered {
            // An early reader would have made Windows keep the text itself, and no reader after it would be seen.
            self.offer_again()?;
        }
        self.foregrounds = self.await_rest()?;
        let window = self.target(target)?;
        self.refuse_other_input()?;
        keys::refuse_held()?;
        Self::refuse_unfocused(window)?;
        keys::strokes(chord, window.layout())
    }

    fn press(&mut self, strokes: &Self::Strokes) -> Result<(), Refusal> {
        let now = Moment::now();
        keys::press(strokes)?;
        self.pasted_at.get_or_insert(now);
        Ok(())
    }

    fn reached(&mut self, target: &Bound) -> Result<(), Refusal> {
        self.refuse_restless()?;
        self.refuse_other_input()?;
        person::note_ours();
        Self::refuse_unfocused(self.target(target)?)
    }

    fn await_fetched(&mut self, target: &Bound, rule: FetchRule, until: Moment) -> Result<Fetched, Refusal> {
        let pasted_at = self.pasted_at;
        let any = |heard: &attendant::Heard| (heard.replaced || !heard.readers.is_empty()).then_some(());
        let asked = self.attendant.wait(until, any);
        self.refuse_taken()?;
        if asked.is_none() {
            // Nobody has the text: nothing can have been pasted.
            return Err(Refusal::NotFetched { by_target: 0, expected: 1, by_others: 0 });
        }
        let rest = Moment::now() + rule.quiet.max(UNSEEN_FETCH_SETTLE);
        self.attendant.wait(until.min(rest), |heard| heard.replaced.then_some(()));
        self.refuse_taken()?;
        let fetched = clipboard::fetched(&self.attendant.heard().readers, pasted_at, target.client);
        Ok(fetched)
    }

    fn restore(&mut self, _: &Permit<'_>) -> Result<(), Refusal> {
        let _pixels = RealPixels::on_this_thread();
        self.hands = None;
        if let Some((was, ours)) = self.moved.take()
            && screens::pointer() == Some(ours)
        {
            keys::move_pointer(VirtualDesktop::now().absolute(was))?;
            screens::arrived(was);
            if self.refuse_other_input().is_ok() {
                person::note_ours();
            }
        }
        self.give_clipboard_back()
    }
}
