//! Votes, tokens and leases from one majority to another, and what a minority may not do.

use std::{sync::Arc, time::Duration};

use lock_core::{
    DistributedLock, DistributedLockExt, Entered, Error, FencingToken, Holder, Lease, Moment, conformance::request,
};
use lock_redis::{RedisConfig, RedisLock};
use tests::{
    probe::{READY_WITHIN, until},
    proxy::Proxy,
    redis_quorum::RedisQuorum,
    require,
};

use crate::site::{
    Fault, begin, client, end, field, hold, key, networks, of_one, options, said, until_held_by, until_held_by_all,
};

/// Has the vote that a server has given, if there is one, last for an hour: who has it must give it back.
fn vote_for_an_hour(quorum: &mut RedisQuorum, at: usize) -> bool {
    const PROLONG: &str = "
if redis.call('HEXISTS', KEYS[1], 'request') == 0 then return 'no vote' end
local ends = redis.call('TIME')[1] * 1000 + 3600000
redis.call('HSET', KEYS[1], 'ends', string.format('%.0f', ends), 'ttl', '3600000')
return 'prolonged'";
    quorum.server(at).tell(&["EVAL", PROLONG, "1", "talkstick:{k}:lock"]) == "prolonged"
}

#[tokio::test(flavor = "multi_thread")]
async fn a_minority_of_votes_is_given_back() {
    require!("redis-server", "redis-cli");
    let mut quorum = RedisQuorum::start_old(3, &[]);
    // Votes of two servers are with somebody else.
    let rivals = [hold(&of_one(&quorum, 1).await).await, hold(&of_one(&quorum, 2).await).await];
    let (lock, first) = (client(quorum.url()).await, of_one(&quorum, 0).await);
    assert!(lock.try_acquire(&key(), &options()).await.unwrap().is_none());
    assert_eq!(first.inspect(&key()).await.unwrap().holder, Holder::Free, "given back when it left");
    let waiter = tokio::spawn(async move { hold(&lock).await });
    until(READY_WITHIN, "a vote of the first server that does not end", || vote_for_an_hour(&mut quorum, 0));
    let other = hold(&first).await;
    assert!(!waiter.is_finished());
    drop(other);
    for rival in rivals {
        rival.release().await.unwrap();
    }
    waiter.await.unwrap().release().await.unwrap();
}

/// The clock of the first server is far ahead, and then it is gone: what it has proposed is known to the others.
#[tokio::test(flavor = "multi_thread")]
async fn tokens_grow_from_one_majority_to_another() {
    require!("redis-server", "redis-cli");
    let mut quorum = RedisQuorum::start_old(3, &[]);
    let mut last = FencingToken(0);
    for away in [2, 0, 1, 0, 2] {
        let ahead = (away + 1) % 3;
        // As a clock that is ahead by years would have it.
        let proposal = FencingToken(last.0.max(9_000_000_000_000_000) + 1_000_000);
        quorum.server(ahead).tell(&["HSET", "talkstick:{k}:lock", "token_last", &proposal.to_string()]);
        begin(&mut quorum, away, Fault::Stopped);
        let lock = client(quorum.url()).await;
        let lease = entered(&lock, u128::from(last.0)).await;
        assert!(lease.token > last.max(proposal), "{} after {last}", lease.token);
        last = lease.token;
        lock.release(&lease).await.unwrap();
        end(&mut quorum, away, Fault::Stopped);
        let others = (0..3).filter(|at| *at != away);
        let known: Vec<String> = others.map(|at| field(&mut quorum, at, "confirmed")).collect();
        assert!(known.iter().all(|token| *token == last.to_string()), "{known:?}: left at a majority");
    }
}

/// One server has missed a lease, another one forgets it: neither may be part of a majority for the next one.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_grants_nothing_beside_a_lease_that_it_has_forgotten() {
    require!("redis-server", "redis-cli");
    let mut quorum = RedisQuorum::start_old(3, &[]);
    let (networks, url) = networks(&mut quorum);
    let away = client(url).await;
    networks[2].partition();
    let holder = away.acquire(&key(), &options().ttl(Duration::from_secs(3))).await.unwrap();
    // It can tell nobody again.
    networks.iter().for_each(Proxy::partition);
    begin(&mut quorum, 0, Fault::Flushed);
    let lock = client(quorum.url()).await;
    assert!(lock.try_acquire(&key(), &options()).await.unwrap().is_none(), "two hold");
    let next = hold(&lock).await;
    let held_at = Moment::now();
    assert!(held_at > holder.deadline().unwrap(), "two held, for {:?}", holder.deadline().unwrap() - held_at);
    assert!(next.token() > holder.token());
    next.release().await.unwrap();
    // Beside a server that is away there is the young one, which makes no majority, and that is said.
    begin(&mut quorum, 0, Fault::Flushed);
    begin(&mut quorum, 1, Fault::Killed);
    let text = said(&lock.acquire(&key(), &options()).await.unwrap_err());
    assert!(text.contains("is new or has lost its data") && text.contains("cannot be reached"), "{text}");
    assert!(text.contains(&format!("redis://127.0.0.1:{}/0", quorum.port(1))), "{text}");
}

/// That servers were young is no reason any more when they have been found locked.
#[tokio::test(flavor = "multi_thread")]
async fn who_has_waited_for_another_one_to_the_end_is_told_that() {
    require!("redis-server", "redis-cli");
    let mut quorum = RedisQuorum::start(3, &[]);
    let lock = client(quorum.url()).await;
    begin(&mut quorum, 2, Fault::Killed);
    let servers = [of_one(&quorum, 0).await, of_one(&quorum, 1).await];
    let rivals = [hold(&servers[0]).await, hold(&servers[1]).await];
    let options = options().timeout(Duration::from_secs(4));
    let waiter = tokio::spawn(async move { lock.acquire(&key(), &options).await.unwrap_err() });
    let deadline = Moment::now() + READY_WITHIN;
    for server in &servers {
        while server.inspect(&key()).await.unwrap().queue.is_empty() {
            assert!(!deadline.is_past(), "it does not wait");
        }
    }
    for rival in rivals {
        rival.release().await.unwrap();
    }
    until(READY_WITHIN, "the young servers were asked for the lease", || {
        !quorum.server(0).tell(&["HGET", "talkstick:{quorum}:server", "born"]).is_empty()
    });
    let rivals = [hold(&servers[0]).await, hold(&servers[1]).await];
    let error = waiter.await.unwrap();
    assert!(matches!(error, Error::TimedOut { .. }), "{error}");
    for rival in rivals {
        rival.release().await.unwrap();
    }
}

/// M. Kleppmann's second case: the clock of one server leaps, and the lease ends there, and there alone.
#[tokio::test(flavor = "multi_thread")]
async fn one_clock_that_leaps_lets_nobody_in() {
    require!("redis-server", "redis-cli");
    let mut quorum = RedisQuorum::start_old(3, &[]);
    let (lock, other) = (client(quorum.url()).await, client(quorum.url()).await);
    let holder = hold(&lock).await;
    until_held_by_all(&mut quorum, holder.token());
    for at in 0..3 {
        assert_eq!(quorum.server(at).tell(&["HSET", "talkstick:{k}:lock", "ends", "1"]), "0");
        assert!(other.try_acquire(&key(), &options()).await.unwrap().is_none(), "two hold");
        holder.verify().await.unwrap();
        // Only then may the next one leap.
        until(READY_WITHIN, "the server has the lease again", || field(&mut quorum, at, "ends") != "1");
        until_held_by(&mut quorum, at, holder.token());
    }
    holder.release().await.unwrap();
}

/// How often each server has run a script.
fn scripts_run(quorum: &mut RedisQuorum) -> Vec<u64> {
    let count = |at| quorum.server(at).calls("eval") + quorum.server(at).calls("evalsha");
    (0..3).map(count).collect()
}

/// All servers have the scripts after this, and have been told all that they are told without being waited for: a majority's answer
/// is enough to go on, and one that lags behind may be asked a second time, by the whole script, much later.
async fn learn_the_scripts(quorum: &mut RedisQuorum, lock: &Arc<dyn DistributedLock>) {
    // Nothing renews a lease that is no guard's.
    for at in 0..quorum.len() {
        enter_and_release(&of_one(quorum, at).await, 100 + at as u128).await;
    }
    let lease = entered(lock, 200).await;
    let token = lease.token.to_string();
    let until_each_has = |quorum: &mut RedisQuorum, name: &str| {
        until(READY_WITHIN, "each server has heard of it", || {
            (0..quorum.len()).all(|at| field(quorum, at, name) == token)
        });
    };
    until_each_has(quorum, "confirmed");
    lock.release(&lease).await.unwrap();
    until_each_has(quorum, "given_back");
}

async fn entered(lock: &Arc<dyn DistributedLock>, request_id: u128) -> Lease {
    let entered = lock.enter(&key(), &request(request_id)).await.unwrap();
    let Entered::Granted(lease) = entered else { panic!("a free lock is granted") };
    lease
}

async fn enter_and_release(lock: &Arc<dyn DistributedLock>, request_id: u128) {
    lock.release(&entered(lock, request_id).await).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_free_lock_takes_two_round_trips_and_its_release_one() {
    require!("redis-server", "redis-cli");
    let mut quorum = RedisQuorum::start_old(3, &[]);
    let lock = client(quorum.url()).await;
    learn_the_scripts(&mut quorum, &lock).await;
    for round in 1..=3 {
        let before = scripts_run(&mut quorum);
        enter_and_release(&lock, round).await;
        // Those that were not needed for the majority may still be on their way.
        until(READY_WITHIN, "each server was asked thrice", || {
            let now = scripts_run(&mut quorum);
            let asked: Vec<u64> = now.iter().zip(&before).map(|(now, before)| now - before).collect();
            assert!(asked.iter().all(|count| *count <= 3), "{asked:?}");
            asked == [3; 3]
        });
    }
}

/// A holder that reaches one of three only: its lease ends for it before anybody else has it.
#[tokio::test(flavor = "multi_thread")]
async fn a_holder_in_a_minority_lets_go_before_the_next_one_holds() {
    require!("redis-server", "redis-cli");
    let mut quorum = RedisQuorum::start_old(3, &[]);
    let (networks, url) = networks(&mut quorum);
    let away = client(url).await;
    let holder = away.acquire(&key(), &options().ttl(Duration::from_secs(2))).await.unwrap();
    networks[0].partition();
    networks[1].partition();
    let next = tokio::spawn({
        let lock = client(quorum.url()).await;
        async move { (hold(&lock).await, Moment::now()) }
    });
    let reason = holder.lost().await;
    let (next, held_at) = next.await.unwrap();
    assert!(held_at > holder.deadline().unwrap(), "two held: {reason}");
    assert!(next.token() > holder.token());
    // The third server still has the lease of the one that is cut off, until it ends there.
    next.verify().await.unwrap();
    next.release().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn one_server_is_opened_by_its_own_address() {
    let config = RedisConfig::parse("redis+quorum://a,b,c").unwrap();
    let error = RedisLock::open(config).await.unwrap_err();
    assert!(said(&error).contains("open it as a quorum"), "{error}");
}
