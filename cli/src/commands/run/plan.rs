//! What `run` is to do: its arguments and settings, checked.

use std::{ffi::OsString, path::Path, sync::Arc, time::Duration};

use lock_core::{AcquireOptions, DistributedLock, HeldLeases, LockKey, Observer, Priority};

use crate::{
    ExitStatus,
    args::{RunArgs, show_span},
    backends,
    error::CommandError,
    settings::Settings,
    ui::Talk,
    waiting,
};

/// A group that ends by TERM, grace and KILL must be gone by the lease's end. A healthy lease has at least this part of
/// its ttl left, because it is renewed after each third.
const TTL_LEFT: (u32, u32) = (2, 3);

/// A grace that is not asked for by a flag is at most this part of the ttl.
const GRACE_PER_TTL: u32 = 4;

/// One run, checked.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) key: LockKey,
    pub(super) command: Vec<OsString>,
    /// How long to wait for the lock; zero does not wait.
    pub(super) wait: Duration,
    /// The status when the lock was not acquired.
    pub(super) not_acquired: ExitStatus,
    /// How long the child's group may take to end after TERM.
    pub(super) grace: Duration,
    /// `--ttl` was given.
    ttl_given: bool,
    ttl: Duration,
    priority: Priority,
    held: HeldLeases,
}

impl Plan {
    /// Checks the arguments.
    pub(super) fn new(args: RunArgs, settings: &Settings) -> Result<Self, CommandError> {
        let ttl = args.ttl.unwrap_or(settings.lock.ttl);
        let plan = Self {
            key: LockKey::new(args.key)?,
            command: args.command,
            wait: if args.nonblock { Duration::ZERO } else { args.wait.unwrap_or(settings.run.timeout) },
            not_acquired: ExitStatus::new(args.conflict_exit_code.into()),
            grace: args.grace.unwrap_or(settings.run.grace.min(ttl / GRACE_PER_TTL)),
            ttl_given: args.ttl.is_some(),
            ttl,
            priority: args.priority,
            held: settings.held.clone(),
        };
        match plan.ttl_given {
            true => plan.check_grace().map(|()| plan),
            false => Ok(plan),
        }
    }

    /// Checks what depends on the store, and says what of the plan has no effect there.
    pub(super) fn check_against(&self, lock: &Arc<dyn DistributedLock>, talk: Talk) -> Result<(), CommandError> {
        match lock.capabilities().expires {
            true => self.check_grace()?,
            false if self.ttl_given => {
                talk.warn(&format!("--ttl has no effect on {lock}: its leases end with their holder"));
            }
            false => {}
        }
        backends::warn_if_weak(lock, talk);
        waiting::warn_of_malformed(&self.held, talk);
        Ok(())
    }

    /// TERM, grace and KILL must fit into what is left of a healthy lease.
    fn check_grace(&self) -> Result<(), CommandError> {
        let longest = (self.ttl * TTL_LEFT.0 / TTL_LEFT.1).saturating_sub(super::KILL_MARGIN);
        if self.grace < longest {
            return Ok(());
        }
        let (grace, ttl) = (show_span(self.grace), show_span(self.ttl));
        let message =
            format!("a grace of {grace} does not fit into a lease of {ttl}: the command could outlive the lease");
        let hint = match longest.is_zero() {
            true => "give a longer --ttl".to_owned(),
            false => format!("give a --grace below {}, or a longer --ttl", show_span(longest)),
        };
        Err(CommandError::usage(message).hint(hint))
    }

    /// How to ask for the lock.
    pub(super) fn acquire_options(&self, observer: Observer) -> AcquireOptions {
        let program = self.command.first().map(Path::new).and_then(Path::file_name).unwrap_or_default();
        AcquireOptions::default()
            .timeout(self.wait)
            .timeout_setting("`--wait`")
            .ttl(self.ttl)
            .priority(self.priority)
            .label(&program.to_string_lossy())
            .held(self.held.clone())
            .observer(observer)
    }

    /// The leases that the child may work under.
    pub(super) fn held_with(&self, lease: lock_core::HeldLease) -> HeldLeases {
        self.held.clone().with(lease)
    }
}
