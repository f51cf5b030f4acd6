//! The lock store: can it be used, and is a lock stuck?

use std::{sync::Arc, time::Duration};

use deliver::SurfaceKind;
use lock_core::{DistributedLock, Holder, KeyState, LockKey, wall_clock_us};

use super::Check;
use crate::{
    backends::{self, Condition},
    commands::break_lock::ends_by_itself,
    error::CommandError,
    gates::GuardedDesktop,
    settings::{Settings, root::RootOrigin},
};

/// A delivery takes seconds; one lock held for longer than this deserves a look.
const HELD_LONG: Duration = Duration::from_secs(60);

/// Opens the store, which checks its folder (owner, permissions, file system), and looks at each of its locks.
pub(super) async fn checks(settings: &Settings) -> Vec<Check> {
    let lock = match backends::open(settings).await {
        Ok(lock) => lock,
        Err(error) => return vec![Check::error("lock store", &error)],
    };
    let mut checks = vec![store(&lock)];
    checks.extend(backends::condition(settings).map(condition));
    #[cfg(feature = "redis")]
    checks.extend(super::redis::checks(settings).await);
    match backends::known_keys(settings).await {
        Ok(keys) => {
            for key in keys {
                checks.push(key_state(&lock, &key, &named(settings)).await);
            }
        }
        Err(error) => checks.push(Check::error("locks", &error)),
    }
    checks.extend(host_gates(&lock, settings).await);
    checks
}

/// What guards the desktop beside the configured lock.
async fn host_gates(lock: &Arc<dyn DistributedLock>, settings: &Settings) -> Vec<Check> {
    match GuardedDesktop::of(settings, SurfaceKind::Desktop).existing_host_gates() {
        Ok(gates) => {
            let mut checks = Vec::new();
            for gate in gates.iter().filter(|gate| gate.lock.to_string() != lock.to_string()) {
                checks.push(
                    key_state(&gate.lock, &gate.key, &format!(" --backend {}", word(&gate.lock.to_string()))).await,
                );
            }
            checks
        }
        Err(error) => vec![Check::error("gates of the desktop", &error)],
    }
}

/// How the configured store is named on the command line: by what was named on this one.
fn named(settings: &Settings) -> String {
    let mut flags = String::new();
    if settings.root.origin == RootOrigin::Named {
        flags += &format!(" --root {}", word(&settings.root.path.display().to_string()));
    }
    let backend = settings.values.iter().find(|value| value.key == "lock.backend" && value.origin == "flag --backend");
    if let Some(url) = backend.and_then(|value| value.value.as_str()) {
        flags += &format!(" --backend {}", word(url));
    }
    flags
}

/// As one word of a shell's line.
fn word(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:+,@%=".contains(c);
    match !text.is_empty() && text.chars().all(is_plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

fn store(lock: &Arc<dyn DistributedLock>) -> Check {
    let capabilities = lock.capabilities();
    let seen = lock.to_string();
    match (capabilities.cross_process, capabilities.cross_host) {
        (false, _) => Check::warn("lock store", seen, "it holds off nobody outside one process; use `file`"),
        (true, false) => Check::ok("lock store", format!("{seen}, for the processes of this host")),
        (true, true) => Check::ok("lock store", format!("{seen}, for many hosts")),
    }
}

/// What the backend itself says of its store.
fn condition(seen: Result<Condition, CommandError>) -> Check {
    match seen {
        Ok(Condition { what, seen, advice: None }) => Check::ok(what, seen),
        Ok(Condition { what, seen, advice: Some(advice) }) => Check::warn(what, seen, advice),
        Err(error) => Check::error("lock store", &error),
    }
}

/// `named`: how the store is named on the command line, where it is not the configured one.
async fn key_state(lock: &Arc<dyn DistributedLock>, key: &LockKey, named: &str) -> Check {
    let name = format!("lock `{key}`");
    let state = match lock.inspect(key).await {
        Ok(state) => state,
        Err(error) => return Check::error(name, &error.into()),
    };
    let seen = state.to_string();
    match advice(&state, key, named) {
        Some(advice) => Check::warn(name, seen, advice),
        None => Check::ok(name, seen),
    }
}

fn advice(state: &KeyState, key: &LockKey, named: &str) -> Option<String> {
    match &state.holder {
        Holder::Free => None,
        Holder::Unknown => Some("it may be held or free; see the warnings of `talkstick -v status`".to_owned()),
        Holder::Ending { .. } => Some("wait for it; if it hangs, end the process group of that command".to_owned()),
        Holder::Foreign { .. } => Some("if it does not let go, end that program; it cannot be broken".to_owned()),
        Holder::Lease { since_us, token, .. } => {
            let held = Duration::from_micros(wall_clock_us().saturating_sub(*since_us));
            let last_resort = if ends_by_itself(state) { "" } else { ", with --kill as the last resort" };
            let key = word(key.as_str());
            let advice = format!("if it is stuck: `talkstick{named} break {key} --token {token}`{last_resort}");
            (held > HELD_LONG).then_some(advice)
        }
    }
}
