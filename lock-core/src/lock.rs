//! The contract that every backend keeps.

use std::{fmt, time::Duration};

use async_trait::async_trait;

use crate::{
    Capabilities, Entered, Error, FencingToken, KeyState, Lease, LockKey, Moment, ParentLease, Renewed, Request,
    RequestId, SecretHash, Ticket, Waited,
};

/// A store of locks that many owners share.
///
/// Small on purpose and without default methods: what all backends have in common (heartbeat, deadlines, loss signal,
/// release on drop, re-entry, events) lives once, in [`crate::Guard`] and [`crate::DistributedLockExt`], which is what
/// callers use. `Display` names the store without secrets, as its URL.
///
/// # For implementors
/// Each MUST is a conformance case of the same name (`lock_core::conformance`, with the feature `conformance`):
/// - **exclusion**: at most one live lease per key.
/// - **fencing**: tokens by [`FencingToken::next`]; the token comes with the grant.
/// - **order**: the next grant goes to [`crate::queue::next`] of the live tickets. A free lock with live tickets is not
///   granted by `enter`.
/// - **coming back**: a request that carries a number stands where that number stood; [`crate::queue::number`] says when it
///   may. Its token grows as any other.
/// - **handover**: a waiter is woken by the kernel or the server; polling is only the bounded sweep ([`crate::Sweep`]).
/// - **death**: tickets and leases of a proven dead process do not block the line.
/// - **cancel**: dropping any of these futures leaves the store consistent; the caller sends `withdraw` afterwards, which
///   also gives back a lease that was granted meanwhile.
/// - **compare and set**: `release`, `renew`, `withdraw` and `break_lock` act only on the exact request and token.
/// - **unknown is not free**: what cannot be read is an error, never a grant and never "not locked".
///
/// Backends never spawn tasks. A backend whose futures need a reactor runs it on [`crate::background`], because
/// `release` and `renew` are called from there too.
#[async_trait]
pub trait DistributedLock: fmt::Debug + fmt::Display + Send + Sync + 'static {
    /// What this backend promises.
    fn capabilities(&self) -> Capabilities;

    /// Asks for `key` in one round trip: the lock if it is free and nobody goes first, else a place in line.
    ///
    /// # Cancel safety
    /// After a drop the answer is unknown: send `withdraw(key, request.id)`.
    async fn enter(&self, key: &LockKey, request: &Request) -> Result<Entered, Error>;

    /// Waits in line until the grant, until the place changed, or until `until`.
    ///
    /// # Cancel safety
    /// As `enter`. Waiting again with the same ticket is allowed and keeps the place.
    async fn wait(&self, ticket: &Ticket, until: Moment) -> Result<Waited, Error>;

    /// Leaves the line; a lease that was granted to the request meanwhile is released. Idempotent.
    async fn withdraw(&self, key: &LockKey, request: RequestId) -> Result<(), Error>;

    /// Confirms that the lease is still held, and where leases expire, gives it a new end.
    ///
    /// # Errors
    /// [`Error::Lost`] with the reason when it is not; any other error means unknown.
    async fn renew(&self, lease: &Lease, ttl: Duration) -> Result<Renewed, Error>;

    /// Releases exactly this lease. Idempotent: a lease that has ended is no error.
    async fn release(&self, lease: &Lease) -> Result<(), Error>;

    /// The holder and the ordered queue, now.
    async fn inspect(&self, key: &LockKey) -> Result<KeyState, Error>;

    /// The lease whose secret has this hash, if it holds `key` now and is not marked as broken. Who works under it ends with it.
    async fn held_under(&self, key: &LockKey, secret: SecretHash) -> Result<Option<ParentLease>, Error>;

    /// Marks the lease `token` as broken: its holder sees the mark and lets go. With `kill`, where leases do not expire,
    /// also ends the proven holder on this host.
    ///
    /// # Errors
    /// [`Error::NotHolder`] when `token` does not hold the key now; [`Error::Unsupported`] for a foreign holder.
    async fn break_lock(&self, key: &LockKey, token: FencingToken, kill: bool) -> Result<(), Error>;
}

/// The trait can be used as `dyn`: the backend is chosen at run time.
const _: Option<&dyn DistributedLock> = None;
