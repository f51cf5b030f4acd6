//! How long votes that are no majority are kept, so that requests that have a part of them each do not wait in a circle.

use std::{
    hash::{BuildHasher, RandomState},
    time::Duration,
};

use lock_core::Moment;

/// How long they are kept when the first server's is among them. For each server before the first one that has voted it is a
/// third of that: of all that have a part of the votes, one outlasts the others and gets theirs, unless a third one stands before it
/// in their lines; then it is chance that ends it.
const PATIENCE: Duration = Duration::from_millis(300);
const PATIENCE_MIN: Duration = Duration::from_millis(10);

/// Since when a request has votes, and how much longer than others it keeps them; random, so that two do not move in step.
#[derive(Debug, Default)]
pub(crate) struct Patience(Option<(Moment, f64)>);

impl Patience {
    /// So many votes it has now.
    pub(crate) fn note(&mut self, votes: usize) {
        match votes {
            0 => self.0 = None,
            _ => _ = self.0.get_or_insert_with(|| (Moment::now(), random())),
        }
    }

    /// When the votes are given back; `first` is the first server that has voted.
    pub(crate) fn ends_at(&self, first: usize) -> Option<Moment> {
        let (since, longer) = self.0?;
        let of_first = PATIENCE.mul_f64(1.0 / 3_f64.powi(i32::try_from(first).unwrap_or(i32::MAX))).max(PATIENCE_MIN);
        Some(since + of_first.mul_f64(1.0 + longer / 2.0))
    }
}

/// From 0 to 1.
pub(crate) fn random() -> f64 {
    RandomState::new().hash_one(Moment::now()) as f64 / u64::MAX as f64
}
