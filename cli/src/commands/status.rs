//! `status`: who holds a lock, and who waits in line.

use std::sync::Arc;

use lock_core::{DistributedLock, Holder, KeyState, LockKey, wall_clock_us};

use crate::{
    ExitStatus, backends,
    error::CommandError,
    settings::Settings,
    ui::{Ui, lines_of, table},
};

/// Runs the command.
pub(crate) fn run(key: Option<String>, settings: &Settings, ui: &mut Ui) -> Result<ExitStatus, CommandError> {
    let wanted = key.map(LockKey::new).transpose()?;
    let states = crate::runtime::start()?.block_on(async {
        let lock = backends::open(settings).await?;
        let keys = match wanted {
            Some(key) => vec![key],
            None => backends::known_keys(settings).await?,
        };
        Ok::<_, CommandError>(inspect_all(&lock, &keys).await)
    })?;
    let mut worst = ExitStatus::SUCCESS;
    for state in states {
        match state {
            Ok(state) if ui.is_json() => ui.json(&state),
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

/// The state in one line, then the line in a table.
fn print(state: &KeyState, ui: &mut Ui) {
    ui.data(&format!("{}: {}{}", state.key, state, broken(state)));
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

fn broken(state: &KeyState) -> &'static str {
    match state.holder {
        Holder::Lease { broken: true, .. } => " (broken: it was told to let go)",
        _ => "",
    }
}
