//! `break`: makes the holder of a lock let go.

use lock_core::{Error, FencingToken, Holder, KeyState, LockKey, Owner};

use crate::{ExitStatus, backends, error::CommandError, settings::Settings, ui::Ui};

/// Runs the command.
pub(crate) fn run(
    key: &str,
    token: u64,
    kill: bool,
    settings: &Settings,
    ui: &mut Ui,
) -> Result<ExitStatus, CommandError> {
    let key = LockKey::new(key)?;
    let token = FencingToken(token);
    let state = crate::runtime::start()?.block_on(async {
        let lock = backends::open(settings).await?;
        lock.break_lock(&key, token, kill).await.map_err(|error| explained(error, &key))?;
        Ok::<_, CommandError>(lock.inspect(&key).await?)
    })?;
    let stopped = if kill { None } else { stopped_holder(&state) };
    match ui.is_json() {
        true => ui.json(&serde_json::json!({
            "key": key, "token": token, "killed": kill, "stopped": stopped.is_some(), "state": state,
        })),
        false if kill => ui.data(&format!("{key}: the holder of token {token} was killed")),
        false => ui.data(&format!("{key}: the holder of token {token} was told to let go")),
    }
    if let Some(holder) = stopped {
        let pid = holder.pid;
        ui.warn(&match ends_by_itself(&state) {
            true => format!(
                "{holder} is stopped: the lock passes on when it runs again (kill -CONT {pid}), or when its lease has ended \
                 by itself"
            ),
            false => format!(
                "{holder} is stopped, and lets go only when it runs again: continue it (kill -CONT {pid}), or break with \
                 --kill"
            ),
        });
    }
    Ok(ExitStatus::SUCCESS)
}

/// The holder, if it is stopped now: it cannot act on what it is told.
pub(super) fn stopped_holder(state: &KeyState) -> Option<&Owner> {
    match &state.holder {
        Holder::Lease { owner, .. } if owner.is_stopped() => Some(owner),
        _ => None,
    }
}

/// Whether the lease ends unless its holder renews it. Then nobody need be killed, and nobody is.
pub(super) const fn ends_by_itself(state: &KeyState) -> bool {
    matches!(state.holder, Holder::Lease { expires_us: Some(_), .. })
}

fn explained(error: Error, key: &LockKey) -> CommandError {
    let hint = match &error {
        Error::NotHolder { .. } => {
            format!("`talkstick status {key}` shows the token of the holder; nothing was broken")
        }
        // Why not, and what to do instead, it says itself.
        Error::Unsupported { .. } => "nothing was broken".to_owned(),
        _ => "`talkstick doctor` checks the lock store".to_owned(),
    };
    CommandError::from(error).hint(hint)
}
