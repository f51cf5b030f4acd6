//! A Cluster: users, rights and TLS on all of its nodes, and what is no Cluster.

use lock_redis::{Address, Password, Persistence, RedisConfig, RedisLock};
use tests::{
    redis_cluster::RedisCluster,
    redis_server::{RedisServer, free_port},
    require, require_tls,
};

use crate::{
    refused,
    rights::{a_whole_life, documented},
    said,
    tls::Papers,
};

/// The rights that docs/deploy-redis.md adds for a Cluster.
fn documented_besides() -> Vec<String> {
    let page = include_str!("../../../docs/deploy-redis.md");
    let rights = page.split_once("`+cluster|slots ").and_then(|(_, rest)| rest.split_once("` besides"));
    let others = rights.expect("the page has them").0.split(' ').map(str::to_owned);
    std::iter::once("+cluster|slots".to_owned()).chain(others).collect()
}

/// A user of these rights and no others on every node, and how that user logs in.
fn with_user(cluster: &RedisCluster, name: &str, rights: &[String]) -> RedisConfig {
    let rights = rights.iter().map(String::as_str);
    let command: Vec<&str> = ["ACL", "SETUSER", name, "on", ">secret-word"].into_iter().chain(rights).collect();
    cluster.nodes().iter().for_each(|node| assert_eq!(node.server.tell(&command), "OK"));
    let mut config = RedisConfig::parse(&cluster.url()).unwrap();
    (config.user, config.password) = (Some(name.to_owned()), Some(Password::new("secret-word")));
    config
}

#[tokio::test(flavor = "multi_thread")]
async fn users_and_rights_on_a_cluster_and_what_is_none() {
    require!("redis-server", "redis-cli");
    let cluster = RedisCluster::start(3, &["--cluster-node-timeout", "30000"]);
    let all = [documented(), documented_besides()].concat();
    let config = with_user(&cluster, "talkstick", &all);
    a_whole_life(config.clone()).await;
    let store = RedisLock::open(config.clone()).await.unwrap();
    assert_eq!(store.known_keys().await.unwrap().len(), 1);
    assert_eq!(store.health().await.unwrap().persistence, Persistence::Nothing);
    for (number, missing) in documented_besides().iter().enumerate() {
        let fewer: Vec<String> = all.iter().filter(|right| *right != missing).cloned().collect();
        let config = with_user(&cluster, &format!("user-{number}"), &fewer);
        let text = said(&RedisLock::open(config).await.expect_err(missing));
        assert!(text.contains("does not let user `user-") && text.contains(missing.as_str()), "{missing}: {text}");
        assert!(text.contains("redis+cluster://127.0.0.1:"), "{missing}: {text}");
    }
    let mut wrong = config;
    wrong.password = Some(Password::new("secret-other"));
    // That the last seed is away does not hide what another one says.
    if let Address::Cluster { seeds, .. } = &mut wrong.address {
        seeds.push(("127.0.0.1".to_owned(), free_port()));
    }
    refused(wrong, &["refuses user `talkstick`", "redis+cluster://127.0.0.1:", "`redis.password_file`"]).await;
    let node = format!("127.0.0.1:{}", cluster.nodes()[0].port());
    let node = RedisConfig::parse(&format!("redis://{node}")).unwrap();
    refused(node, &["is a node of a Cluster", "use redis+cluster://"]).await;
    let port = free_port();
    let _single = RedisServer::start_with(&["--port", &port.to_string()]);
    let single = RedisConfig::parse(&format!("redis+cluster://127.0.0.1:{port}")).unwrap();
    refused(single, &["redis+cluster://127.0.0.1:", "is no node of a Cluster", "use redis://"]).await;
    let nobody = RedisConfig::parse(&format!("redis+cluster://127.0.0.1:{}", free_port())).unwrap();
    refused(nobody, &["redis+cluster://127.0.0.1:", "cannot be reached", "check the address"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_speaks_tls() {
    require!("redis-server", "redis-cli", "openssl");
    require_tls!();
    let papers = Papers::issue();
    let files = papers.options();
    let how = ["--tls-cluster", "yes", "--tls-auth-clients", "no", "--cluster-node-timeout", "30000"];
    let options: Vec<&str> = how.into_iter().chain(files.iter().map(String::as_str)).collect();
    let cluster = RedisCluster::start(3, &options);
    let url = cluster.url().replacen("redis+cluster", "rediss+cluster", 1);
    let untrusting = RedisConfig::parse(&url).unwrap();
    let mut trusting = untrusting.clone();
    trusting.tls.ca = Some(papers.file("ca.crt"));
    a_whole_life(trusting.clone()).await;
    // Every node is spoken to.
    RedisLock::open(trusting).await.unwrap().health().await.unwrap();
    refused(untrusting, &["rediss+cluster://127.0.0.1:", "is not trusted", "`redis.ca_file`"]).await;
    refused(RedisConfig::parse(&cluster.url()).unwrap(), &["closed the connection", "rediss+cluster://"]).await;
}
