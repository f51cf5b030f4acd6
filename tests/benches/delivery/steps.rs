//! Where the time of a delivery goes: the protocol logs the end of each step.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

use crate::measure::median;

/// Where the protocol logs.
const TARGET: &str = "deliver::desktop::protocol";
/// What comes after its last step.
const AFTER: &str = "quiet after Enter, clipboard and pointer back, record, lock passed on";

/// What the measuring process tells.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Measured {
    pub(crate) whole: Vec<Duration>,
    /// By step, in the order in which they come. The first has the way into the line and out of it in it.
    pub(crate) steps: Vec<(String, Vec<Duration>)>,
}

/// The ends of the steps that were logged since they were last taken.
#[derive(Debug, Clone, Default)]
pub(crate) struct Steps(Arc<Mutex<Vec<(String, Instant)>>>);

impl Measured {
    /// Adds a delivery that began and ended then.
    pub(crate) fn add(&mut self, began: Instant, steps: &Steps, ended: Instant) {
        self.whole.push(ended - began);
        let mut since = began;
        let last = (AFTER.to_owned(), ended);
        for (nth, (step, until)) in steps.take().into_iter().chain([last]).enumerate() {
            if self.steps.len() <= nth {
                self.steps.push((step, Vec::new()));
            }
            self.steps[nth].1.push(until - since);
            since = until;
        }
    }

    /// Longer than nineteen of twenty.
    pub(crate) fn p95(&self) -> Duration {
        let mut whole = self.whole.clone();
        whole.sort_unstable();
        whole[whole.len() * 95 / 100]
    }

    pub(crate) fn medians(&self) -> impl Iterator<Item = (&str, Duration)> {
        self.steps.iter().map(|(step, spans)| (step.as_str(), median(spans.clone())))
    }
}

impl Steps {
    /// Listens from now on, in all of this process.
    pub(crate) fn listen() -> Self {
        let steps = Self::default();
        let heard = steps.clone();
        tests::log_events::listen(TARGET, "step", move |step| heard.note(step.to_owned()));
        steps
    }

    fn note(&self, step: String) {
        let now = Instant::now();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push((step, now));
    }

    pub(crate) fn take(&self) -> Vec<(String, Instant)> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
