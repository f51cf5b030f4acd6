//! Looking at a lock: the holder, and the ordered queue of the live waiters.

use std::time::Duration;

use lock_core::{
    FencingToken, Holder, KeyState, LockKey, Priority, RequestId, Waiter,
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

/// One server's view of a key.
#[derive(Debug, Clone)]
pub(crate) struct View {
    /// The highest token that it has given.
    pub(crate) last_token: FencingToken,
    /// Who has it there, and under which request; `None` when nobody has.
    pub(crate) holder: Option<(RequestId, Holder)>,
    /// Of a quorum: the highest token that was held there as a lease, and not as a vote.
    pub(crate) confirmed: Option<FencingToken>,
    /// The live waiters in their order.
    pub(crate) queue: Vec<Seen>,
}

/// A waiter, and for how long the server has not heard of it.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) waiter: Waiter,
    pub(crate) request: RequestId,
    silent: Duration,
}

impl Client {
    /// What this server has of a key.
    pub(crate) async fn view(&self, key: &LockKey) -> Result<View, Trouble> {
        let none: [&str; 0] = [];
        let answer = self.link.call(&INSPECT, &Keys::of(&self.link.config, key), &none).await?;
        read(&answer.value).ok_or_else(|| self.strange(INSPECT.name))
    }

    /// See [`lock_core::DistributedLock::inspect`].
    pub(crate) async fn inspect(&self, key: &LockKey) -> Result<KeyState, Trouble> {
        let View { last_token, holder, queue, .. } = self.view(key).await?;
        let holder = holder.map_or(Holder::Free, |(_, holder)| holder);
        let queue = queue.into_iter().map(|seen| seen.waiter).collect();
        Ok(KeyState { key: key.clone(), holder, queue, last_token })
    }
}

fn read(value: &Value) -> Option<View> {
    let [last_token, holder, waiters, confirmed] = list(value)? else { return None };
    let waiters = list(waiters)?.iter().map(waiter).collect::<Option<Vec<Seen>>>()?;
    Some(View {
        last_token: token(last_token)?.unwrap_or_default(),
        holder: holder_of(holder)?,
        confirmed: token(confirmed)?,
        queue: in_order(waiters),
    })
}

/// The outer `None`: something else than agreed; the inner one: none yet.
fn token(value: &Value) -> Option<Option<FencingToken>> {
    match text(value)? {
        "" => Some(None),
        digits => Some(Some(FencingToken(digits.parse().ok()?))),
    }
}

fn request_of(digits: &str) -> Option<RequestId> {
    u128::from_str_radix(digits, 16).ok().map(RequestId)
}

fn holder_of(value: &Value) -> Option<Option<(RequestId, Holder)>> {
    match texts(value)?[..] {
        [] => Some(None),
        [owner, token, since_us, ends_ms, broken, request] => {
            let holder = Holder::Lease {
                owner: serde_json::from_str(owner).ok()?,
                token: FencingToken(token.parse().ok()?),
                since_us: since_us.parse().ok()?,
                expires_us: Some(ends_ms.parse::<u64>().ok()?.saturating_mul(1000)),
                broken: !broken.is_empty(),
            };
            Some(Some((request_of(request)?, holder)))
        }
        _ => None,
    }
}

fn waiter(value: &Value) -> Option<Seen> {
    let parts = texts(value)?;
    let [number, class, owner, since_us, passed, silent_ms, request] = parts[..] else { return None };
    let class: usize = class.parse().ok()?;
    let waiter = Waiter {
        owner: serde_json::from_str(owner).ok()?,
        ticket: number.parse().ok()?,
        priority: *Priority::ALL.iter().rev().nth(class)?,
        since_us: since_us.parse().ok()?,
        passed: passed.parse().ok()?,
    };
    Some(Seen { waiter, request: request_of(request)?, silent: Duration::from_millis(silent_ms.parse().ok()?) })
}

/// As they would be granted; those that would be passed over as dead right now are left out.
fn in_order(mut waiters: Vec<Seen>) -> Vec<Seen> {
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
    queue::order(&standings).into_iter().map(|at| waiters[at].clone()).collect()
}
