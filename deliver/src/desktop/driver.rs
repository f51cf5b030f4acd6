//! What a desktop must be able to do for a verified delivery: the driver below the one protocol in
//! [`super::protocol`].
//!
//! Acts that touch an input device take a [`Permit`]: they do not compile without the lock, and each implementation
//! asks the permit once more right before the act.

use std::time::Duration;

use lock_core::{Moment, Permit};

use super::{Chord, Place, Refusal, Selection, Unsent};
use crate::MessageId;

/// A target as it was found when the delivery began; every later step is held against it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bound {
    /// The agent's window (the deepest one found under the point), in the driver's own numbers.
    pub window: u64,
    /// The client that owns it: fetches by other clients do not count.
    pub client: u64,
    /// Where to click, in desktop coordinates; negative left of or above the first monitor.
    pub point: (i32, i32),
    /// What a person would recognise: title, class and pid, for messages and logs.
    pub description: String,
}

/// What was seen of the input box inside the target's window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InputBox {
    /// The target's program says that the one at the point has the focus.
    Focused,
    /// It does not say.
    NotTold,
}

/// What came of waiting for the target to fetch our text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Fetched {
    /// How often the target's client was served the text, each confirmed by a round trip.
    pub by_target: u32,
    /// How often others were: clipboard managers, for instance. They do not count as delivery.
    pub by_others: u32,
    /// The target is seen to be done: it asked for nothing but the text, and has deleted each copy that it was given.
    pub read: bool,
    /// A copy that it was given still lies where it was put: it may have to take it up yet, or it leaves them there.
    pub untaken: bool,
    /// Its requests for whatever format, the refused ones too.
    pub requests: u32,
    /// The longest time between two of its requests, or from the paste key to the first: how busy it is.
    pub longest_pause: Duration,
    /// It made exactly as many requests as [`FetchRule::requests`], none was refused, and it has taken each answer.
    pub finished: bool,
}

/// How much a driver sees. The protocol claims no more than that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sight {
    /// Whether every fetch is seen, and whose it was. Then there is no Enter without as many of the target's own as its
    /// profile says. Where not, Enter follows the driver's own rule, and without one of the target's that was seen it is
    /// claimed as `uncertain`.
    pub every_fetch: bool,
    /// Why input may go elsewhere although all that the driver sees is right; every Enter is then claimed as `uncertain`.
    pub doubt: Option<&'static str>,
}

impl Sight {
    /// Of a driver that proves each step.
    pub const FULL: Self = Self { every_fetch: true, doubt: None };
}

/// What the profile says about a paste into this kind of target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FetchRule {
    /// Fetches of the text by the target before it has really read it (Chromium reads twice).
    pub fetches: u32,
    /// Requests for whatever format that one paste makes, as counted; 0: not known. A target that has made fewer has more to
    /// come, or is of another version: see [`FetchRule::quiet_after`].
    pub requests: u32,
    /// Wait until the target has made that many requests, and has taken each answer, however quiet it is.
    pub until_finished: bool,
    /// No further request for this long, after the last one.
    pub quiet: Duration,
    /// A target that is seen to be done ([`Fetched::read`]) is not waited for until it was quiet.
    pub until_read: bool,
    /// Move the pointer by a pixel and back this often while waiting; `None`: never. Wakes targets that miss a
    /// notification until the next event.
    pub nudge: Option<Duration>,
}

/// How many times as long a quiet has to be after fewer requests than were counted: on a busy machine a browser was seen to
/// pause for 40 ms in the middle of a paste, after it had read the text twice and before it inserted it.
const QUIET_WITHOUT_COUNT: u32 = 10;

/// How many times as long a quiet has to be as the longest pause among the requests. What a browser does after the last one
/// is not seen, and when the clipboard changes before that is done, it drops the text; it pauses there as it did before.
const QUIET_PER_PAUSE: u32 = 2;

/// Longest quiet for the sake of pauses: the lock is held meanwhile.
const QUIET_FOR_PAUSES_MAX: Duration = Duration::from_secs(1);

impl FetchRule {
    /// How long the target must be quiet after what it has done so far.
    #[must_use]
    pub fn quiet_after(&self, fetched: &Fetched) -> Duration {
        let for_pauses = (fetched.longest_pause * QUIET_PER_PAUSE).min(QUIET_FOR_PAUSES_MAX);
        match self.requests {
            0 => self.quiet,
            _ if fetched.finished => self.quiet.max(for_pauses),
            _ => (self.quiet * QUIET_WITHOUT_COUNT).max(for_pauses),
        }
    }
}

/// One desktop: one pointer, one focus, one clipboard.
///
/// Blocking, for a thread of its own: every wait is for an event and ends at its deadline. A method that returns a
/// [`Refusal`] has told all that it saw; the protocol decides what may be claimed.
pub trait Desktop: Send {
    /// How much this driver sees.
    fn sight(&self) -> Sight;

    /// Watches for input that is not ours, from now on until [`Desktop::unwatch`]: each later act is checked with it, and
    /// refuses with [`Refusal::Person`] if there was any. So does this where somebody was at work within `idle`, as far as
    /// the system remembers. Returns what is not observed here, in words for the receipt.
    ///
    /// Without a permit, what is synthetic may be the act of whoever holds the lock, and does not count. With one, and where
    /// the display itself can tell, this also keeps off senders that share no lock with us, and refuses with
    /// [`Refusal::DisplayTaken`] while one of them is at work.
    fn watch(&mut self, permit: Option<&Permit<'_>>, idle: Duration) -> Result<Vec<String>, Refusal>;

    /// Watches no longer.
    fn unwatch(&mut self);

    /// What is in the way of another attempt: somebody at work within `idle`, or still what was in the way of the last one
    /// (`hindrance`, if that is to be looked for); `None` when trying again makes sense. Touches nothing. To be asked while
    /// watching without a permit.
    fn still_hindered(
        &mut self,
        hindrance: Option<&Refusal>,
        target: Option<&Bound>,
        idle: Duration,
    ) -> Result<Option<Refusal>, Refusal>;

    /// Waits until something happened that may change the answer of [`Desktop::still_hindered`], or until `until`.
    fn await_change(&mut self, until: Moment) -> Result<(), Refusal>;

    /// Finds the window that `place` names and where to click in it. Touches nothing.
    fn bind(&mut self, place: &Place) -> Result<Bound, Refusal>;

    /// Releases the keys and buttons that a dead predecessor left down; says what it released. What somebody else holds, it
    /// refuses.
    fn sweep(&mut self, permit: &Permit<'_>) -> Result<Vec<String>, Refusal>;

    /// Moves and clicks, atomically with the check that `target` is what lies under the point.
    fn click(&mut self, permit: &Permit<'_>, target: &Bound) -> Result<(), Refusal>;

    /// Waits until the keyboard focus is on the target's window chain, and where the target's program tells of it, on the
    /// input box at the point; says whether it did. Refuses with [`Refusal::AnotherBox`] where that has not.
    fn await_focus(&mut self, target: &Bound, until: Moment) -> Result<InputBox, Refusal>;

    /// Puts `text` on the clipboard, confirmed by the server. What was there before is kept for [`Desktop::restore`].
    fn offer(&mut self, permit: &Permit<'_>, text: &str, selection: Selection) -> Result<(), Refusal>;

    /// Presses and releases `chord`, which pastes, checked with the act: focus and clipboard are as they must be and no
    /// other client grabs the input. A refusal means that nothing was pressed, except [`Refusal::Disconnected`], which leaves
    /// it open, and [`Refusal::PressNotSeen`], which says that it was.
    ///
    /// With the keys goes a note on the target: text of `id` may stand unsent in its box. One that is there already was
    /// first: it stays, and is returned. Where nothing was pressed, all is as before.
    fn paste(
        &mut self,
        permit: &Permit<'_>,
        target: &Bound,
        chord: &Chord,
        id: &MessageId,
    ) -> Result<Option<Unsent>, Refusal>;

    /// Presses and releases `chord`, which submits, checked and refused as in [`Desktop::paste`]. Where it has reached a
    /// target that is `seen` to have read the text, its box is empty: the note goes.
    fn submit(&mut self, permit: &Permit<'_>, target: &Bound, chord: &Chord, seen: bool) -> Result<(), Refusal>;

    /// Waits until the target itself has fetched our text as often as `rule` says, then quiet. A driver that does not see
    /// every fetch returns what it saw when its own rule lets Enter come.
    fn await_fetched(&mut self, target: &Bound, rule: FetchRule, until: Moment) -> Result<Fetched, Refusal>;

    /// Gives clipboard and pointer back as far as they are still ours; the clipboard not where a target that was pasted
    /// into may still fetch it. Errors here change no claim; they are reported.
    fn restore(&mut self, permit: &Permit<'_>) -> Result<(), Refusal>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_after_as_many_requests_as_were_counted_a_short_quiet_is_enough() {
        let quiet = Duration::from_millis(20);
        let counted =
            FetchRule { fetches: 2, requests: 17, until_finished: false, quiet, until_read: false, nudge: None };
        let paused = |millis| Fetched { longest_pause: Duration::from_millis(millis), ..Fetched::default() };
        let finished = |millis| Fetched { finished: true, ..paused(millis) };
        let not_known = FetchRule { requests: 0, ..counted };
        assert_eq!((not_known.quiet_after(&paused(90)), counted.quiet_after(&finished(1))), (quiet, quiet));
        assert_eq!(counted.quiet_after(&paused(1)), quiet * 10);
        assert_eq!(counted.quiet_after(&finished(90)), Duration::from_millis(180), "it was seen to be busy");
        assert_eq!(counted.quiet_after(&paused(9000)), Duration::from_secs(1), "the lock is held meanwhile");
    }
}
