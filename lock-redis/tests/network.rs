//! What a network can do to those who hold and wait: answers are lost, cut and late, and nothing arrives any more.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails where it panics")]

use std::{sync::Arc, time::Duration};

use lock_core::{
    AcquireOptions, DistributedLock, DistributedLockExt, Guard, Holder, KeyState, LockKey, LossReason, Moment,
    Registry, StoreConfig,
};
use lock_redis::RedisLock;
use tests::{
    probe::READY_WITHIN,
    proxy::{Pass, Proxy},
    redis_server::{RedisServer, with_debug},
    require,
};

/// How long a client waits for an answer: what is lost is asked for again after it.
const ANSWER_WITHIN: Duration = Duration::from_millis(300);
/// After so long a silence the head of the line is dead (`lua/key.lua`).
const SILENT_HEAD: Duration = Duration::from_secs(2);
/// The lease of those that lose it: its margin, 42 ms, is what a busy machine may be late by.
const TTL: Duration = Duration::from_secs(4);

/// A server, a network to it, and one client on each side of the network.
struct Site {
    server: RedisServer,
    network: Proxy,
    /// Through the network.
    far: Arc<dyn DistributedLock>,
    /// Beside the server.
    near: Arc<dyn DistributedLock>,
}

impl Site {
    async fn open() -> Self {
        Self::with(&[]).await
    }

    async fn with(options: &[&str]) -> Self {
        let server = RedisServer::start_with(options);
        let network = Proxy::to(&server.socket());
        let far = client(&format!("redis://127.0.0.1:{}", network.port())).await;
        let near = client(&server.url()).await;
        // The server knows the scripts from now on, so that each call is one question and one answer.
        near.acquire(&key(), &AcquireOptions::default()).await.unwrap().release().await.unwrap();
        Self { server, network, far, near }
    }

    async fn state(&self) -> KeyState {
        self.near.inspect(&key()).await.unwrap()
    }

    /// Waits until the server's state is as `question` wants it.
    async fn until<T>(&self, what: &str, question: impl Fn(&KeyState) -> Option<T>) -> T {
        let deadline = Moment::now() + READY_WITHIN;
        loop {
            let state = self.state().await;
            if let Some(answer) = question(&state) {
                return answer;
            }
            assert!(!deadline.is_past(), "{what}: {state:?}");
            tokio::task::yield_now().await;
        }
    }
}

async fn client(url: &str) -> Arc<dyn DistributedLock> {
    let mut registry = Registry::new();
    RedisLock::register(&mut registry, |mut config| {
        config.timeout = ANSWER_WITHIN;
        Ok(config)
    });
    registry.open(StoreConfig::new(url, "/")).await.unwrap()
}

fn key() -> LockKey {
    LockKey::new("k").unwrap()
}

fn options() -> AcquireOptions {
    AcquireOptions::default().timeout(Duration::from_secs(25))
}

fn acquire(lock: &Arc<dyn DistributedLock>, options: AcquireOptions) -> tokio::task::JoinHandle<Guard> {
    let lock = Arc::clone(lock);
    tokio::spawn(async move { lock.acquire(&key(), &options).await.unwrap() })
}

fn is_held(state: &KeyState) -> Option<u64> {
    match &state.holder {
        Holder::Lease { token, .. } => Some(token.0),
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_whose_answer_was_lost_is_had_by_asking_again() {
    require!("redis-server", "redis-cli");
    let site = Site::open().await;
    for lost in [Pass::Never, Pass::ThenReset(0), Pass::ThenReset(1), Pass::ThenReset(7)] {
        site.network.replies_of_open_ones(lost);
        let asking = acquire(&site.far, options());
        let token = site.until("the server has granted", is_held).await;
        let guard = asking.await.unwrap();
        assert_eq!(guard.token().0, token, "{lost:?}: the same lease, not another one");
        guard.verify().await.unwrap();
        let state = site.state().await;
        assert!(state.queue.is_empty() && state.last_token == guard.token(), "{lost:?}: {state:?}");
        guard.release().await.unwrap();
        assert_eq!(site.state().await.holder, Holder::Free, "{lost:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_whose_answer_was_lost_ends_nobody_else_s_lease() {
    require!("redis-server", "redis-cli");
    let site = Site::open().await;
    for lost in [Pass::Never, Pass::ThenReset(0), Pass::ThenReset(1), Pass::ThenReset(3)] {
        let guard = site.far.acquire(&key(), &options()).await.unwrap();
        let token = guard.token();
        let next = acquire(&site.near, options());
        site.until("the next one waits", |state| (state.queue.len() == 1).then_some(())).await;
        site.network.replies_of_open_ones(lost);
        let released = tokio::spawn(guard.release());
        let next = next.await.unwrap();
        released.await.unwrap().unwrap_or_else(|error| panic!("{lost:?}: {error}"));
        assert!(next.token() > token);
        next.verify().await.unwrap_or_else(|error| panic!("{lost:?}: {error}"));
        next.release().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_wait_leaves_nothing_behind_when_its_answers_were_lost() {
    require!("redis-server", "redis-cli");
    let site = Site::open().await;
    let holder = site.near.acquire(&key(), &options()).await.unwrap();
    site.network.replies(Pass::Never);
    let asking = acquire(&site.far, options());
    site.until("it is in line", |state| (state.queue.len() == 1).then_some(())).await;
    asking.abort();
    // Its withdrawal arrives, although no answer comes back.
    site.until("it has left the line", |state| state.queue.is_empty().then_some(())).await;
    site.network.replies(Pass::Now);
    holder.release().await.unwrap();
    assert_eq!(site.state().await.holder, Holder::Free);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_wake_up_costs_one_sweep() {
    require!("redis-server", "redis-cli");
    let site = Site::open().await;
    let holder = site.near.acquire(&key(), &options()).await.unwrap();
    let waits = acquire(&site.far, options());
    site.until("it is in line", |state| (state.queue.len() == 1).then_some(())).await;
    site.network.replies_of_open_ones(Pass::Never);
    holder.release().await.unwrap();
    let offered = site.until("it is offered to the one in line", is_held).await;
    // It looks for itself, finds its connection silent, and takes the offer up over another before it ends.
    assert_eq!(waits.await.unwrap().token().0, offered);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_network_and_a_reset_in_the_middle_lose_nothing() {
    require!("redis-server", "redis-cli");
    let site = Site::open().await;
    site.network.requests(Pass::After(ANSWER_WITHIN / 30));
    site.network.replies(Pass::After(ANSWER_WITHIN / 30));
    let holder = site.far.acquire(&key(), &options()).await.unwrap();
    let waits = acquire(&site.far, options());
    site.until("it is in line", |state| (state.queue.len() == 1).then_some(())).await;
    site.network.reset();
    holder.verify().await.unwrap();
    let token = holder.token();
    holder.release().await.unwrap();
    let next = waits.await.unwrap();
    assert!(next.token() > token);
    next.verify().await.unwrap();
}

/// The holder knows of the loss before anybody else holds, whatever keeps it from its server.
async fn loss_comes_before_the_next_grant(mut site: Site, cut: impl FnOnce(&mut Site), heal: impl FnOnce(&mut Site)) {
    let holder = site.far.acquire(&key(), &options().ttl(TTL)).await.unwrap();
    let near = Arc::clone(&site.near);
    let next = tokio::spawn(async move {
        let guard = near.acquire(&key(), &options()).await.unwrap();
        (Moment::now(), guard)
    });
    site.until("the next one waits", |state| (state.queue.len() == 1).then_some(())).await;
    cut(&mut site);
    let watching = tokio::spawn(async move {
        let reason = holder.lost().await;
        let told = Moment::now();
        assert!(holder.check().is_err() && holder.permit().check().is_err());
        (reason, told, holder.deadline().unwrap(), holder.token())
    });
    let (reason, told, deadline, token) = watching.await.unwrap();
    assert_eq!(reason, LossReason::Expired);
    assert!(told >= deadline);
    heal(&mut site);
    let (granted, next) = next.await.unwrap();
    assert!(
        told < granted,
        "told {:?} after the next one held",
        granted.since_boot_ns().abs_diff(told.since_boot_ns())
    );
    assert!(next.token() > token);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partitioned_holder_knows_before_the_next_one_holds() {
    require!("redis-server", "redis-cli");
    let site = Site::open().await;
    loss_comes_before_the_next_grant(site, |site| site.network.partition(), |site| site.network.heal()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_holder_whose_answers_vanish_renews_no_more() {
    require!("redis-server", "redis-cli");
    let site = Site::open().await;
    // The server hears its renewals; it must not believe in them all the same.
    loss_comes_before_the_next_grant(site, |site| site.network.replies(Pass::Never), |site| site.network.heal()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_holder_on_a_stopped_server_knows_before_the_next_one_holds() {
    require!("redis-server", "redis-cli");
    let site = Site::open().await;
    loss_comes_before_the_next_grant(site, |site| site.server.process().stop(), |site| site.server.process().go_on())
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_holder_on_a_sleeping_server_knows_before_the_next_one_holds() {
    require!("redis-server", "redis-cli");
    let site = Site::with(&with_debug()).await;
    let mut asleep = None;
    let sleep = |site: &mut Site| {
        let url = site.server.url().replace("redis+unix://", "unix://");
        // Longer than the lease; nothing else is answered meanwhile.
        asleep = Some(std::thread::spawn(move || {
            let mut operator = redis::Client::open(url).unwrap().get_connection().unwrap();
            redis::cmd("DEBUG").arg("SLEEP").arg((TTL + TTL / 4).as_secs()).query::<()>(&mut operator).unwrap();
        }));
    };
    loss_comes_before_the_next_grant(site, sleep, |_| {}).await;
    asleep.unwrap().join().unwrap();
}

/// A waiter that the network cuts off is passed over, and comes back to its place.
#[tokio::test(flavor = "multi_thread")]
async fn a_partitioned_waiter_holds_nobody_up_and_keeps_its_number() {
    require!("redis-server", "redis-cli");
    let site = Site::open().await;
    let holder = site.near.acquire(&key(), &options()).await.unwrap();
    let first = acquire(&site.far, options());
    let number = site.until("it is in line", |state| state.queue.first().map(|waiter| waiter.ticket)).await;
    let second = acquire(&site.near, options());
    site.until("both are in line", |state| (state.queue.len() == 2).then_some(())).await;
    site.network.partition();
    let cut = Moment::now();
    holder.release().await.unwrap();
    let second = second.await.unwrap();
    assert!(cut.elapsed() < Duration::from_secs(5), "two seconds of silence: {:?}", cut.elapsed());
    let third = acquire(&site.near, options());
    site.network.heal();
    site.until("it is back, before the later one", |state| {
        (state.queue.len() == 2 && state.queue[0].ticket == number).then_some(())
    })
    .await;
    second.release().await.unwrap();
    assert_eq!(first.await.unwrap().lease().ticket, number);
    drop(third.await.unwrap());
}

/// Who is not heard of while there is nobody to hear is not silent: the line is the same when the server is back, whoever of it
/// is back first.
#[tokio::test(flavor = "multi_thread")]
async fn an_outage_longer_than_the_silence_of_the_dead_costs_nobody_its_place() {
    require!("redis-server", "redis-cli");
    let mut site = Site::with(&["--appendonly", "yes", "--appendfsync", "always"]).await;
    let holder = site.near.acquire(&key(), &options().ttl(Duration::from_secs(60))).await.unwrap();
    let first = acquire(&site.far, options().label("first"));
    site.until("one waits", |state| (state.queue.len() == 1).then_some(())).await;
    let second = acquire(&site.near, options().label("second"));
    site.until("two wait", |state| (state.queue.len() == 2).then_some(())).await;
    site.network.partition();
    site.server.kill();
    tokio::time::sleep(SILENT_HEAD + Duration::from_millis(100)).await;
    site.server.start_again();
    // Before the first one can be heard again, and whether the second one was or not.
    holder.release().await.unwrap();
    let next = site.state().await.holder;
    assert!(matches!(&next, Holder::Lease { owner, .. } if owner.label == "first"), "{next:?}");
    site.network.heal();
    let guard = first.await.unwrap();
    guard.release().await.unwrap();
    second.await.unwrap().release().await.unwrap();
}
