//! How often a server is asked.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails where it panics")]

use std::{sync::Arc, time::Duration};

use lock_core::{
    AcquireOptions, DistributedLock, DistributedLockExt, Entered, FencingToken, LockKey, Owner, Priority, Request,
    RequestId, Secret,
};
use lock_redis::{RedisConfig, RedisLock};
use tests::{redis_server::RedisServer, require};

/// Scripts that were run by their hash, and in full.
fn scripts_run(server: &RedisServer) -> (u64, u64) {
    (server.calls("evalsha"), server.calls("eval"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_free_lock_takes_one_round_trip_and_its_release_one() {
    require!("redis-server", "redis-cli");
    let server = RedisServer::start();
    let config = RedisConfig::parse(&server.url()).unwrap();
    let lock: Arc<dyn DistributedLock> = Arc::new(RedisLock::open(config).await.unwrap());
    let key = LockKey::new("k").unwrap();
    // The server has the scripts after this, and nothing renews a lease that is no guard's.
    lock.acquire(&key, &AcquireOptions::default()).await.unwrap().release().await.unwrap();
    for id in 1..=3 {
        let request = Request {
            id: RequestId(id),
            owner: Owner::current("counted"),
            priority: Priority::Normal,
            ttl: Duration::from_secs(10),
            floor: FencingToken(0),
            secret_hash: Secret::random().unwrap().hash(),
            number: None,
        };
        let before = scripts_run(&server);
        let Entered::Granted(lease) = lock.enter(&key, &request).await.unwrap() else {
            panic!("a free lock is granted")
        };
        let held = scripts_run(&server);
        lock.release(&lease).await.unwrap();
        let released = scripts_run(&server);
        assert_eq!((held.0 - before.0, held.1 - before.1), (1, 0), "to enter");
        // In full, for nothing may come between its answer and what is asked next.
        assert_eq!((released.0 - held.0, released.1 - held.1), (0, 1), "to release");
    }
    // All over the one connection, which was made once: the others were those that counted, and the fixture's.
    assert_eq!(server.calls("subscribe"), 1);
}
