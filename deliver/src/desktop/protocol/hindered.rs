//! Waiting for what was in the way of a delivery that typed nothing.

use std::time::Duration;

use lock_core::Moment;

use crate::{
    Waiting,
    desktop::{Bound, Desktop, Hindrance, Refusal, Step},
};

/// Pause before the second attempt; each later one is twice as long. So that what changes all the time is not clicked at
/// all the time.
const TRY_AGAIN_AFTER: Duration = Duration::from_millis(25);
/// Longest pause between two attempts.
const TRY_AGAIN_AT_LATEST: Duration = Duration::from_secs(2);
/// First pause of the sweep that sees what no event tells; each later one is 1.5 times as long.
const SWEEP_FIRST: Duration = Duration::from_millis(50);
/// Longest pause of the sweep, and how long an abandoned wait may go on.
const SWEEP_MAX: Duration = Duration::from_millis(500);

/// What was in the way.
#[derive(Debug, Clone)]
pub struct Hindered {
    /// In whose.
    pub hindrance: Hindrance,
    /// Of which step.
    pub step: Step,
    /// What.
    pub refusal: Refusal,
    /// The target, where it was bound already.
    pub target: Option<Bound>,
    /// Who may have typed into the target's box, in this attempt or an earlier one: nothing shows what it holds now.
    pub typed: Option<Refusal>,
}

/// Whoever typed after our click had the focus on the target. Who typed before it has typed where they wanted to.
pub(super) fn typed_before(step: Step, refusal: &Refusal) -> Option<Refusal> {
    match refusal {
        Refusal::Person { device, may_type: true, .. } if matches!(step, Step::Focus | Step::Offer | Step::Paste) => {
            Some(Refusal::TypedBefore { device: device.clone() })
        }
        _ => None,
    }
}

/// Waits until nothing of the kind is in the way, and nobody has been at work for `idle`. Touches nothing. Blocking.
///
/// # Errors
/// What is in the way still when `waiting` is over, or what keeps it from being told.
pub fn await_passed(
    desktop: &mut dyn Desktop,
    hindered: &Hindered,
    idle: Duration,
    waiting: &Waiting,
) -> Result<(), Refusal> {
    let passed = match desktop.watch(None, idle) {
        // Somebody at work is what is waited for.
        Ok(_) | Err(Refusal::Person { .. }) => watch_it_pass(desktop, hindered, idle, waiting),
        Err(other) => Err(other),
    };
    desktop.unwatch();
    passed
}

fn watch_it_pass(
    desktop: &mut dyn Desktop,
    hindered: &Hindered,
    idle: Duration,
    waiting: &Waiting,
) -> Result<(), Refusal> {
    let not_before = Moment::now() + pause_before(waiting.attempts);
    let mut sweep = SWEEP_FIRST;
    loop {
        let looked_at = Moment::now();
        let still = desktop.still_hindered(looked_for(hindered), hindered.target.as_ref(), idle)?;
        let look_again_at = match &still {
            None if not_before.is_past() => return Ok(()),
            None => not_before,
            Some(Refusal::Person { ago, .. }) => looked_at + idle.saturating_sub(*ago).min(SWEEP_MAX),
            Some(_) => looked_at + sweep,
        };
        if let Some(refusal) = &still {
            waiting.tell(refusal);
        }
        if waiting.is_over() {
            return Err(still.unwrap_or_else(|| hindered.refusal.clone()));
        }
        desktop.await_change(look_again_at.min(waiting.until))?;
        sweep = sweep.mul_f32(1.5).min(SWEEP_MAX);
    }
}

/// A focus that was on the target and was taken away is had back by a click. One that a click did not bring has to move
/// first.
const fn looked_for(hindered: &Hindered) -> Option<&Refusal> {
    match (&hindered.refusal, hindered.step) {
        (Refusal::FocusElsewhere { .. }, Step::Offer | Step::Paste) => None,
        (refusal, _) => Some(refusal),
    }
}

fn pause_before(attempts: u32) -> Duration {
    let doubled = attempts.saturating_sub(1).min(16);
    TRY_AGAIN_AFTER.saturating_mul(1 << doubled).min(TRY_AGAIN_AT_LATEST)
}
