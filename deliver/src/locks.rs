//! The locks of one desktop: the configured one, and those of this host that guard it whatever is configured.

use std::sync::Arc;

use lock_core::{DistributedLock, Error, Gate, LockKey, Stack};

/// The locks of one desktop, in the order in which they are taken: the configured one, then the host's own.
///
/// The configured one may be shared by many hosts and gives the order. It excludes only those who are configured alike; the
/// host's own gates exclude everybody else who can reach the same devices from here.
#[derive(Debug, Clone)]
pub struct DesktopLocks(pub(crate) Stack);

/// Gates that exclude the other processes of this host, and end with their holder.
#[derive(Debug, Clone)]
pub struct HostGates(Vec<Gate>);

impl HostGates {
    /// These gates, in the order in which they are taken.
    ///
    /// # Errors
    /// [`Error::Config`] for a gate whose lock does not exclude the processes of this host, or may end before its holder
    /// knows.
    pub fn new(gates: Vec<Gate>) -> Result<Self, Error> {
        for gate in &gates {
            let capabilities = gate.lock.capabilities();
            if !capabilities.cross_process || capabilities.expires {
                return Err(Error::Config(format!(
                    "{gate} cannot guard a desktop of this host: it must hold off other processes, and end with its holder"
                )));
            }
        }
        Ok(Self(gates))
    }
}

impl DesktopLocks {
    /// The configured lock and the host's gates.
    #[must_use]
    pub fn new(configured: Gate, host: HostGates) -> Self {
        Self(host.0.into_iter().fold(Stack::new(configured), Stack::then))
    }

    /// One lock alone: for a desktop that nobody reaches but those who share it, such as a simulated one.
    #[must_use]
    pub fn alone(lock: Arc<dyn DistributedLock>, key: LockKey) -> Self {
        Self(Stack::new(Gate::new(lock, key)))
    }

    /// All of them, in the order in which they are taken.
    pub fn gates(&self) -> impl Iterator<Item = &Gate> {
        self.0.gates()
    }
}

#[cfg(test)]
mod tests {
    use lock_core::ThreadLock;

    use super::*;

    #[test]
    fn a_lock_that_holds_off_no_other_process_guards_no_host() {
        let lock: Arc<dyn DistributedLock> = Arc::new(ThreadLock::new());
        let refused = HostGates::new(vec![Gate::new(lock, LockKey::new("display/:0").unwrap())]).unwrap_err();
        assert!(refused.to_string().starts_with("`display/:0` of thread"), "{refused}");
    }
}
