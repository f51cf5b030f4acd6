//! Users and their rights.

use std::{sync::Arc, time::Duration};

use lock_core::{AcquireOptions, DistributedLock, DistributedLockExt, FencingToken, LockKey};
use lock_redis::{Password, RedisConfig, RedisLock};
use tests::{redis_server::RedisServer, require};

use crate::{refused, said};

/// The rights that docs/deploy-redis.md gives.
pub(crate) fn documented() -> Vec<String> {
    let page = include_str!("../../../docs/deploy-redis.md");
    let line = page.lines().find_map(|line| line.trim().strip_prefix("user talkstick on >PASSWORD "));
    line.expect("the page has the command").split(' ').map(str::to_owned).collect()
}

/// A server with a user of these rights, and how that user logs in.
fn with_user(rights: &[String]) -> (RedisServer, RedisConfig) {
    let server = RedisServer::start();
    let rights = rights.iter().map(String::as_str);
    let command: Vec<&str> = ["ACL", "SETUSER", "talkstick", "on", ">secret-word"].into_iter().chain(rights).collect();
    assert_eq!(server.tell(&command), "OK");
    let config = of(&server, Some("talkstick"), Some("secret-word"));
    (server, config)
}

fn of(server: &RedisServer, user: Option<&str>, password: Option<&str>) -> RedisConfig {
    let mut config = RedisConfig::parse(&server.url()).unwrap();
    config.user = user.map(str::to_owned);
    config.password = password.map(Password::new);
    config
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_and_none() {
    require!("redis-server", "redis-cli");
    let (server, config) = with_user(&documented());
    RedisLock::open(config).await.unwrap();
    let advice = &["refuses user `talkstick`", "`redis.password_file`", "TALKSTICK_REDIS_PASSWORD", "redis.sock"];
    refused(of(&server, Some("talkstick"), Some("secret-other")), advice).await;
    assert_eq!(server.tell(&["CONFIG", "SET", "requirepass", "secret-default"]), "OK");
    refused(of(&server, None, None), &["wants a password", "`redis.password_file`", "TALKSTICK_REDIS_PASSWORD"]).await;
    refused(of(&server, None, Some("secret-wrong")), &["refuses user `default`"]).await;
}

/// All that a client of a server needs its rights for.
pub(crate) async fn a_whole_life(config: RedisConfig) {
    let store = RedisLock::open(config).await.unwrap();
    store.check_rights().await.unwrap();
    from_entering_to_breaking(Arc::new(store)).await;
}

/// All that a client does with a lock.
pub(crate) async fn from_entering_to_breaking(lock: Arc<dyn DistributedLock>) {
    let key = LockKey::new("a {key}").unwrap();
    let options = AcquireOptions::default().timeout(Duration::from_secs(20)).label("who");
    let guard = lock.acquire(&key, &options).await.unwrap();
    let waits = tokio::spawn({
        let (lock, key, options) = (Arc::clone(&lock), key.clone(), options.clone());
        async move { lock.acquire(&key, &options).await.unwrap() }
    });
    while lock.inspect(&key).await.unwrap().queue.is_empty() {
        tokio::task::yield_now().await;
    }
    let short = options.clone().timeout(Duration::from_millis(50));
    assert!(said(&lock.acquire(&key, &short).await.unwrap_err()).contains("no lock on `a {key}`"));
    guard.verify().await.unwrap();
    lock.break_lock(&key, guard.token(), false).await.unwrap();
    assert!(lock.break_lock(&key, FencingToken(1), false).await.is_err());
    guard.release().await.unwrap();
    waits.await.unwrap().release().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_documented_rights_suffice() {
    require!("redis-server", "redis-cli");
    let (_server, config) = with_user(&documented());
    a_whole_life(config.clone()).await;
    // And for what `status` and `doctor` ask.
    let store = RedisLock::open(config).await.unwrap();
    assert_eq!(store.known_keys().await.unwrap().len(), 1);
    store.health().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn none_of_the_documented_rights_is_too_many_and_a_missing_one_is_named() {
    require!("redis-server", "redis-cli");
    let rights = documented();
    // What only `status`, `doctor` or another database needs.
    let aside = ["+select", "+scan", "+info", "+config|get", "resetkeys", "resetchannels", "-@all"];
    for missing in rights.iter().filter(|right| !aside.contains(&right.as_str())) {
        let fewer: Vec<String> = rights.iter().filter(|right| *right != missing).cloned().collect();
        let (_server, config) = with_user(&fewer);
        let opened = RedisLock::open(config).await;
        let error = match opened {
            Ok(store) => store.check_rights().await.expect_err(missing),
            Err(error) => error,
        };
        let text = said(&error);
        assert!(text.contains("does not let user `talkstick`") && text.contains(missing.as_str()), "{missing}: {text}");
        assert!(text.contains("ACL SETUSER talkstick "), "{missing}: {text}");
    }
}

/// What is named is what lets the user in: an ACL takes patterns, where a prefix may have signs of them.
#[tokio::test(flavor = "multi_thread")]
async fn the_keys_that_are_named_are_those_of_the_prefix() {
    require!("redis-server", "redis-cli");
    let (server, mut config) = with_user(&documented());
    config.prefix = r"team[1]*\:".to_owned();
    for wanted in ["&", "~"].map(|sign| sign.to_owned() + r"team\[1\]\*\\:*") {
        let error = match RedisLock::open(config.clone()).await {
            Ok(store) => store.check_rights().await.unwrap_err(),
            Err(error) => error,
        };
        let text = said(&error);
        assert!(text.contains(&format!("(ACL SETUSER talkstick {wanted})")), "{wanted}: {text}");
        assert_eq!(server.tell(&["ACL", "SETUSER", "talkstick", &wanted]), "OK");
    }
    a_whole_life(config).await;
}
