//! Several locks held as one: for what can be reached by more than one way.

use std::{fmt, sync::Arc};

use crate::{
    AcquireOptions, DistributedLock, DistributedLockExt as _, Error, Guard, Lease, LockKey, Moment, Observer, Permit,
};

/// One lock of a [`Stack`]: a key of a store.
#[derive(Debug, Clone)]
pub struct Gate {
    /// The store.
    pub lock: Arc<dyn DistributedLock>,
    /// What is locked in it.
    pub key: LockKey,
    /// Who hears the events of this gate, in place of the options' observer.
    pub observer: Option<Observer>,
}

impl Gate {
    /// The gate that `key` is in `lock`.
    #[must_use]
    pub const fn new(lock: Arc<dyn DistributedLock>, key: LockKey) -> Self {
        Self { lock, key, observer: None }
    }

    /// Has somebody hear the events of this gate.
    #[must_use]
    pub fn heard_by(mut self, observer: Observer) -> Self {
        self.observer = Some(observer);
        self
    }

    fn is(&self, other: &Self) -> bool {
        self.key == other.key && self.lock.to_string() == other.lock.to_string()
    }
}

impl fmt::Display for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` of {}", self.key, self.lock)
    }
}

/// Gates that are taken one after the other, always in this order, and held together.
///
/// Whoever takes some of the same gates must take them in the same order: then nobody waits in a circle.
#[derive(Debug, Clone)]
pub struct Stack {
    first: Gate,
    inner: Vec<Gate>,
}

impl Stack {
    /// The stack of one gate.
    #[must_use]
    pub const fn new(first: Gate) -> Self {
        Self { first, inner: Vec::new() }
    }

    /// The stack with one more gate, to be taken after the others. One that is in it already is not taken twice: its holder
    /// would wait for itself.
    #[must_use]
    pub fn then(mut self, gate: Gate) -> Self {
        if !self.gates().any(|known| known.is(&gate)) {
            self.inner.push(gate);
        }
        self
    }

    /// The first gate: its line is the stack's.
    #[must_use]
    pub const fn first(&self) -> &Gate {
        &self.first
    }

    /// All gates, in the order in which they are taken.
    pub fn gates(&self) -> impl Iterator<Item = &Gate> {
        std::iter::once(&self.first).chain(&self.inner)
    }

    /// Waits in line at each gate; the timeout is for all of them together.
    ///
    /// # Errors
    /// As [`crate::DistributedLockExt::acquire`], of the gate that was not had. What was had before it is given back.
    ///
    /// # Cancel safety
    /// As [`crate::DistributedLockExt::acquire`]: nothing is left behind, at any gate.
    pub async fn acquire(&self, options: &AcquireOptions) -> Result<StackGuard, Error> {
        let deadline = Moment::now() + options.timeout;
        let mut held = StackGuard { inner: Vec::new(), first: self.first.acquire(options, deadline).await? };
        for gate in &self.inner {
            match gate.acquire(options, deadline).await {
                Ok(guard) => held.inner.insert(0, guard),
                Err(error) => {
                    if let Err(unreleased) = held.release().await {
                        tracing::warn!(%unreleased, "a gate was not released");
                    }
                    return Err(error);
                }
            }
        }
        Ok(held)
    }
}

impl Gate {
    async fn acquire(&self, options: &AcquireOptions, deadline: Moment) -> Result<Guard, Error> {
        let options = options.clone().timeout(deadline.remaining());
        let options = match &self.observer {
            Some(observer) => options.observer(observer.clone()),
            None => options,
        };
        self.lock.acquire(&self.key, &options).await
    }
}

/// All gates of a [`Stack`], held. Dropping it releases them, the last one first: so whoever had the first has them all.
#[derive(Debug)]
#[must_use = "dropping the guard releases the locks"]
pub struct StackGuard {
    /// The last one first. Fields and elements are dropped in their order, and so released.
    inner: Vec<Guard>,
    first: Guard,
}

impl StackGuard {
    /// Lends the right to act, which ends with the loss of any gate. Token and ticket are the first gate's.
    #[must_use]
    pub fn permit(&self) -> Permit<'_> {
        self.first.permit_with(&self.inner)
    }

    /// The leases, in the order of the gates.
    pub fn leases(&self) -> impl Iterator<Item = &Lease> {
        std::iter::once(&self.first).chain(self.inner.iter().rev()).map(Guard::lease)
    }

    /// Releases all gates and says whether that went well.
    ///
    /// # Errors
    /// As [`Guard::release`], of the first one that failed; the others are released all the same.
    ///
    /// # Cancel safety
    /// When dropped, the release goes on in the background.
    pub async fn release(self) -> Result<(), Error> {
        let mut released = Ok(());
        for guard in self.inner {
            released = released.and(guard.release().await);
        }
        released.and(self.first.release().await)
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Mutex, time::Duration};

    use super::*;
    use crate::{Holder, LockEvent, ThreadLock};

    fn gate(lock: &Arc<dyn DistributedLock>, key: &str) -> Gate {
        Gate::new(Arc::clone(lock), LockKey::new(key).unwrap())
    }

    async fn is_free(gate: &Gate) -> bool {
        matches!(gate.lock.inspect(&gate.key).await.unwrap().holder, Holder::Free)
    }

    #[tokio::test]
    async fn all_gates_are_held_together_and_none_is_taken_twice() {
        let store: Arc<dyn DistributedLock> = Arc::new(ThreadLock::new());
        let (a, b) = (gate(&store, "a"), gate(&store, "b"));
        let stack = Stack::new(a.clone()).then(b.clone()).then(a.clone());
        let held = stack.acquire(&AcquireOptions::default()).await.unwrap();
        assert_eq!(held.leases().map(|lease| lease.key.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        assert!(!is_free(&a).await && !is_free(&b).await);
        assert_eq!(held.permit().token(), held.first.token());
        held.release().await.unwrap();
        assert!(is_free(&a).await && is_free(&b).await);
    }

    #[tokio::test]
    async fn the_timeout_covers_all_gates_and_names_the_one_that_was_not_had() {
        let store: Arc<dyn DistributedLock> = Arc::new(ThreadLock::new());
        let (a, b) = (gate(&store, "a"), gate(&store, "b"));
        let other = b.lock.acquire(&b.key, &AcquireOptions::default().label("other")).await.unwrap();
        let options = AcquireOptions::default().timeout(Duration::from_millis(50));
        let asked = Moment::now();
        let error = Stack::new(a.clone()).then(b.clone()).acquire(&options).await.unwrap_err();
        assert!(asked.elapsed() >= Duration::from_millis(50));
        let text = error.to_string();
        assert!(text.starts_with("no lock on `b` within ") && text.contains("other"), "{text}");
        assert!(is_free(&a).await, "what was had before is given back");
        drop(other);
    }

    #[tokio::test]
    async fn the_permit_ends_with_the_loss_of_any_gate() {
        let store: Arc<dyn DistributedLock> = Arc::new(ThreadLock::new());
        let (a, b) = (gate(&store, "a"), gate(&store, "b"));
        let held = Stack::new(a).then(b.clone()).acquire(&AcquireOptions::default()).await.unwrap();
        held.permit().check().unwrap();
        let token = held.inner[0].token();
        b.lock.break_lock(&b.key, token, false).await.unwrap();
        let lost = held.inner[0].verify().await.unwrap_err();
        assert!(matches!(lost, Error::Lost { .. }), "{lost}");
        assert!(matches!(held.permit().check(), Err(Error::Lost { key, .. }) if key == b.key));
    }

    #[tokio::test]
    async fn dropped_it_releases_the_last_gate_first() {
        let store: Arc<dyn DistributedLock> = Arc::new(ThreadLock::new());
        let released = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&released);
        let observer = Observer::new(move |event| {
            if let LockEvent::Released { key, .. } = event {
                heard.lock().unwrap().push(key.to_string());
            }
        });
        let stack =
            ["b", "c"].into_iter().fold(Stack::new(gate(&store, "a")), |stack, key| stack.then(gate(&store, key)));
        drop(stack.acquire(&AcquireOptions::default().observer(observer)).await.unwrap());
        // Releases that wait for nothing are done inside the drop.
        assert_eq!(*released.lock().unwrap(), ["c", "b", "a"]);
    }
}
