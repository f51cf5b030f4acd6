//! Pressing a chord: the check and the keys as one act.

use std::time::Duration;

use lock_core::{Moment, Permit};
use x11rb::{
    connection::Connection as _,
    protocol::{
        Event,
        xproto::{ConnectionExt as _, KEY_PRESS_EVENT, KEY_RELEASE_EVENT, Window},
    },
};

use super::{
    X11Desktop,
    bind::Target,
    connection::{During as _, SERVER},
    grabs::Went,
    guarded::ServerGrab,
    keyboard::{KeyStroke, Keyboard},
    unsent::{AskedNote, OnTarget},
    window::UnderPointer,
};
use crate::{
    MessageId,
    desktop::{Bound, Chord, Refusal, Unsent},
};

const DOING: &str = "pressing keys";
/// Tries, when the keyboard's mapping or locks change just then. More changes than this are somebody at work.
const TRIES: usize = 4;

/// How long grabs of others are waited for: those around a click last some milliseconds, menus and screen locks stay.
const GRABS_PASS_WITHIN: Duration = Duration::from_millis(500);
/// First pause between two questions about them.
const ASK_AGAIN_AFTER: Duration = Duration::from_micros(250);
/// Longest pause between two questions about them.
const ASK_AGAIN_AT_LATEST: Duration = Duration::from_millis(16);

/// What came of one try.
enum Pressed {
    /// And this note was on the target before.
    Done(Option<Unsent>),
    /// The keyboard is not what the strokes were chosen for: its state is this.
    Anew(u16),
    /// The keys were sent, and the connection broke before the server's answer, or it tells that they went astray.
    Unknown(Refusal),
}

impl X11Desktop {
    /// Presses `chord`. With `pastes`, the keys leave a note on the target: text of that message may stand unsent in its box.
    /// Returns whose may already.
    pub(super) fn press_on(
        &mut self,
        permit: &Permit<'_>,
        bound: &Bound,
        chord: &Chord,
        pastes: Option<&MessageId>,
    ) -> Result<Option<Unsent>, Refusal> {
        self.drain_events()?;
        let mut target = self.target(bound)?;
        let pressed = self.press_within_tries(permit, &mut target, chord, pastes);
        self.target = Some(target);
        match pressed {
            Ok(Pressed::Done(unsent)) => Ok(unsent),
            Ok(Pressed::Unknown(refusal)) => Err(refusal),
            Ok(Pressed::Anew(_)) => {
                Err(Refusal::Interference { device: "the keyboard: its mapping or locks keep changing".into() })
            }
            // `Disconnected` would leave open whether keys were pressed, and none was.
            Err(Refusal::Disconnected { during, why }) => {
                let why = format!("its connection broke while {during}, before a key was pressed: {why}");
                Err(Refusal::NoDisplay { display: self.display.name.clone(), why })
            }
            Err(refusal) => Err(refusal),
        }
    }

    /// An error means that nothing was pressed.
    fn press_within_tries(
        &mut self,
        permit: &Permit<'_>,
        target: &mut Target,
        chord: &Chord,
        pastes: Option<&MessageId>,
    ) -> Result<Pressed, Refusal> {
        self.await_firm(target)?;
        self.drain_events()?;
        let mut pressed = Pressed::Anew(self.keyboard_state);
        for _ in 0..TRIES {
            pressed = self.while_grabs_pass(|driver| {
                driver.refresh_keyboard()?;
                let strokes = driver.keyboard.strokes(chord, driver.keyboard_state)?;
                driver.try_press(permit, target, &strokes, pastes)
            })?;
            match pressed {
                Pressed::Anew(state) => self.keyboard_state = state,
                Pressed::Done(_) | Pressed::Unknown(_) => break,
            }
        }
        Ok(pressed)
    }

    fn try_press(
        &mut self,
        permit: &Permit<'_>,
        target: &mut Target,
        strokes: &[KeyStroke],
        pastes: Option<&MessageId>,
    ) -> Result<Pressed, Refusal> {
        let selection = self.offer.as_ref().map(|offer| self.selection_atom(offer.selection));
        self.refuse_another_box(target)?;
        let grab = ServerGrab::begin(&self.display, &self.watch)?;
        // All questions in one round trip; the answers are good until the grab ends.
        let grabs = self.display.ask_for_grabs(self.probe_window)?;
        let hotkeys = self.display.ask_for_hotkeys(&target.chain, strokes)?;
        let owner = selection.map(|name| self.display.x.get_selection_owner(name).during(DOING)).transpose()?;
        let note = pastes.map(|_| self.display.ask_for_note(target)).transpose()?;
        let focus = self.display.x.get_input_focus().during(DOING)?;
        let under = self.display.under_pointer(&target.chain)?;
        let focus = focus.reply().during(DOING)?.focus;
        let owner = owner.map(|owner| owner.reply().during(DOING)).transpose()?.map(|owner| owner.owner);
        let note = note.map(AskedNote::answer).transpose()?;
        let mapping_changed = self.drain_events().map(|_| self.keyboard_is_stale.get())?;
        self.refuse_other_input()?;
        let verdict = grabs.refuse().and_then(|()| hotkeys.refuse()).and_then(|()| self.refuse_held(under.state));
        // Names for refusals are asked for after the grab: a grab is for the act alone.
        verdict?;
        if owner.is_some_and(|owner| owner != self.keeper.window) {
            drop(grab);
            let by = self.describe_owner(owner.unwrap_or_default())?;
            return Err(Refusal::ClipboardTaken { by });
        }
        if !self.display.leads_to(&under.chain, target) || !self.display.has_focus(focus, &under)? {
            drop(grab);
            return Err(self.elsewhere(focus, &under, target)?);
        }
        if mapping_changed || under.state & STATE_OF_STROKES != self.keyboard_state & STATE_OF_STROKES {
            return Ok(Pressed::Anew(under.state));
        }
        if under.chain != target.chain {
            // The hotkeys were asked for on other windows than these.
            target.chain = under.chain;
            return Ok(Pressed::Anew(under.state));
        }
        still_permitted(permit)?;
        self.mixed_input();
        let unsent = note.as_ref().and_then(OnTarget::unsent);
        if let (Some(id), Some(before)) = (pastes, note) {
            self.display.write_note(&before.pasted(id))?;
            self.note_before = Some(before);
        }
        let presses: Vec<_> = strokes.iter().filter(|stroke| stroke.down).map(KeyStroke::act).collect();
        self.display.name_pressed(&presses)?;
        let mut went = Vec::new();
        for KeyStroke { key, down, .. } in strokes {
            self.display.fake_input(if *down { KEY_PRESS_EVENT } else { KEY_RELEASE_EVENT }, *key, (0, 0))?;
            if *down {
                went.push(self.display.ask_where_it_went(*key, self.probe_window)?);
            }
        }
        self.display.all_released()?;
        if let Some(offer) = &mut self.offer {
            // From the first keys on, fetches are for this paste; earlier ones were for something else.
            offer.pasted_at.get_or_insert_with(Moment::now);
        }
        let answered = grab.submit(DOING).and_then(|()| self.refuse_astray(went));
        Ok(match answered {
            Ok(()) => Pressed::Done(unsent),
            Err(refusal) => Pressed::Unknown(refusal),
        })
    }

    /// Whether the keys went elsewhere, or among somebody else's.
    fn refuse_astray(&self, went: Vec<Went<'_>>) -> Result<(), Refusal> {
        went.into_iter().try_for_each(Went::refuse)?;
        self.drain_events()?;
        match self.mixed_input() {
            None => Ok(()),
            Some(device) => Err(Refusal::PressNotSeen { why: format!("{device} was used in the same instant") }),
        }
    }

    /// Does `act` again while another client's grab refuses it, for a moment: window managers and targets grab the pointer
    /// while they handle our own click. The server tells nobody when a grab ends, so it is asked, ever less often.
    pub(super) fn while_grabs_pass<T>(
        &mut self,
        mut act: impl FnMut(&mut Self) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let until = Moment::now() + GRABS_PASS_WITHIN;
        let mut pause = ASK_AGAIN_AFTER;
        loop {
            match act(self) {
                Err(Refusal::Grabbed { device }) if device != SERVER && !until.is_past() => {
                    self.await_event(until.min(Moment::now() + pause))?;
                    pause = (pause * 2).min(ASK_AGAIN_AT_LATEST);
                }
                done => return done,
            }
        }
    }

    /// Where the keys would go instead.
    pub(super) fn elsewhere(&self, focus: Window, under: &UnderPointer, target: &Target) -> Result<Refusal, Refusal> {
        self.refuse_if_gone(target)?;
        if !self.display.leads_to(&under.chain, target) {
            return Ok(Refusal::Covered { by: self.display.describe(&under.chain)? });
        }
        Ok(Refusal::FocusElsewhere { on: self.describe_focus(focus)? })
    }

    /// What has the focus.
    pub(super) fn describe_focus(&self, focus: Window) -> Result<String, Refusal> {
        match focus {
            0 => Ok("no window".to_owned()),
            window => self.display.describe(&[window]),
        }
    }

    pub(super) fn describe_owner(&self, owner: Window) -> Result<String, Refusal> {
        match owner {
            0 => Ok("nobody: it is empty now".into()),
            window => self.display.describe(&[window]),
        }
    }

    /// Reads the keyboard anew when the server said that it has changed.
    pub(super) fn refresh_keyboard(&mut self) -> Result<(), Refusal> {
        if self.keyboard_is_stale.take() {
            self.keyboard = Keyboard::read(&self.display)?;
        }
        Ok(())
    }

    /// Reads the events that wait; `true` when there was any.
    pub(super) fn drain_events(&self) -> Result<bool, Refusal> {
        const DOING: &str = "reading the display's events";
        self.display.answer_soon();
        let mut any = false;
        while let Some((event, number)) = self.display.x.poll_for_event_with_sequence().during(DOING)? {
            any = true;
            self.note_event(&event);
            self.note_input(&event, number);
        }
        Ok(any)
    }

    fn note_event(&self, event: &Event) {
        match event {
            Event::SelectionClear(cleared) => self.note_mark(cleared),
            Event::MappingNotify(_) => self.keyboard_is_stale.set(true),
            Event::FocusIn(_) | Event::FocusOut(_) | Event::EnterNotify(_) | Event::LeaveNotify(_) => {
                self.stirred.set(true);
            }
            Event::PropertyNotify(stamp) if stamp.window == self.probe_window => self.clicked_at.set(Some(stamp.time)),
            // Of a window that was watched and has gone.
            Event::Error(error) => tracing::trace!(?error, "an X error"),
            _ => {}
        }
    }
}

/// Locks and the active layout: what the choice of strokes depends on.
const STATE_OF_STROKES: u16 = 0x60ff;

/// Asked right before each act: the lease may have ended since the step began.
pub(super) fn still_permitted(permit: &Permit<'_>) -> Result<(), Refusal> {
    permit.check().map_err(|lost| Refusal::LeaseLost(lost.to_string()))
}
