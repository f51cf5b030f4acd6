//! Waits for conditions: a test asks until the answer is yes, up to a deadline.

use std::time::{Duration, Instant};

/// How long a fixture may take to come up, on a machine that is busy with other tests.
pub const READY_WITHIN: Duration = Duration::from_secs(30);

/// Pause between two questions; short, for the sum of these pauses is what a suite waits.
const PAUSE: Duration = Duration::from_millis(2);

/// Waits until `condition` holds.
///
/// # Panics
/// When it does not within `within`; the message says `what` was waited for.
#[track_caller]
pub fn until(within: Duration, what: &str, mut condition: impl FnMut() -> bool) {
    until_some(within, what, || condition().then_some(()));
}

/// Waits until `question` has an answer, and returns it.
///
/// # Panics
/// When there is none within `within`; the message says `what` was waited for.
#[track_caller]
pub fn until_some<T>(within: Duration, what: &str, mut question: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + within;
    loop {
        // The deadline is read before the last question: a condition that came true during a long pause still counts.
        let late = Instant::now() >= deadline;
        if let Some(answer) = question() {
            return answer;
        }
        assert!(!late, "gave up after {within:?} waiting until {what}");
        std::thread::sleep(PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_until_the_condition_holds() {
        let mut asked = 0;
        until(READY_WITHIN, "it was asked three times", || {
            asked += 1;
            asked == 3
        });
        assert_eq!(asked, 3);
    }

    #[test]
    #[should_panic(expected = "waiting until the moon is square")]
    fn gives_up_at_the_deadline_and_says_what_it_waited_for() {
        until(Duration::from_millis(5), "the moon is square", || false);
    }
}
