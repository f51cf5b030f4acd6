//! A lease that a child works under: the release waits for the child, and the child hears of the loss.

use shuttle::{
    future::spawn,
    rand::{Rng, thread_rng},
};

use crate::{
    AcquireOptions, DistributedLock as _, DistributedLockExt as _, HeldLeases, LossReason, Moment,
    holding::{acquired, key, let_go},
    schedules::{Count, explore},
    store::{Nature, Store},
    witness::{Witness, heartbeat_sleeps},
};

/// What came up over all schedules.
#[derive(Debug, Clone, Default)]
struct Seen {
    inherited: Count,
    stale: Count,
    lost: Count,
}

async fn story(nature: Nature, seen: Seen) {
    let store = Store::new(nature);
    let parent = acquired(&store, &AcquireOptions::default()).await;
    let is_broken = thread_rng().gen_range(0..2) == 0;
    let child = spawn(inherit(store.clone(), HeldLeases::default().with(parent.share()), is_broken, seen));
    for _ in 0..thread_rng().gen_range(0..20) {
        shuttle::future::yield_now().await;
    }
    if is_broken {
        store.break_lock(&key(), parent.token(), false).await.unwrap();
    }
    // Whoever shares a lease may not learn that its inner gate could not be looked at: it is let go later then.
    let _unknown = parent.release().await;
    child.await.unwrap();
    for key in [key(), key().inner_gate()] {
        store.until(&key, |line| line.is_free()).await;
    }
    heartbeat_sleeps(&store).await;
    for key in [key(), key().inner_gate()] {
        store.at(&key, |line| {
            assert!(line.is_free(), "somebody is left behind: {line:?}");
            assert!(line.record.values().all(|record| record.releases <= 1), "released more than once: {line:?}");
        });
    }
}

/// Works under the parent's lease, if it still gives a right; else it waits in line as everybody does.
async fn inherit(store: Store, held: HeldLeases, is_broken: bool, seen: Seen) {
    let options = AcquireOptions::default().without_timeout().held(held);
    let Ok(guard) = store.as_lock().acquire(&key(), &options).await else { return };
    if !guard.is_inherited() {
        seen.stale.up();
        return let_go(guard).await;
    }
    seen.inherited.up();
    let outermost = guard.token();
    let witness = Witness::new(guard, &store);
    for _ in 0..3 {
        let asked = Moment::now();
        let holds = witness.look();
        let releases = store.at(&key(), |line| line.record[&outermost].releases);
        let until = store.at(&key(), |line| line.record[&outermost].to);
        assert!(!holds || asked < until || releases > 0, "it says `held`, but its parent's lease is over");
        assert!(releases == 0 || is_broken || store.nature().expires, "released under a child at work");
        shuttle::future::yield_now().await;
    }
    if is_broken {
        let reason = witness.hear().await;
        assert!(matches!(reason, LossReason::ParentLost | LossReason::Expired), "{reason}");
        seen.lost.up();
    }
    let_go(witness.guard).await;
}

fn release_waits_for_the_child(nature: Nature) {
    let seen = Seen::default();
    let seen_there = seen.clone();
    explore(move || story(nature, seen_there.clone()));
    for count in [&seen.inherited, &seen.stale, &seen.lost] {
        assert!(count.get() > 10, "hardly came up: {seen:?}");
    }
}

#[test]
fn a_shared_lease_ends_after_its_child() {
    release_waits_for_the_child(Nature { expires: false, lost_of_ten: 0 });
}

#[test]
fn a_shared_lease_ends_after_its_child_though_answers_get_lost() {
    release_waits_for_the_child(Nature { expires: false, lost_of_ten: 1 });
}

#[test]
fn a_shared_lease_that_expires_tells_its_child() {
    release_waits_for_the_child(Nature { expires: true, lost_of_ten: 1 });
}
