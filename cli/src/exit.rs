//! Exit statuses: the contract that scripts rely on.

/// The status the process ends with: a byte on Unix, 32 bits on Windows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ExitStatus(u32);

impl ExitStatus {
    /// The level asked for was reached.
    pub const SUCCESS: Self = Self(0);
    /// Wrong arguments, or a feature that is not built yet.
    pub const USAGE: Self = Self(2);
    /// Unknown agent, or its target is gone.
    pub const NO_TARGET: Self = Self(3);
    /// Nothing was typed; safe to send again.
    pub const REJECTED: Self = Self(4);
    /// Something may have been typed.
    pub const UNCERTAIN: Self = Self(5);
    /// No lock in time; nothing was typed.
    pub const NO_LOCK: Self = Self(6);
    /// A person, a dialog or another program's grab was in the way until the end; nothing was typed.
    pub const BLOCKED: Self = Self(7);
    /// The message id is known with another content.
    pub const CONFLICT: Self = Self(8);
    /// The lock store or the configuration cannot be used.
    pub const CONFIG: Self = Self(9);

    /// `demo`: talkstick did not deliver every message as it promises.
    pub(crate) const DEMO_IMPERFECT: Self = Self(1);

    /// `run`: the lock store cannot be reached (EX_UNAVAILABLE).
    pub const RUN_UNAVAILABLE: Self = Self(69);
    /// `run`: not acquired in time (EX_TEMPFAIL).
    pub const RUN_NOT_ACQUIRED: Self = Self(75);
    /// `run`: the lease was lost or broken while the child ran.
    pub const RUN_LEASE_LOST: Self = Self(76);
    /// `run`: the command was found but cannot be executed.
    pub const RUN_NOT_EXECUTABLE: Self = Self(126);
    /// `run`: the command was not found.
    pub const RUN_NOT_FOUND: Self = Self(127);

    /// Any status, for `run`: the child's own.
    #[must_use]
    pub const fn new(code: u32) -> Self {
        Self(code)
    }

    /// Ended by a signal, as shells say it: 128 + its number.
    #[must_use]
    pub const fn signalled(signal: u8) -> Self {
        Self(128 + signal as u32)
    }

    /// The number.
    #[must_use]
    pub const fn code(self) -> u32 {
        self.0
    }

    /// Ends the process with it. Nothing is dropped: to be called where nothing is left to be done.
    pub fn exit(self) -> ! {
        std::process::exit(self.0.cast_signed())
    }

    /// Orders outcomes from best to worst: uncertain is the worst, because it alone must not be sent again unseen.
    #[must_use]
    pub fn worse_of(self, other: Self) -> Self {
        let rank = |status: Self| match status {
            Self::SUCCESS => 0,
            Self::UNCERTAIN => 2,
            _ => 1,
        };
        match rank(other) > rank(self) || (rank(other) == rank(self) && other > self) {
            true => other,
            false => self,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uncertain_is_the_worst() {
        let all = [ExitStatus::SUCCESS, ExitStatus::UNCERTAIN, ExitStatus::NO_LOCK, ExitStatus::REJECTED];
        assert_eq!(all.into_iter().reduce(ExitStatus::worse_of), Some(ExitStatus::UNCERTAIN));
        assert_eq!(ExitStatus::REJECTED.worse_of(ExitStatus::NO_LOCK), ExitStatus::NO_LOCK);
        assert_eq!(ExitStatus::SUCCESS.worse_of(ExitStatus::SUCCESS), ExitStatus::SUCCESS);
    }
}
