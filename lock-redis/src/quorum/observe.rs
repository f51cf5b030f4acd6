//! Looking at a lock of a majority: what all servers together know.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    time::Duration,
};

use lock_core::{
    Error, FencingToken, Holder, KeyState, LockKey, Moment, Operation, ParentLease, RequestId, SecretHash, Waiter,
};

use crate::{
    error::Trouble,
    observe::View,
    quorum::{QuorumLock, Servers, gathering::Gathering},
};

impl Servers {
    /// What a majority says of something that each of them may have, such as a lease: whether a majority has it. An error where
    /// those that could not be asked decide.
    fn has_majority(&self, have: usize, silent: usize, troubles: Vec<Trouble>) -> Result<bool, Trouble> {
        let needed = self.majority();
        match have {
            0 => Ok(false),
            have if have >= needed => Ok(true),
            have if have + silent >= needed => Err(self.no_majority(troubles)),
            _ => Ok(false),
        }
    }

    /// See [`lock_core::DistributedLock::held_under`].
    pub(crate) async fn held_under(&self, key: &LockKey, secret: SecretHash) -> Result<Option<ParentLease>, Trouble> {
        let mut asking = Gathering::of(&self.clients, |server| {
            let key = key.clone();
            async move { server.held_under(&key, secret).await }
        });
        let needed = self.majority();
        asking.until(|answers| answers.known() >= needed).await;
        let answers = asking.and_others(Duration::MAX).await?;
        if answers.known() < needed {
            return Err(self.no_majority(answers.troubles()));
        }
        let silent = self.clients.len() - answers.known();
        // Votes prove nothing: only a lease has one token on a majority.
        let mut under: BTreeMap<FencingToken, Vec<Option<Moment>>> = BTreeMap::new();
        for lease in answers.given().filter_map(|(_, lease)| *lease) {
            under.entry(lease.token).or_default().push(lease.deadline);
        }
        for (token, mut deadlines) in under {
            if self.has_majority(deadlines.len(), silent, answers.troubles())? {
                // With the last but `needed` of them, the majority ends.
                deadlines.sort_by(|a, b| b.cmp(a));
                return Ok(Some(ParentLease { token, deadline: deadlines[needed - 1] }));
            }
        }
        Ok(None)
    }

    /// Whether a majority had a lease under this token, which is marked now. Its holder sees the mark on any one of them.
    pub(crate) async fn mark_broken(&self, key: &LockKey, token: FencingToken) -> Result<bool, Trouble> {
        let mut marking = Gathering::of(&self.clients, |server| {
            let key = key.clone();
            async move { server.mark_broken(&key, token).await }
        });
        let needed = self.majority();
        marking.until(|answers| answers.known() >= needed).await;
        let answers = marking.and_others(Duration::MAX).await?;
        if answers.known() < needed {
            return Err(self.no_majority(answers.troubles()));
        }
        let silent = self.clients.len() - answers.known();
        self.has_majority(answers.count(|marked| *marked), silent, answers.troubles())
    }
}

impl QuorumLock {
    /// Holder and waiters as a majority has them; in the order of the first server's line, which is not promised.
    pub(crate) async fn look(&self, key: &LockKey) -> Result<KeyState, Trouble> {
        let mut looking = Gathering::of(&self.servers.clients, |server| {
            let key = key.clone();
            async move { server.view(&key).await }
        });
        let needed = self.servers.majority();
        looking.until(|answers| answers.known() >= needed).await;
        let answers = looking.and_others(Duration::MAX).await?;
        if answers.known() < needed {
            return Err(self.servers.no_majority(answers.troubles()));
        }
        let views: Vec<&View> = answers.given().map(|(_, view)| view).collect();
        let silent = self.servers.clients.len() - views.len();
        Ok(KeyState {
            key: key.clone(),
            holder: holder(&views, silent, needed),
            queue: queue(&views, &self.numbers()),
            last_token: views.iter().filter_map(|view| view.confirmed).max().unwrap_or_default(),
        })
    }

    /// The keys of all locks that were ever used under the prefix, on any server that answers, in order.
    ///
    /// # Errors
    /// [`Error::Store`] when fewer than a majority answer.
    ///
    /// # Cancel safety
    /// May be dropped at any point.
    pub async fn known_keys(&self) -> Result<Vec<LockKey>, Error> {
        let servers = &self.servers;
        let failed = |trouble: Trouble| trouble.of(Operation::Inspect, servers.name.clone(), servers.name.clone());
        let mut asking = Gathering::of(&servers.clients, |server| async move { server.known_keys().await });
        let answers = asking.until(|_| false).await;
        if answers.known() < servers.majority() {
            return Err(failed(servers.no_majority(answers.troubles())));
        }
        let keys: BTreeSet<&LockKey> = answers.given().flat_map(|(_, keys)| keys).collect();
        Ok(keys.into_iter().cloned().collect())
    }
}

/// A lease, that is, one token held on a majority. Where those that are silent decide, nothing is concluded.
fn holder(views: &[&View], silent: usize, needed: usize) -> Holder {
    let mut leases: HashMap<RequestId, Vec<&Holder>> = HashMap::new();
    for view in views {
        if let Some((request, holder @ Holder::Lease { token, .. })) = &view.holder
            && Some(*token) == view.confirmed
        {
            leases.entry(*request).or_default().push(holder);
        }
    }
    let Some(of_one) = leases.into_values().max_by_key(Vec::len) else { return Holder::Free };
    let mut shown = of_one[0].clone();
    if of_one.len() < needed {
        return if of_one.len() + silent >= needed { Holder::Unknown } else { Holder::Free };
    }
    if let Holder::Lease { broken, .. } = &mut shown {
        *broken = of_one.iter().any(|holder| matches!(holder, Holder::Lease { broken: true, .. }));
    }
    shown
}

/// Requests that have their place, in line or as a vote, on more than half of the servers that answer.
fn queue(views: &[&View], own_numbers: &HashMap<RequestId, u64>) -> Vec<Waiter> {
    let mut places: HashMap<RequestId, usize> = HashMap::new();
    for view in views {
        let voted = view.holder.iter().filter(|(_, holder)| match holder {
            Holder::Lease { token, .. } => Some(*token) != view.confirmed,
            _ => false,
        });
        let in_line = view.queue.iter().map(|seen| seen.request);
        for request in in_line.chain(voted.map(|(request, _)| *request)).collect::<HashSet<_>>() {
            *places.entry(request).or_default() += 1;
        }
    }
    let mut listed = HashSet::new();
    let mut waiters = Vec::new();
    for seen in views.iter().flat_map(|view| &view.queue) {
        if places.get(&seen.request).is_some_and(|count| count * 2 > views.len()) && listed.insert(seen.request) {
            let ticket = own_numbers.get(&seen.request).copied().unwrap_or(seen.waiter.ticket);
            waiters.push(Waiter { ticket, ..seen.waiter.clone() });
        }
    }
    waiters
}
