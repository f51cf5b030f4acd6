//! What a backend brings to the suite.

use std::{future::Future, sync::Arc};

use crate::{Capabilities, DistributedLock, Error, background};

/// A fresh store for one case, and clients of it. The store and all that it needs ends with the value.
pub trait Harness: Send + Sync + Sized + 'static {
    /// How many cases the backend's capabilities and this harness leave out; asserted.
    const SKIPPED: usize;

    /// A fresh, empty store.
    fn fresh() -> Self;

    /// A new client of the store.
    fn client(&self) -> Arc<dyn DistributedLock>;

    /// A text by which another process can open the store; `None` where none can.
    fn address(&self) -> Option<String>;

    /// Opens the store in another process. Called only where [`Harness::address`] gives one.
    fn open(address: &str) -> Arc<dyn DistributedLock>;

    /// Loses the store's data for `client`, as an operator or an accident would; `false` where that means nothing.
    fn lose_data(&self) -> bool;

    /// Makes the store unreachable, so that nothing about any key can be known; `false` where that cannot happen.
    fn cut(&self) -> bool;
}

/// What comes of opening a store that has to be awaited: [`Harness::client`] and [`Harness::open`] are called from within a
/// runtime, so it is opened on a thread of its own.
///
/// # Panics
/// When it is not opened.
pub fn opened<T: Send + 'static>(opening: impl Future<Output = Result<T, Error>> + Send + 'static) -> T {
    let opened = std::thread::spawn(|| background::handle().expect("a runtime").block_on(opening)).join();
    opened.expect("the thread ends").expect("the store opens")
}

/// What a case needs of a backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Nothing beyond the contract.
    Anything,
    /// Exclusion between processes.
    Processes,
    /// An ordered line.
    Order,
    /// Both.
    OrderedProcesses,
    /// The kernel's proof of a process's death.
    DeathProof,
    /// Leases that expire.
    Expiry,
    /// Data that can be lost, or a store that can be cut off.
    DataLoss,
}

impl Needs {
    /// Whether a backend with these capabilities, and a harness that can or cannot lose data, meets the need.
    #[must_use]
    pub const fn met(self, capabilities: &Capabilities, loses_data: bool) -> bool {
        match self {
            Self::Anything => true,
            Self::Processes => capabilities.cross_process,
            Self::Order => capabilities.ordered,
            Self::OrderedProcesses => capabilities.cross_process && capabilities.ordered,
            Self::DeathProof => capabilities.proves_death,
            Self::Expiry => capabilities.expires,
            Self::DataLoss => loses_data,
        }
    }
}
