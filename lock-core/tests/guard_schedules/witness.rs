//! Who looks at a guard from several tasks, and knows what it must not say.

use crate::{
    Error, Guard, LockKey, LossReason, Moment, clock,
    store::Store,
    sync::{AtomicBool, AtomicU64, Ordering},
};

/// So many looks in a row, each after the others could go on, find nobody asleep who sleeps again and again only by chance.
const LOOKS: u32 = 32;

/// A held guard, and what was heard of it.
#[derive(Debug)]
pub(crate) struct Witness {
    pub(crate) guard: Guard,
    store: Store,
    /// Somebody was told that the lease is lost.
    told: AtomicBool,
    deadline_ns: AtomicU64,
}

impl Witness {
    pub(crate) fn new(guard: Guard, store: &Store) -> Self {
        Self { guard, store: store.clone(), told: AtomicBool::new(false), deadline_ns: AtomicU64::new(0) }
    }

    fn key(&self) -> LockKey {
        self.guard.lease().key.clone()
    }

    pub(crate) fn was_told(&self) -> bool {
        self.told.load(Ordering::SeqCst)
    }

    /// Whether the guard says that the lease holds, and whether it may.
    pub(crate) fn look(&self) -> bool {
        self.look_at_deadline();
        let (told, asked) = (self.was_told(), Moment::now());
        let answer = self.guard.check();
        self.judge(told, asked, answer)
    }

    /// As [`Witness::look`], and asks the store.
    pub(crate) async fn ask(&self) -> bool {
        let (told, asked) = (self.was_told(), Moment::now());
        match self.guard.verify().await {
            Err(error @ Error::Lost { .. }) => self.judge(told, asked, Err(error)),
            Ok(()) => self.judge(told, asked, Ok(())),
            Err(_unknown) => true,
        }
    }

    /// Waits for the loss.
    pub(crate) async fn hear(&self) -> LossReason {
        let reason = self.guard.lost().await;
        self.told.store(true, Ordering::SeqCst);
        reason
    }

    fn judge(&self, told: bool, asked: Moment, answer: Result<(), Error>) -> bool {
        let holds = answer.is_ok();
        assert!(!(holds && told), "it says `held` after its loss was told");
        self.store.at(&self.key(), |line| {
            let record = &line.record[&self.guard.lease().token];
            assert_eq!(record.releases, 0, "released under its holder");
            let live = record.from <= asked && asked < record.to;
            assert!(live || !holds, "it says `held`, but the lease had ended");
        });
        if !holds {
            self.told.store(true, Ordering::SeqCst);
        }
        holds
    }

    /// What a renewal has given, no other takes away.
    fn look_at_deadline(&self) {
        let before = self.deadline_ns.load(Ordering::SeqCst);
        let now = self.guard.deadline().map_or(0, Moment::since_boot_ns);
        assert!(now >= before, "the deadline went back by {} ns", before.saturating_sub(now));
        self.deadline_ns.fetch_max(now, Ordering::SeqCst);
    }
}

/// Waits until the lease was released, and then until the heartbeat sleeps; nothing happens to the lease any more.
pub(crate) async fn released(store: &Store, guard_was: (&LockKey, crate::FencingToken)) {
    let (key, token) = guard_was;
    store.until(key, |line| line.record[&token].releases > 0).await;
    heartbeat_sleeps(store).await;
    store.at(key, |line| {
        let record = &line.record[&token];
        assert_eq!(record.releases, 1, "released more than once");
        let late = record.renewals - record.renewals_when_released;
        assert!(late <= 1, "renewed {late} times after its release");
        assert!(line.is_free(), "somebody is left behind: {line:?}");
    });
}

/// Waits until nobody wants to be woken by a clock any more: a heartbeat that goes on would sleep again and again.
pub(crate) async fn heartbeat_sleeps(store: &Store) {
    store.is_quiet().await;
    let mut looks = 0;
    while looks < LOOKS {
        shuttle::future::yield_now().await;
        looks = if clock::nobody_sleeps() { looks + 1 } else { 0 };
    }
}
