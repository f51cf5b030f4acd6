//! What servers of a quorum can do to those who hold and wait: one of three may do anything, two may not.

use std::{sync::Arc, time::Duration};

use lock_core::{DistributedLockExt, Error, FencingToken, Holder, LockKey, Moment};
use tests::{redis_quorum::RedisQuorum, require};

use crate::site::{Fault, LOG, begin, client, end, hold, key, options, said, until_held_by, until_held_by_all};

/// The holder keeps the lock, others have it after that, tokens grow; and the server is told of the lease when it is back.
async fn one_of_three_is(fault: Fault) {
    // What is killed keeps its data; what restarts without it is another fault.
    let options_of_servers = if matches!(fault, Fault::Killed) { LOG } else { &[] };
    let mut quorum = RedisQuorum::start_old(3, options_of_servers);
    let (lock, other) = (client(quorum.url()).await, client(quorum.url()).await);
    let mut last = FencingToken(0);
    for at in 0..3 {
        let holder = hold(&lock).await;
        until_held_by_all(&mut quorum, holder.token());
        begin(&mut quorum, at, fault);
        assert!(other.try_acquire(&key(), &options()).await.unwrap().is_none(), "{fault:?} {at}: two hold");
        let newcomer = client(quorum.url()).await;
        assert!(newcomer.try_acquire(&key(), &options()).await.unwrap().is_none(), "{fault:?} {at}: two hold");
        holder.verify().await.unwrap();
        assert!(holder.token() > last, "{} after {last}", holder.token());
        let waiter = tokio::spawn({
            let other = Arc::clone(&other);
            async move { hold(&other).await }
        });
        while other.inspect(&key()).await.unwrap().queue.is_empty() {
            tokio::task::yield_now().await;
        }
        last = holder.token();
        holder.release().await.unwrap();
        let next = waiter.await.unwrap();
        assert!(next.token() > last, "{} after {last}", next.token());
        last = next.token();
        end(&mut quorum, at, fault);
        until_held_by(&mut quorum, at, next.token());
        next.verify().await.unwrap();
        next.release().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_three_is_killed() {
    require!("redis-server", "redis-cli");
    one_of_three_is(Fault::Killed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_three_hangs() {
    require!("redis-server", "redis-cli");
    one_of_three_is(Fault::Stopped).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_three_is_flushed() {
    require!("redis-server", "redis-cli");
    one_of_three_is(Fault::Flushed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_three_restarts_without_its_data() {
    require!("redis-server", "redis-cli");
    one_of_three_is(Fault::RestartedEmpty).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_after_another_may_lose_its_data_once_the_lease_is_there_again() {
    require!("redis-server", "redis-cli");
    let mut quorum = RedisQuorum::start_old(3, &[]);
    let (lock, other) = (client(quorum.url()).await, client(quorum.url()).await);
    let holder = hold(&lock).await;
    until_held_by_all(&mut quorum, holder.token());
    for at in [0, 1, 2, 0] {
        begin(&mut quorum, at, Fault::Flushed);
        until_held_by(&mut quorum, at, holder.token());
        assert!(other.try_acquire(&key(), &options()).await.unwrap().is_none(), "two hold");
        holder.verify().await.unwrap();
    }
    let token = holder.token();
    holder.release().await.unwrap();
    assert!(hold(&other).await.token() > token);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drop_behind_flushed_scripts_comes_before_the_next_question() {
    require!("redis-server", "redis-cli");
    let quorum = RedisQuorum::start_old(3, &[]);
    let lock = client(quorum.url()).await;
    hold(&lock).await.release().await.unwrap();
    for round in 0..20 {
        let guard = hold(&lock).await;
        quorum.tell(0..3, &["SCRIPT", "FLUSH"]);
        // The next questions are known to the servers.
        let other = LockKey::new(format!("other {round}")).unwrap();
        let _other = lock.acquire(&other, &options()).await.unwrap();
        drop(guard);
        assert!(lock.try_acquire(&key(), &options()).await.unwrap().is_some(), "round {round}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_of_three_gone_is_told_to_everybody_and_claims_nothing() {
    require!("redis-server", "redis-cli");
    let mut quorum = RedisQuorum::start_old(3, LOG);
    let lock = client(quorum.url().replacen("://", "://default:secret-word@", 1)).await;
    let short = options().ttl(Duration::from_secs(2));
    let holder = Arc::new(lock.acquire(&key(), &short).await.unwrap());
    let watch = tokio::spawn({
        let holder = Arc::clone(&holder);
        async move { (holder.lost().await, Moment::now()) }
    });
    let waiter = tokio::spawn({
        let lock = client(quorum.url()).await;
        async move { hold(&lock).await }
    });
    while lock.inspect(&key()).await.unwrap().queue.is_empty() {
        tokio::task::yield_now().await;
    }
    begin(&mut quorum, 0, Fault::Killed);
    begin(&mut quorum, 2, Fault::Stopped);
    let (k, patient) = (key(), options());
    let (asked, state, broken) =
        tokio::join!(lock.acquire(&k, &patient), lock.inspect(&k), lock.break_lock(&k, holder.token(), false));
    let text = said(&asked.unwrap_err());
    for at in [0, 2] {
        assert!(text.contains(&format!("redis://127.0.0.1:{}/0", quorum.port(at))), "{text}");
    }
    assert!(text.contains("2 of the 3 servers of redis+quorum://") && !text.contains("secret-word"), "{text}");
    assert!(!text.contains(&format!("redis://127.0.0.1:{}/0", quorum.port(1))), "{text}");
    assert!(matches!(state, Err(Error::Store { .. })), "a minority is no answer: {state:?}");
    assert!(matches!(broken, Err(Error::Store { .. })), "{broken:?}");
    let (reason, told_at) = watch.await.unwrap();
    assert!(told_at >= holder.deadline().unwrap(), "told before its end, which nobody has moved: {reason}");
    assert!(holder.check().is_err());
    let token = holder.token();
    drop(holder);
    assert!(!waiter.is_finished(), "one of three grants nothing, and who waits goes on waiting");
    end(&mut quorum, 0, Fault::Killed);
    end(&mut quorum, 2, Fault::Stopped);
    let next = waiter.await.unwrap();
    assert!(next.token() > token, "{} after {token}", next.token());
    next.release().await.unwrap();
    let state = lock.inspect(&key()).await.unwrap();
    assert_eq!(state.holder, Holder::Free, "a request that was given up must not hold");
}
