//! A lease of a majority: how it comes about, how it is kept, and how it is given back.

use std::{sync::Arc, time::Duration};

use lock_core::{FencingToken, Lease, LockKey, LossReason, Moment, Renewed, RequestId};

use crate::{
    backend::Client,
    deadline::{deadline, ttl_ms},
    error::Trouble,
    quorum::{Servers, gathering::Gathering},
    reply::text,
    scripts::{GIVE_BACK, HOLD},
};

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
    /// Asks all servers to hold the lease; gives its end by this host's clock when a majority does.
    pub(crate) async fn hold(&self, servers: &Servers, ttl: Duration) -> Result<Option<Moment>, Trouble> {
        let ttl_ms = ttl_ms(ttl)?;
        let (sent, claim) = (Moment::now(), Arc::new(self.clone()));
        let mut holding = Gathering::of(&servers.clients, |server| {
            let claim = Arc::clone(&claim);
            async move { hold(&server, &claim, ttl_ms).await }
        });
        let needed = servers.majority();
        let answers = holding
            .until(|answers| {
                let held = answers.count(|held| *held);
                held >= needed || held + answers.pending() < needed
            })
            .await;
        // What has passed since the sending is a part of the lease, and what clocks may differ by is not.
        let deadline = deadline(sent, ttl);
        Ok((answers.count(|held| *held) >= needed && !deadline.is_past()).then_some(deadline))
    }

    /// Brings servers that have missed the lease, or lost it, up to date.
    async fn mend(self, stale: Vec<Arc<Client>>, ttl: Duration) -> Result<(), Trouble> {
        let (ttl_ms, claim) = (ttl_ms(ttl)?, Arc::new(self));
        let mut mending = Gathering::of(&stale, |server| {
            let claim = Arc::clone(&claim);
            async move { hold(&server, &claim, ttl_ms).await }
        });
        let mended = mending.and_others(ttl / 10).await?.count(|held| *held);
        tracing::debug!(key = %claim.key, token = %claim.token, mended, of = stale.len(), "servers that missed a lease");
        Ok(())
    }
}

/// Whether the server holds the lease now.
async fn hold(server: &Client, claim: &Claim, ttl_ms: u64) -> Result<bool, Trouble> {
    let arguments = [
        claim.request.to_string(),
        claim.token.to_string(),
        ttl_ms.to_string(),
        claim.number.to_string(),
        claim.owner.clone(),
        claim.secret.clone(),
    ];
    let answer = server.link.call(&HOLD, &server.keys(&claim.key), &arguments).await?;
    match text(&answer.value) {
        Some("held") => Ok(true),
        Some("taken" | "over") => Ok(false),
        _ => Err(server.strange(HOLD.name)),
    }
}

/// Ends what a request has on one server: its lease, where the token is given, else its vote. `for_good`: also its place
/// in line, and whatever of it is still on its way.
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
