//! macOS: what accessibility tells before and after each act. Who reads the pasteboard is told to nobody.
//!
//! Compiled, and not yet tried on a Mac.

mod accessibility;
mod clipboard;
mod findings;
mod keys;
mod window;

pub(super) use findings::findings;

use std::time::Duration;

use core_graphics::{
    event::CGEvent,
    event_source::{CGEventSource, CGEventSourceStateID},
};
use lock_core::{Moment, Permit};

use self::{accessibility::Permissions, keys::KeyStroke, window::Window};
use super::{UNSEEN_FETCH_SETTLE, hands::Hands, system::System};
use crate::desktop::{Bound, Chord, FetchRule, Fetched, InputBox, Place, Refusal, Selection, Sight};

/// Looked at again this often: no event tells a program without windows where the focus is.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(5);
/// What no event tells of is looked for this often.
const SWEEP_AFTER: Duration = Duration::from_millis(100);
/// Input so soon after ours may be ours.
const OURS_FOR: Duration = Duration::from_millis(50);
/// How long an event may take to come to the pointer.
const ARRIVES_WITHIN: Duration = Duration::from_millis(50);

/// The desktop of this session.
pub(super) struct MacOs {
    hands: Option<Hands>,
    /// Where the pointer was before the first act, and where it was sent.
    moved: Option<((i32, i32), (i32, i32))>,
    /// The pasteboard's count when our text was put there.
    count: Option<isize>,
    former: Option<String>,
    pasted: bool,
    watch: Option<Watch>,
}

/// Since when input that is not ours is watched for.
#[derive(Debug, Clone, Copy)]
struct Watch {
    began: Moment,
    /// When the last event of ours was posted.
    acted: Option<Moment>,
}

impl MacOs {
    pub(super) fn connect() -> Result<Self, Refusal> {
        Permissions::now().refuse()?;
        Ok(Self { hands: None, moved: None, count: None, former: None, pasted: false, watch: None })
    }

    /// Refuses if a device was used since it is watched, and it cannot have been us.
    fn refuse_other_input(&self) -> Result<(), Refusal> {
        let Some(Watch { began, acted }) = self.watch else { return Ok(()) };
        let ago = accessibility::last_input_ago();
        let free_for = acted.map_or_else(|| began.elapsed(), |acted| acted.elapsed().saturating_sub(OURS_FOR));
        match ago < free_for {
            true => Err(Refusal::Person { device: "a keyboard or mouse".into(), ago, may_type: true }),
            false => Ok(()),
        }
    }

    fn note_act(&mut self) {
        if let Some(watch) = &mut self.watch {
            watch.acted = Some(Moment::now());
        }
    }

    fn hands(&mut self) -> Result<&mut Hands, Refusal> {
        let none = Refusal::Disconnected { during: "reaching for the devices", why: "there are no hands".into() };
        self.hands.as_mut().ok_or(none)
    }

    fn refuse_unfocused(target: &Bound) -> Result<(), Refusal> {
        match accessibility::focused_pid() {
            Some(pid) if u64::try_from(pid) == Ok(target.client) => Ok(()),
            Some(pid) => Err(Refusal::FocusElsewhere { on: format!("the process {pid}") }),
            None => Err(Refusal::FocusElsewhere { on: "nothing that accessibility tells".into() }),
        }
    }
}

fn pointer() -> Option<(i32, i32)> {
    let source = CGEventSource::new(CGEventSourceStateID::CombinedSessionState).ok()?;
    let at = CGEvent::new(source).ok()?.location();
    Some((at.x as i32, at.y as i32))
}

impl System for MacOs {
    type Strokes = KeyStroke;

    fn sight(&self) -> Sight {
        Sight { every_fetch: false, doubt: None }
    }

    fn watch(&mut self, _: Option<&Permit<'_>>, idle: Duration) -> Result<Vec<String>, Refusal> {
        // Whether events of programs count is not documented: what may have been ours is waited for.
        let until = Moment::now() + idle;
        while accessibility::last_input_ago() < idle {
            if until.is_past() {
                let ago = accessibility::last_input_ago();
                return Err(Refusal::Person { device: "a keyboard or mouse".into(), ago, may_type: true });
            }
            std::thread::sleep(LOOK_AGAIN_AFTER);
        }
        self.watch = Some(Watch { began: Moment::now(), acted: None });
        Ok(vec!["input of others within 50 ms of our own is not told from it".into()])
    }

    fn unwatch(&mut self) {
        self.watch = None;
    }

    fn still_hindered(
        &mut self,
        hindrance: Option<&Refusal>,
        target: Option<&Bound>,
        idle: Duration,
    ) -> Result<Option<Refusal>, Refusal> {
        let ago = accessibility::last_input_ago();
        if ago < idle {
            return Ok(Some(Refusal::Person { device: "a keyboard or mouse".into(), ago, may_type: true }));
        }
        let still = match (hindrance, target) {
            (Some(Refusal::Interference { .. }), _) => accessibility::refuse_held(),
            (Some(Refusal::Covered { .. }), Some(target)) => self.lies_open(target),
            (Some(Refusal::FocusElsewhere { on }), Some(target)) => match Self::refuse_unfocused(target) {
                Err(Refusal::FocusElsewhere { on: now }) if now != *on => Ok(()),
                other => other,
            },
            _ => Ok(()),
        };
        Refusal::still_hindering(still)
    }

    fn await_change(&mut self, until: Moment) -> Result<(), Refusal> {
        // No event tells a program without windows.
        std::thread::sleep(until.min(Moment::now() + SWEEP_AFTER).remaining());
        Ok(())
    }

    fn bind(&mut self, place: &Place) -> Result<Bound, Refusal> {
        let (window, point) = match (&place.window, place.point) {
            (Some(identity), offset) => {
                let window = Window::find(identity)?;
                let point = window.point(offset)?;
                (window, point)
            }
            (None, Some(point)) => {
                window::refuse_outside(point)?;
                let (x, y) = point;
                let nothing = || Refusal::TargetGone(format!("no window lies at ({x}, {y})"));
                (Window::at(point).ok_or_else(nothing)?, point)
            }
            (None, None) => return Err(Refusal::TargetGone("neither a point nor a window is named".into())),
        };
        window::refuse_outside(point)?;
        Ok(Bound {
            window: u64::from(window.number.unsigned_abs()),
            client: u64::from(window.pid.unsigned_abs()),
            point,
            description: window.describe(),
        })
    }

    fn take_up(&mut self, _: &Permit<'_>) -> Result<Vec<String>, Refusal> {
        Permissions::now().refuse()?;
        let refused = |error| Refusal::NoDisplay { display: "of this session".into(), why: format!("enigo: {error}") };
        *self = Self { hands: Some(Hands::new(None).map_err(refused)?), watch: self.watch, ..Self::connect()? };
        // No modifier is ever held: a dead sender has left none down.
        Ok(Vec::new())
    }

    fn lies_open(&mut self, target: &Bound) -> Result<(), Refusal> {
        self.refuse_other_input()?;
        accessibility::refuse_held()?;
        let number = i32::try_from(target.window).unwrap_or(-1);
        let window =
            Window::again(number).ok_or_else(|| Refusal::TargetGone("its window is not on the screen".into()))?;
        let foremost = Window::at(target.point);
        if let Some(other) = foremost.filter(|foremost| foremost.number != window.number) {
            return Err(Refusal::Covered { by: other.describe() });
        }
        match accessibility::pid_at(target.point) {
            Some(pid) if pid == window.pid => Ok(()),
            Some(pid) => Err(Refusal::Covered { by: format!("something of the process {pid}") }),
            None => Err(Refusal::Covered { by: "something that accessibility does not tell".into() }),
        }
    }

    fn move_pointer(&mut self, target: &Bound) -> Result<(), Refusal> {
        if self.moved.is_none() {
            self.moved = pointer().map(|was| (was, target.point));
        }
        self.note_act();
        self.hands()?.move_to(target.point)
    }

    fn pointer_is_on(&mut self, target: &Bound) -> Result<(), Refusal> {
        let until = Moment::now() + ARRIVES_WITHIN;
        while pointer() != Some(target.point) {
            if until.is_past() {
                return Err(Refusal::Interference { device: "the pointer: it is not where it was sent".into() });
            }
            std::thread::yield_now();
        }
        self.lies_open(target)
    }

    fn click(&mut self) -> Result<(), Refusal> {
        self.note_act();
        self.hands()?.click()
    }

    fn await_focus(&mut self, target: &Bound, until: Moment) -> Result<InputBox, Refusal> {
        loop {
            let focus = Self::refuse_unfocused(target);
            if focus.is_ok() || until.is_past() {
                return focus.map(|()| InputBox::NotTold);
            }
            std::thread::sleep(LOOK_AGAIN_AFTER);
        }
    }

    fn offer(&mut self, _: &Permit<'_>, text: &str, _: Selection) -> Result<(), Refusal> {
        self.put(text)
    }

    fn may_press(&mut self, target: &Bound, chord: &Chord) -> Result<KeyStroke, Refusal> {
        Permissions::now().refuse()?;
        self.refuse_taken()?;
        self.refuse_other_input()?;
        accessibility::refuse_held()?;
        Self::refuse_unfocused(target)?;
        keys::stroke(chord)
    }

    fn press(&mut self, stroke: &KeyStroke) -> Result<(), Refusal> {
        self.pasted = true;
        self.note_act();
        keys::press(*stroke)
    }

    fn reached(&mut self, target: &Bound) -> Result<(), Refusal> {
        Self::refuse_unfocused(target)
    }

    fn await_fetched(&mut self, target: &Bound, rule: FetchRule, until: Moment) -> Result<Fetched, Refusal> {
        let rest = until.min(Moment::now() + rule.quiet.max(UNSEEN_FETCH_SETTLE));
        while !rest.is_past() {
            self.refuse_taken()?;
            Self::refuse_unfocused(target)?;
            std::thread::sleep(LOOK_AGAIN_AFTER);
        }
        Ok(Fetched::default())
    }

    fn restore(&mut self, _: &Permit<'_>) -> Result<(), Refusal> {
        if let Some((was, ours)) = self.moved.take()
            && pointer() == Some(ours)
        {
            self.hands()?.move_to(was)?;
        }
        self.hands = None;
        self.give_clipboard_back()
    }
}
