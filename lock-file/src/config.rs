//! Settings of the file backend.

use std::path::PathBuf;

use lock_core::{Sweep, queue};

/// Where and how to lock.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct FileConfig {
    /// The folder of the gates, by convention `<root>/runtime/locks`. Made, for this user alone, where it is missing.
    pub dir: PathBuf,
    /// Accept a network file system. flock does not exclude the clients of one from each other: only right where a
    /// single host ever locks there.
    pub allow_network_fs: bool,
    /// Longest line of one key.
    pub queue_max: usize,
    /// How often a waiter looks for itself, should a wake-up have been lost.
    pub sweep: Sweep,
}

impl FileConfig {
    /// The defaults, for this folder.
    #[must_use]
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into(), allow_network_fs: false, queue_max: queue::QUEUE_MAX, sweep: Sweep::default() }
    }
}
