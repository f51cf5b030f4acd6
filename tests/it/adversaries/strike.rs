//! When an adversary strikes: all the time, or once, a chosen moment after a step of the delivery as the X server shows it.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use x11rb::{
    connection::Connection as _,
    protocol::{
        Event,
        xfixes::{ConnectionExt as _, SelectionEventMask},
        xinput::{ConnectionExt as _, EventMask, XIEventMask},
        xproto::ConnectionExt as _,
    },
    rust_connection::RustConnection,
};

use super::dice::Dice;

/// A step of a delivery that other programs can see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// The sender was started.
    Start,
    /// The button was pressed.
    Click,
    /// The clipboard has a new owner.
    Offer,
    /// The paste key was pressed.
    Paste,
    /// Enter was pressed.
    Enter,
}

/// The steps before Enter.
const BEFORE_ENTER: [Step; 4] = [Step::Start, Step::Click, Step::Offer, Step::Paste];

/// A sender needs some 20 ms to its first step, and some 2 from there to Enter: this is a little longer.
const FROM_START: Duration = Duration::from_millis(30);
/// From a step to after Enter.
const AROUND: Duration = Duration::from_millis(4);

/// When to strike.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    pub(crate) after: Step,
    pub(crate) delay: Duration,
}

impl Moment {
    /// Some moment after the target was found.
    pub(crate) fn from_the_click_on(dice: &mut Dice) -> Self {
        Self { after: dice.one_of(&BEFORE_ENTER[1..]), delay: dice.time(AROUND) }
    }

    /// Some moment before Enter, or around it.
    pub(crate) fn any(dice: &mut Dice) -> Self {
        let after = dice.one_of(&BEFORE_ENTER);
        let longest = if after == Step::Start { FROM_START } else { AROUND };
        Self { after, delay: dice.time(longest) }
    }
}

/// The keycodes of v and Return where X servers start.
const V: u32 = 55;
const RETURN: u32 = 36;

/// A client that watches what other clients do to the input devices and the clipboard.
pub(crate) struct Watcher(RustConnection);

impl Watcher {
    pub(crate) fn on(display: &str) -> Self {
        let (x, screen) = RustConnection::connect(Some(display)).expect("the display is there");
        let root = x.setup().roots[screen].root;
        x.xinput_xi_query_version(2, 2).expect("request").reply().expect("the input extension");
        // All master devices.
        let raw = XIEventMask::RAW_BUTTON_PRESS | XIEventMask::RAW_KEY_PRESS;
        let events = EventMask { deviceid: 1, mask: vec![raw] };
        x.xinput_xi_select_events(root, &[events]).expect("request").check().expect("raw events");
        x.xfixes_query_version(5, 0).expect("request").reply().expect("the fixes extension");
        let clipboard = x.intern_atom(false, b"CLIPBOARD").expect("request").reply().expect("an atom").atom;
        let owners = SelectionEventMask::SET_SELECTION_OWNER;
        x.xfixes_select_selection_input(root, clipboard, owners).expect("request").check().expect("owners");
        Self(x)
    }

    /// The next step, with the clipboard's new owner (0 for others); `None` once `over`.
    pub(crate) fn next(&self, over: &AtomicBool) -> Option<(Step, u32)> {
        while !over.load(Ordering::Relaxed) {
            // A display that is gone shows nothing more.
            match self.0.poll_for_event().ok()? {
                Some(Event::XinputRawButtonPress(_)) => return Some((Step::Click, 0)),
                Some(Event::XfixesSelectionNotify(change)) => return Some((Step::Offer, change.owner)),
                Some(Event::XinputRawKeyPress(press)) if press.detail == V => return Some((Step::Paste, 0)),
                Some(Event::XinputRawKeyPress(press)) if press.detail == RETURN => return Some((Step::Enter, 0)),
                Some(_) => {}
                None => {
                    let mut sources = [PollFd::new(self.0.stream(), PollFlags::IN)];
                    // Only so long that the end is noticed.
                    let _ = poll(&mut sources, Some(&Timespec { tv_sec: 0, tv_nsec: 2_000_000 }));
                }
            }
        }
        None
    }
}

/// Waits for `delay` to the microsecond; `false` when it was over first.
pub(crate) fn delayed(delay: Duration, over: &AtomicBool) -> bool {
    let until = Instant::now() + delay;
    loop {
        if over.load(Ordering::Relaxed) {
            return false;
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return true;
        }
        std::thread::sleep(left.min(Duration::from_millis(2)));
    }
}

/// Makes a delivery, and strikes in the middle of it. Says whether it was struck before it was over.
pub(crate) fn struck<T>(
    display: &str,
    moment: Moment,
    strike: impl FnOnce() + Send,
    delivery: impl FnOnce() -> T,
) -> (T, bool) {
    let watcher = Watcher::on(display);
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let over = &over;
        let adversary = scope.spawn(move || {
            let seen = |wanted| std::iter::from_fn(|| watcher.next(over)).any(|(step, _)| step == wanted);
            // The click first: what a delivery before this one gives back may change the clipboard's hands late.
            let after_click = |wanted| seen(Step::Click) && (wanted == Step::Click || seen(wanted));
            let strikes = (moment.after == Step::Start || after_click(moment.after)) && delayed(moment.delay, over);
            if strikes {
                strike();
            }
            strikes
        });
        let done = until_over(over, delivery);
        (done, adversary.join().expect("an adversary does not panic"))
    })
}

/// Runs `adversary` beside `deliveries`, until they are over: it is given the flag that says so.
pub(crate) fn beside<T>(adversary: impl FnOnce(&AtomicBool) + Send, deliveries: impl FnOnce() -> T) -> T {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let over = &over;
        let adversary = scope.spawn(move || adversary(over));
        let done = until_over(over, deliveries);
        adversary.join().expect("an adversary does not panic");
        done
    })
}

/// Also after a panic: else the scope would wait for the adversary for ever.
fn until_over<T>(over: &AtomicBool, act: impl FnOnce() -> T) -> T {
    let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(act));
    over.store(true, Ordering::Relaxed);
    done.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}
