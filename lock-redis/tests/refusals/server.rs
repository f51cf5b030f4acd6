//! Servers that cannot serve: replicas, busy ones, full ones.

use std::{sync::Arc, time::Duration};

use lock_core::{AcquireOptions, DistributedLock, DistributedLockExt, Holder, LockKey, Moment, Owner};
use lock_redis::{RedisConfig, RedisLock};
use tests::{
    probe::{READY_WITHIN, until},
    redis_server::{RedisServer, free_port},
    require,
};

use crate::{refused, says};

/// A patient one: each of these servers answers.
async fn open(server: &RedisServer) -> Arc<dyn DistributedLock> {
    let mut config = RedisConfig::parse(&server.url()).unwrap();
    config.timeout = READY_WITHIN;
    Arc::new(RedisLock::open(config).await.unwrap())
}

fn key() -> LockKey {
    LockKey::new("k").unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_only_replica() {
    require!("redis-server", "redis-cli");
    let port = free_port().to_string();
    let master = RedisServer::start_with(&["--port", &port]);
    let replica = RedisServer::start();
    let lock = open(&replica).await;
    let guard = lock.acquire(&key(), &AcquireOptions::default()).await.unwrap();
    // What was a master becomes a replica under the feet of those who hold and ask.
    assert_eq!(replica.tell(&["REPLICAOF", "127.0.0.1", &port]), "OK");
    until(READY_WITHIN, "it is a replica", || replica.tell(&["ROLE"]).starts_with("slave"));
    let refusal = lock.acquire(&LockKey::new("other").unwrap(), &AcquireOptions::default()).await.unwrap_err();
    let advice = &["is a read-only replica", "name the master", "redis.sock"];
    says(&refusal, advice, "asking");
    refused(RedisConfig::parse(&replica.url()).unwrap(), advice).await;
    drop((guard, master));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_of_somebody_else_keeps_it_busy() {
    require!("redis-server", "redis-cli");
    let server = RedisServer::start_with(&["--lua-time-limit", "50"]);
    let lock = open(&server).await;
    let mut stranger = connection(&server);
    let stranger = std::thread::spawn(move || {
        redis::cmd("EVAL").arg("while true do end").arg(0).query::<()>(&mut stranger).unwrap_err().to_string()
    });
    let mut busy = None;
    until(READY_WITHIN, "the server is busy", || {
        busy = tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(lock.inspect(&key()))).err();
        busy.is_some()
    });
    says(&busy.unwrap(), &["keeps", "busy", "SCRIPT KILL", "redis.sock"], "asking");
    assert_eq!(server.tell(&["SCRIPT", "KILL"]), "OK");
    assert!(stranger.join().unwrap().contains("killed by user"));
    assert_eq!(lock.inspect(&key()).await.unwrap().holder, Holder::Free);
}

/// Others' scripts come and go under those who hold and wait.
#[tokio::test(flavor = "multi_thread")]
async fn who_holds_and_waits_bears_a_busy_server() {
    require!("redis-server", "redis-cli");
    let server = RedisServer::start_with(&["--lua-time-limit", "50"]);
    let (lock, other) = (open(&server).await, open(&server).await);
    let guard = lock.acquire(&key(), &AcquireOptions::default()).await.unwrap();
    let waits = tokio::spawn(async move { other.acquire(&key(), &AcquireOptions::default()).await.unwrap() });
    while lock.inspect(&key()).await.unwrap().queue.is_empty() {
        tokio::task::yield_now().await;
    }
    let mut stranger = connection(&server);
    let stranger = std::thread::spawn(move || {
        redis::cmd("EVAL").arg("while true do end").arg(0).query::<()>(&mut stranger).unwrap_err();
    });
    let is_busy = || server.ask(&["PING"]).unwrap_or_else(|refusal| refusal).contains("BUSY");
    until(READY_WITHIN, "the server is busy", is_busy);
    // Longer than both are silent in good times.
    let busy_since = Moment::now();
    while busy_since.elapsed() < Duration::from_secs(1) {
        tokio::time::sleep(Duration::from_millis(10)).await;
        assert!(!waits.is_finished());
    }
    assert_eq!(server.tell(&["SCRIPT", "KILL"]), "OK");
    stranger.join().unwrap();
    guard.verify().await.unwrap();
    let token = guard.token();
    guard.release().await.unwrap();
    assert!(waits.await.unwrap().token() > token);
}

fn connection(server: &RedisServer) -> redis::Connection {
    redis::Client::open(server.url().replace("redis+unix://", "unix://")).unwrap().get_connection().unwrap()
}

/// Tickets of a line so long that a look at it takes about a second.
const LONG_LINE: &str = "
for number = 1, 200000 do
  local request = string.format('%032x', number)
  redis.call('ZADD', KEYS[1], 0, string.format('2%016.0f', number) .. request)
  redis.call('HSET', KEYS[2], request, ARGV[1])
  redis.call('ZADD', KEYS[3], '1e16', request)
end
";

#[tokio::test(flavor = "multi_thread")]
async fn a_script_of_ours_that_an_operator_ends() {
    require!("redis-server", "redis-cli");
    let server = RedisServer::start_with(&["--lua-time-limit", "1"]);
    let lock = open(&server).await;
    let mut operator = connection(&server);
    let asked = "{\"class\":2,\"number\":\"1\",\"owner\":\"\",\"since\":\"1\"}";
    let mut fill = redis::cmd("EVAL");
    fill.arg(LONG_LINE)
        .arg(3)
        .arg(&["line", "waiters", "heard"].map(|name| format!("talkstick:{{k}}:{name}")))
        .arg(asked);
    fill.query::<()>(&mut operator).unwrap();
    let killer = std::thread::spawn(move || {
        until(READY_WITHIN, "our script was ended", || {
            redis::cmd("SCRIPT").arg("KILL").query::<()>(&mut operator).is_ok()
        });
    });
    let mut ended = None;
    while ended.is_none() && !killer.is_finished() {
        ended = lock.inspect(&key()).await.err();
    }
    says(&ended.unwrap(), &["redis.sock", "end our script inspect.lua", "had written nothing", "ask again"], "looking");
    killer.join().unwrap();
    assert_eq!(lock.inspect(&LockKey::new("other").unwrap()).await.unwrap().holder, Holder::Free);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_full() {
    require!("redis-server", "redis-cli");
    let server = RedisServer::start();
    let lock = open(&server).await;
    let guard = lock.acquire(&key(), &AcquireOptions::default()).await.unwrap();
    assert_eq!(server.tell(&["CONFIG", "SET", "maxmemory", "1"]), "OK");
    let refusal = lock.acquire(&LockKey::new("other").unwrap(), &AcquireOptions::default()).await.unwrap_err();
    says(&refusal, &["out of memory", "maxmemory", "noeviction"], "asking");
    assert_eq!(server.tell(&["CONFIG", "SET", "maxmemory", "0"]), "OK");
    guard.verify().await.unwrap();
}

/// Whatever is in a label or a key comes back as it was, and is nobody else's.
#[tokio::test(flavor = "multi_thread")]
async fn odd_keys_and_labels_are_carried_as_they_are() {
    require!("redis-server", "redis-cli");
    let server = RedisServer::start();
    let lock = open(&server).await;
    let names = ["{a}", "a", "}{", "a b\"c\\", "%41", "A", "\u{65e5}\u{1f512}", &"x".repeat(80)];
    let label = format!("{{\"a\"}}\n\u{7}{}", "\u{1f512}".repeat(40));
    let mut guards = Vec::new();
    for name in names {
        let key = LockKey::new(name).unwrap();
        let options = AcquireOptions::default().timeout(Duration::ZERO).label(&label);
        guards.push(lock.acquire(&key, &options).await.unwrap_or_else(|error| panic!("{name}: {error}")));
        let Holder::Lease { owner, .. } = lock.inspect(&key).await.unwrap().holder else { panic!("{name}") };
        assert_eq!(owner, Owner::current(&label), "{name}");
        assert!(owner.label.len() <= lock_core::LABEL_BYTES_MAX && !owner.label.contains(char::is_control));
    }
    for guard in guards {
        guard.release().await.unwrap();
    }
    assert!(LockKey::new("x".repeat(81)).is_err() && LockKey::new("a\nb").is_err());
}
