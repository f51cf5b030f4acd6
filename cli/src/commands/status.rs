//! `status`: who holds a lock, and who waits in line.

use std::sync::Arc;

use deliver::SurfaceKind;
use lock_core::{DistributedLock, Holder, KeyState, LockKey, wall_clock_us};

use super::break_lock::{ends_by_itself, stopped_holder};
use crate::{
    ExitStatus, backends,
    error::CommandError,
    gates::GuardedDesktop,
    settings::Settings,
    ui::{Ui, lines_of, table},
};

/// Runs the command.
pub(crate) fn run(key: Option<String>, settings: &Settings, ui: &mut Ui) -> Result<ExitStatus, CommandError> {
    let wanted = key.map(LockKey::new).transpose()?;
    let states = crate::runtime::start()?.block_on(async {
        let lock = backends::open(settings).await?;
        let (keys, gates) = match wanted {
            Some(key) => (vec![key], Vec::new()),
            None => (backends::known_keys(settings).await?, held_gates(&lock, settings).await?),
        };
        let mut states = inspect_all(&lock, &keys).await;
        states.extend(gates);
        Ok::<_, CommandError>(states)
    })?;
    let mut worst = ExitStatus::SUCCESS;
    for state in states {
        match state {
            Ok(state) if ui.is_json() => ui.json(&as_json(&state)),
            Ok(state) => print(&state, ui),
            Err(error) => worst = ui.fail(&error.into()),
        }
    }
    Ok(worst)
}

/// One key that cannot be read does not hide the others.
async fn inspect_all(lock: &Arc<dyn DistributedLock>, keys: &[LockKey]) -> Vec<Result<KeyState, lock_core::Error>> {
    let mut states = Vec::with_capacity(keys.len());
    for key in keys {
        states.push(lock.inspect(key).await);
    }
    states
}

/// What else guards the desktop, where somebody has it now: a sender with another store, or of another root.
async fn held_gates(
    lock: &Arc<dyn DistributedLock>,
    settings: &Settings,
) -> Result<Vec<Result<KeyState, lock_core::Error>>, CommandError> {
    let mut held = Vec::new();
    for gate in GuardedDesktop::of(settings, SurfaceKind::Desktop).existing_host_gates()? {
        if gate.lock.to_string() == lock.to_string() {
            continue;
        }
        let state = gate.lock.inspect(&gate.key).await;
        if !matches!(&state, Ok(KeyState { holder: Holder::Free, .. })) {
            held.push(state);
        }
    }
    Ok(held)
}

/// The state in one line, then the line in a table.
fn print(state: &KeyState, ui: &mut Ui) {
    ui.data(&format!("{}: {}{}", state.key, state, note(state)));
    if state.queue.is_empty() {
        return;
    }
    let mut lines = table(&["  PLACE", "TICKET", "PRIORITY", "WAITED", "PASSED", "OWNER"]);
    for (at, waiter) in state.queue.iter().enumerate() {
        let waited_s = wall_clock_us().saturating_sub(waiter.since_us) as f64 / 1e6;
        lines.add_row([
            format!("  {}", at + 1),
            waiter.ticket.to_string(),
            waiter.priority.to_string(),
            format!("{waited_s:.1} s"),
            waiter.passed.to_string(),
            waiter.owner.to_string(),
        ]);
    }
    ui.data(&lines_of(&lines));
}

/// What a broken lease means for those who wait.
fn note(state: &KeyState) -> &'static str {
    let broken = matches!(state.holder, Holder::Lease { broken: true, .. });
    match (broken, stopped_holder(state).is_some()) {
        (true, true) if ends_by_itself(state) => {
            " (broken: it lets go when it runs again, or its lease ends by itself)"
        }
        (true, true) => " (broken: it lets go when it runs again, or by `break --kill`)",
        (true, false) => " (broken: it was told to let go)",
        (false, _) => "",
    }
}

/// The state as `--json` prints it: with what can be seen of the holder now.
fn as_json(state: &KeyState) -> serde_json::Value {
    let mut object = serde_json::to_value(state).unwrap_or_default();
    if matches!(state.holder, Holder::Lease { .. }) {
        object["holder"]["stopped"] = stopped_holder(state).is_some().into();
    }
    object
}
