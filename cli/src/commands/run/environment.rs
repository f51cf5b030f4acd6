//! What the child finds in its environment.

use lock_core::{Guard, wall_clock_us};

use super::plan::Plan;
use crate::env_vars;

/// The variables set for the child. From now on the guard's release waits for whoever works under it.
pub(super) fn of_child(plan: &Plan, guard: &Guard) -> Vec<(String, String)> {
    // Seconds since 1970, the clock that programs in any language have at hand.
    let deadline = guard.deadline().map(|deadline| wall_clock_us() as f64 / 1e6 + deadline.remaining().as_secs_f64());
    let variables = [
        (env_vars::RUN_KEY, plan.key.to_string()),
        (env_vars::RUN_TOKEN, guard.token().to_string()),
        (env_vars::RUN_OWNER, guard.owner().to_string()),
        (env_vars::RUN_DEADLINE, deadline.map(|deadline| format!("{deadline:.3}")).unwrap_or_default()),
        (env_vars::HELD, plan.held_with(guard.share()).reveal()),
    ];
    variables.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
