//! What a real server can do to those who hold and wait: it is killed and comes back, hangs, forgets, and drops connections.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails where it panics")]

use std::{future::poll_fn, sync::Arc, task::Poll, time::Duration};

use lock_core::{
    DistributedLock, DistributedLockExt, Error, FencingToken, Guard, Holder, LockEvent, LockKey, LossReason, Observer,
};
use tests::{probe::READY_WITHIN, redis_server::RedisServer, require};
use tokio::{sync::mpsc, task::JoinHandle};

#[path = "client/mod.rs"]
mod client;

use client::{client_with_timeout, key, options};

/// Those that wait in the tests that watch the order.
const WAITERS: usize = 6;

/// A patient one: what a server that was killed owes is told by the end of its connection.
async fn client(server: &RedisServer) -> Arc<dyn DistributedLock> {
    client_with_timeout(&server.url(), READY_WITHIN).await
}

async fn hold(lock: &Arc<dyn DistributedLock>) -> Guard {
    lock.acquire(&key(), &options()).await.unwrap()
}

/// [`WAITERS`] tasks of as many clients, in line in their order; each says its number and its token, and lets go.
struct Crowd {
    tasks: Vec<JoinHandle<()>>,
    held: mpsc::UnboundedReceiver<(usize, FencingToken)>,
}

impl Crowd {
    async fn gather(server: &RedisServer) -> Self {
        let (say, held) = mpsc::unbounded_channel();
        let mut tasks = Vec::new();
        for number in 0..WAITERS {
            let (lock, say) = (client(server).await, say.clone());
            let (queued, mut in_line) = mpsc::unbounded_channel();
            // Its client knows of its place, and not the server alone: an answer on its way would be lost with the server.
            let options = options().observer(Observer::new(move |event| {
                if let LockEvent::Queued { .. } = event {
                    // Nobody listens for later places.
                    let _later = queued.send(());
                }
            }));
            tasks.push(tokio::spawn(async move {
                let guard = lock.acquire(&key(), &options).await.unwrap();
                say.send((number, guard.token())).unwrap();
                guard.release().await.unwrap();
            }));
            in_line.recv().await.unwrap();
        }
        Self { tasks, held }
    }

    /// All have held, in their order, under tokens that grow from `last` on.
    async fn held_in_order(mut self, mut last: FencingToken) {
        for task in self.tasks {
            task.await.unwrap();
        }
        for expected in 0..WAITERS {
            let (number, token) = self.held.recv().await.unwrap();
            assert_eq!(number, expected, "out of order");
            assert!(token > last, "{token} after {last}");
            last = token;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_without_data_ends_the_lease_and_every_waiter_still_holds() {
    require!("redis-server", "redis-cli");
    let mut server = RedisServer::start();
    let holder = hold(&client(&server).await).await;
    let crowd = Crowd::gather(&server).await;
    server.kill();
    server.start_again();
    let reason = holder.lost().await;
    assert!(matches!(reason, LossReason::StoreGone | LossReason::Replaced), "{reason}");
    let mut last = holder.token();
    drop(holder);
    for (number, task) in crowd.tasks.into_iter().enumerate() {
        task.await.unwrap_or_else(|error| panic!("waiter {number}: {error}"));
    }
    let mut held = crowd.held;
    for _ in 0..WAITERS {
        let (_, token) = held.recv().await.unwrap();
        assert!(token > last, "{token} after {last}");
        last = token;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_with_its_log_keeps_holder_and_line() {
    require!("redis-server", "redis-cli");
    let mut server = RedisServer::start_with(&["--appendonly", "yes", "--appendfsync", "always"]);
    let holder = hold(&client(&server).await).await;
    let crowd = Crowd::gather(&server).await;
    server.kill();
    server.start_again();
    holder.verify().await.unwrap();
    let token = holder.token();
    holder.release().await.unwrap();
    crowd.held_in_order(token).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drop_on_a_server_that_knows_no_script_comes_before_the_next_question() {
    require!("redis-server", "redis-cli");
    let server = RedisServer::start();
    for _ in 0..20 {
        let lock = client(&server).await;
        let guard = hold(&lock).await;
        server.tell(&["SCRIPT", "FLUSH"]);
        // The next question is known to the server.
        assert!(lock.try_acquire(&key(), &options()).await.unwrap().is_none());
        drop(guard);
        assert!(lock.try_acquire(&key(), &options()).await.unwrap().is_some());
    }
}

/// So that the server knows the next question.
async fn hold_another(lock: &Arc<dyn DistributedLock>, round: usize) -> Guard {
    lock.acquire(&LockKey::new(format!("other {round}")).unwrap(), &options()).await.unwrap()
}

/// The connection has released before: what its server knows of scripts may still be over at any time.
#[tokio::test(flavor = "multi_thread")]
async fn a_drop_behind_flushed_scripts_comes_before_the_next_question() {
    require!("redis-server", "redis-cli");
    let server = RedisServer::start();
    let lock = client(&server).await;
    hold(&lock).await.release().await.unwrap();
    for round in 0..20 {
        let guard = hold(&lock).await;
        server.tell(&["SCRIPT", "FLUSH"]);
        let _known = hold_another(&lock, round).await;
        drop(guard);
        assert!(lock.try_acquire(&key(), &options()).await.unwrap().is_some(), "round {round}");
    }
}

/// The lock was handed to one in line that is gone before it has taken it up.
#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_wait_behind_flushed_scripts_comes_before_the_next_question() {
    require!("redis-server", "redis-cli");
    let server = RedisServer::start();
    let (lock, other) = (client(&server).await, client(&server).await);
    let (k, patient) = (key(), options());
    for round in 0..20 {
        let guard = hold(&other).await;
        let mut waits = Box::pin(lock.acquire(&k, &patient));
        while other.inspect(&k).await.unwrap().queue.is_empty() {
            let over = poll_fn(|context| Poll::Ready(waits.as_mut().poll(context).is_ready())).await;
            assert!(!over, "two hold");
        }
        guard.release().await.unwrap();
        server.tell(&["SCRIPT", "FLUSH"]);
        let _known = hold_another(&other, round).await;
        drop(waits);
        assert!(lock.try_acquire(&k, &options()).await.unwrap().is_some(), "round {round}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn flushed_scripts_and_killed_connections_change_nothing() {
    require!("redis-server", "redis-cli");
    let server = RedisServer::start();
    let holder = hold(&client(&server).await).await;
    let crowd = Crowd::gather(&server).await;
    server.tell(&["SCRIPT", "FLUSH"]);
    server.tell(&["CLIENT", "KILL", "TYPE", "normal"]);
    server.tell(&["CLIENT", "KILL", "TYPE", "pubsub"]);
    holder.verify().await.unwrap();
    let token = holder.token();
    holder.release().await.unwrap();
    crowd.held_in_order(token).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_hangs_is_an_error_that_names_it() {
    require!("redis-server", "redis-cli");
    let mut server = RedisServer::start();
    let lock = client_with_timeout(&server.url(), Duration::from_secs(2)).await;
    // The server knows the script: it runs what it finds in its socket when it goes on.
    hold(&lock).await.release().await.unwrap();
    server.process().stop();
    let error = lock.acquire(&key(), &options()).await.unwrap_err();
    let Error::Store { source, .. } = &error else { panic!("{error}") };
    let text = source.to_string();
    assert!(text.contains(&server.url()) && text.contains("did not answer"), "{text}");
    server.process().go_on();
    let state = lock.inspect(&key()).await.unwrap();
    assert_eq!(state.holder, Holder::Free, "a request that was given up must not hold");
}
