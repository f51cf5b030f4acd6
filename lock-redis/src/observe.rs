//! Looking at a lock: the holder, and the ordered queue of the live waiters.

use std::time::Duration;

use lock_core::{
    FencingToken, Holder, KeyState, LockKey, Priority, Waiter,
    queue::{self, Standing},
};
use redis::Value;

use crate::{
    backend::Client,
    error::Trouble,
    keys::Keys,
    reply::{list, text, texts},
    scripts::INSPECT,
};

/// As in `lua/key.lua`: who would be next and is silent for longer is dead.
const SILENT_HEAD: Duration = Duration::from_secs(2);

/// A waiter, and for how long the server has not heard of it.
struct Seen {
    waiter: Waiter,
    silent: Duration,
}

impl Client {
    /// See [`lock_core::DistributedLock::inspect`].
    pub(crate) async fn inspect(&self, key: &LockKey) -> Result<KeyState, Trouble> {
        let none: [&str; 0] = [];
        let answer = self.link.call(&INSPECT, &Keys::of(&self.link.config, key), &none).await?;
        read(key, &answer.value).ok_or_else(|| self.strange(INSPECT.name))
    }
}

fn read(key: &LockKey, value: &Value) -> Option<KeyState> {
    let [last_token, holder, waiters] = list(value)? else { return None };
    let last_token = match text(last_token)? {
        "" => FencingToken(0),
        digits => FencingToken(digits.parse().ok()?),
    };
    let waiters = list(waiters)?.iter().map(waiter).collect::<Option<Vec<Seen>>>()?;
    Some(KeyState { key: key.clone(), holder: holder_of(holder)?, queue: in_order(waiters), last_token })
}

fn holder_of(value: &Value) -> Option<Holder> {
    match texts(value)?[..] {
        [] => Some(Holder::Free),
        [owner, token, since_us, ends_ms, broken] => Some(Holder::Lease {
            owner: serde_json::from_str(owner).ok()?,
            token: FencingToken(token.parse().ok()?),
            since_us: since_us.parse().ok()?,
            expires_us: Some(ends_ms.parse::<u64>().ok()?.saturating_mul(1000)),
            broken: !broken.is_empty(),
        }),
        _ => None,
    }
}

fn waiter(value: &Value) -> Option<Seen> {
    let parts = texts(value)?;
    let [number, class, owner, since_us, passed, silent_ms] = parts[..] else { return None };
    let class: usize = class.parse().ok()?;
    let waiter = Waiter {
        owner: serde_json::from_str(owner).ok()?,
        ticket: number.parse().ok()?,
        priority: *Priority::ALL.iter().rev().nth(class)?,
        since_us: since_us.parse().ok()?,
        passed: passed.parse().ok()?,
    };
    Some(Seen { waiter, silent: Duration::from_millis(silent_ms.parse().ok()?) })
}

/// As they would be granted; those that would be passed over as dead right now are left out.
fn in_order(mut waiters: Vec<Seen>) -> Vec<Waiter> {
    let standing = |seen: &Seen| {
        let Waiter { ticket, priority, passed, .. } = seen.waiter;
        Standing { ticket, priority, passed }
    };
    while let Some(next) = queue::next_of(waiters.iter().map(standing)) {
        if waiters[next].silent <= SILENT_HEAD {
            break;
        }
        waiters.swap_remove(next);
    }
    let standings: Vec<Standing> = waiters.iter().map(standing).collect();
    queue::order(&standings).into_iter().map(|at| waiters[at].waiter.clone()).collect()
}
