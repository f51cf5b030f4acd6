//! A lease of a majority: how it comes about, how it is kept, and how it is given back.

use std::{sync::Arc, time::Duration};

use lock_core::{FencingToken, Lease, LockKey, LossReason, Moment, Renewed, RequestId, background};

use crate::{
    backend::Client,
    deadline::{deadline, ttl_ms},
    error::Trouble,
    quorum::{Servers, gathering::Gathering},
    reply::texts,
    scripts::{GIVE_BACK, HOLD},
};

/// A server that has lost its data may have forgotten a lease of so long. Until it has kept locks for longer, or for longer than
/// the lease that is asked for, it is young.
const FORGOTTEN_MAX: Duration = Duration::from_secs(10);

/// What a second round trip has come to.
#[derive(Debug)]
pub(crate) enum Round {
    /// The lease counts, until then by this host's clock.
    Counts(Moment),
    /// Votes have lapsed meanwhile, or a server holds another lease.
    Lapsed,
    /// A majority holds it, but with young servers among them, and this is what the others say.
    Young(Vec<Trouble>),
}

/// What a server is told of a lease.
#[derive(Debug, Clone)]
pub(crate) struct Claim {
    pub(crate) key: LockKey,
    pub(crate) request: RequestId,
    pub(crate) token: FencingToken,
    pub(crate) number: u64,
    /// As JSON.
    pub(crate) owner: String,
    /// In hexadecimal digits.
    pub(crate) secret: String,
}

impl Claim {
    /// Asks all servers to hold the lease. It counts when a majority does that is old enough to know of any other one; or
    /// all, for then a lease that young ones have forgotten is not held anywhere.
    pub(crate) async fn hold(&self, servers: &Servers, ttl: Duration) -> Result<Round, Trouble> {
        let ttl_ms = ttl_ms(ttl)?;
        let (sent, claim) = (Moment::now(), Arc::new(self.clone()));
        let mut holding = Gathering::of(&servers.clients, |server| {
            let claim = Arc::clone(&claim);
            async move { hold(&server, &claim, ttl_ms, false).await }
        });
        let needed = servers.majority();
        let forgotten_max = FORGOTTEN_MAX.max(ttl);
        let is_held = |held: &Option<Duration>| held.is_some();
        let is_old = |held: &Option<Duration>| held.is_some_and(|kept| kept > forgotten_max);
        let decided = holding
            .until(|answers| answers.count(is_old) >= needed || answers.count(is_held) + answers.pending() < needed);
        tokio::select! {
            biased;
            _ = decided => {}
            // Where young servers need the others, and one of those hangs.
            slept = background::sleep_until(sent + ttl / 4) => slept?,
        }
        let answers = holding.answers();
        // What has passed since the sending is a part of the lease, and what clocks may differ by is not.
        let deadline = deadline(sent, ttl);
        let (held, old) = (answers.count(is_held), answers.count(is_old));
        Ok(match held >= needed && !deadline.is_past() {
            true if old >= needed || held == servers.clients.len() => Round::Counts(deadline),
            true => {
                let silent = answers.silent().map(|at| servers.clients[at].name.clone());
                let silent = silent.map(|server| Trouble::Silent { server, after: sent.elapsed() });
                Round::Young(answers.troubles().into_iter().chain(silent).collect())
            }
            false => Round::Lapsed,
        })
    }

    /// Brings servers that have missed the lease, or lost it, up to date.
    async fn mend(self, stale: Vec<Arc<Client>>, ttl: Duration) -> Result<(), Trouble> {
        let (ttl_ms, claim) = (ttl_ms(ttl)?, Arc::new(self));
        let mut mending = Gathering::of(&stale, |server| {
            let claim = Arc::clone(&claim);
            async move { hold(&server, &claim, ttl_ms, true).await }
        });
        let mended = mending.and_others(ttl / 10).await?.count(Option::is_some);
        tracing::debug!(key = %claim.key, token = %claim.token, mended, of = stale.len(), "servers that missed a lease");
        Ok(())
    }
}

/// Where the server holds the lease now: for how long it has kept locks. `counts`: a majority has confirmed the lease already.
async fn hold(server: &Client, claim: &Claim, ttl_ms: u64, counts: bool) -> Result<Option<Duration>, Trouble> {
    let arguments = [
        claim.request.to_string(),
        claim.token.to_string(),
        ttl_ms.to_string(),
        claim.number.to_string(),
        claim.owner.clone(),
        claim.secret.clone(),
        if counts { "1" } else { "0" }.to_owned(),
    ];
    let keys = server.keys(&claim.key).and_of_server(&server.link.config);
    let answer = server.link.call(&HOLD, &keys, &arguments).await?;
    let held = match texts(&answer.value).as_deref() {
        Some(["held", kept_ms]) => kept_ms.parse().ok().map(Some),
        Some(["taken" | "over"]) => Some(None),
        _ => None,
    };
    held.map(|kept_ms| kept_ms.map(Duration::from_millis)).ok_or_else(|| server.strange(HOLD.name))
}

/// Ends what a request has on one server: its lease or its vote, up to this token. `for_good`: all that it has, also its place in
/// line, and whatever of it is still on its way.
pub(crate) async fn give_back(
    server: &Client,
    key: &LockKey,
    request: RequestId,
    token: Option<FencingToken>,
    for_good: bool,
) -> Result<(), Trouble> {
    let arguments =
        [request.to_string(), token.unwrap_or_default().to_string(), if for_good { "1" } else { "0" }.to_owned()];
    server.link.call(&GIVE_BACK, &server.keys(key), &arguments).await.map(drop)
}

impl Servers {
    /// Ends what a request has on any of the servers. It is over when a majority says so; on the others it ends by itself.
    pub(crate) async fn give_back(
        &self,
        key: &LockKey,
        request: RequestId,
        token: Option<FencingToken>,
        for_good: bool,
    ) -> Result<(), Trouble> {
        let mut ending = Gathering::of(&self.clients, |server| {
            let key = key.clone();
            async move { give_back(&server, &key, request, token, for_good).await }
        });
        let needed = self.majority();
        ending.until(|answers| answers.known() >= needed).await;
        let answers = ending.and_others(Duration::MAX).await?;
        if answers.known() >= needed { Ok(()) } else { Err(self.no_majority(answers.troubles())) }
    }

    /// Confirms a lease on all servers, and prolongs it where a majority still has it. Then those that have missed it, or lost
    /// it, are told of it: the majority bears one more failure again.
    pub(crate) async fn renew(
        &self,
        lease: &Lease,
        ttl: Duration,
        claim: Option<Claim>,
    ) -> Result<Result<Renewed, LossReason>, Trouble> {
        let mut renewing = Gathering::of(&self.clients, |server| {
            let lease = lease.clone();
            async move { server.renew(&lease, ttl).await }
        });
        let needed = self.majority();
        let is_held = |said: &Result<Renewed, LossReason>| said.is_ok();
        renewing
            .until(|answers| {
                answers.count(is_held) >= needed || answers.count(|said| !is_held(said)) > self.clients.len() - needed
            })
            .await;
        let answers = renewing.and_others(ttl / 10).await?;
        let losses: Vec<&LossReason> = answers.given().filter_map(|(_, said)| said.as_ref().err()).collect();
        if losses.contains(&&LossReason::Broken) {
            return Ok(Err(LossReason::Broken));
        }
        if losses.len() >= needed {
            let worst = [LossReason::Replaced, LossReason::Expired, LossReason::StoreGone];
            return Ok(Err(worst.into_iter().find(|reason| losses.contains(&reason)).unwrap_or(LossReason::Replaced)));
        }
        let held: Vec<Moment> = answers.given().filter_map(|(_, said)| said.as_ref().ok()?.deadline).collect();
        if held.len() < needed {
            let (servers, held) = (self.clients.len(), held.len());
            return Err(Trouble::Divided { store: self.name.clone(), servers, needed, held, said: answers.troubles() });
        }
        let deadline = held.into_iter().min();
        let stale = answers.given().filter(|(_, said)| !is_held(said)).map(|(at, _)| Arc::clone(&self.clients[at]));
        let stale: Vec<Arc<Client>> = stale.collect();
        if let Some(claim) = claim.filter(|_| !stale.is_empty()) {
            claim.mend(stale, ttl).await?;
        }
        Ok(Ok(Renewed { deadline }))
    }
}
