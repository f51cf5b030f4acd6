//! Sentinels with passwords of their own, and with TLS.

use std::time::Duration;

use lock_redis::{Password, RedisConfig, RedisLock};
use tests::{
    redis_sentinel::RedisSentinel,
    redis_server::{RedisServer, free_port},
    require, require_tls,
};

use crate::{refused, rights::a_whole_life, tls::Papers};

const NAME: &str = "swarm";
const SILENCE: Duration = Duration::from_secs(30);

fn url(scheme: &str, sentinel: &RedisSentinel) -> RedisConfig {
    let mut config = RedisConfig::parse(&format!("{scheme}://127.0.0.1:{}/{NAME}", sentinel.port())).unwrap();
    // A Sentinel gets a quarter of it.
    config.timeout = Duration::from_secs(60);
    config
}

/// Waits until the Sentinel lets us in and has seen its master.
async fn until_open(config: &RedisConfig) {
    let deadline = lock_core::Moment::now() + tests::probe::READY_WITHIN;
    while let Err(error) = RedisLock::open(config.clone()).await {
        assert!(!deadline.is_past(), "{}", crate::said(&error));
        tokio::task::yield_now().await;
    }
}

/// The rights that docs/deploy-redis.md gives at the Sentinels.
fn documented() -> Vec<&'static str> {
    let page = include_str!("../../../docs/deploy-redis.md");
    let rights = page.split_once("A user needs\n`").and_then(|(_, rest)| rest.split_once("` there"));
    rights.expect("the page has them").0.split(' ').collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sentinel_s_password_is_its_own() {
    require!("redis-server", "redis-cli");
    let port = free_port();
    let master = RedisServer::start_with(&["--port", &port.to_string()]);
    assert_eq!(master.tell(&["ACL", "SETUSER", "talkstick", "on", ">secret-word", "~*", "&*", "+@all"]), "OK");
    let user = ["user swarm on >secret-sentinel resetchannels"].into_iter().chain(documented());
    let lines = ["user default off".to_owned(), user.collect::<Vec<_>>().join(" ")];
    let sentinel = RedisSentinel::watch_with(NAME, port, SILENCE, &lines);
    let mut config = url("redis+sentinel", &sentinel);
    (config.user, config.password) = (Some("talkstick".to_owned()), Some(Password::new("secret-word")));
    let mut known = config.clone();
    known.sentinel_user = Some("swarm".to_owned());
    known.sentinel_password = Some(Password::new("secret-sentinel"));
    until_open(&known).await;
    a_whole_life(known.clone()).await;
    refused(config, &["redis+sentinel://127.0.0.1:", "want a password of their own", "`redis.sentinel_password_file`"])
        .await;
    known.sentinel_password = Some(Password::new("secret-word"));
    refused(known, &["refuse user `swarm`", "`redis.sentinel_password_file`", "TALKSTICK_REDIS_SENTINEL_PASSWORD"])
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sentinel_and_its_master_speak_tls() {
    require!("redis-server", "redis-cli", "openssl");
    require_tls!();
    let (papers, port) = (Papers::issue(), free_port());
    let _master = papers.server(port, "no");
    let mut lines = vec!["tls-auth-clients no".to_owned(), "tls-replication yes".to_owned()];
    lines.extend(papers.options().chunks(2).map(|option| format!("{} {}", &option[0][2..], option[1])));
    let sentinel = RedisSentinel::watch_with(NAME, port, SILENCE, &lines);
    let mut trusting = url("rediss+sentinel", &sentinel);
    trusting.tls.ca = Some(papers.file("ca.crt"));
    until_open(&trusting).await;
    a_whole_life(trusting).await;
    let untrusting = url("rediss+sentinel", &sentinel);
    refused(untrusting, &["rediss+sentinel://127.0.0.1:", "is not trusted", "`redis.ca_file`"]).await;
    refused(url("redis+sentinel", &sentinel), &["closed the connection", "rediss+sentinel://"]).await;
}
