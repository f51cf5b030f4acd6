//! Cluster: the first seed that answers says where all nodes are; from then on every call goes to the node that keeps its
//! keys. The redis crate follows MOVED and ASK, learns where slots are now, and connects again to nodes that were away.

use std::time::Duration;

use redis::{
    AsyncConnectionConfig, Client, ProtocolVersion, RedisError, aio::AsyncPushSender, cluster::ClusterClientBuilder,
};

use crate::{
    config::{Address, RedisConfig},
    connection::{Connection, slots},
    error::Trouble,
    server::{HANDSHAKE, certificates, client, greet},
};

/// How often a call is sent again within the redis crate: after a redirection at once, else after up to
/// [`RETRY_PAUSE_MAX_MS`].
const RETRIES: u32 = 5;
const RETRY_PAUSE_MIN_MS: u64 = 10;
const RETRY_PAUSE_MAX_MS: u64 = 100;

/// Connects to all nodes. `push` hears what any of them pushes, and the end of each one's connection.
pub(crate) async fn connect(
    config: &RedisConfig,
    seeds: &[(String, u16)],
    tls: bool,
    push: impl AsyncPushSender,
) -> Result<Connection, Trouble> {
    let (host, seed) = first_that_answers(config, seeds, tls).await?;
    let failed = |error: RedisError| Trouble::from_server(error, config, HANDSHAKE);
    let mut builder = ClusterClientBuilder::new([seed.get_connection_info().clone()])
        .use_protocol(ProtocolVersion::RESP3)
        .retries(RETRIES)
        .min_retry_wait(RETRY_PAUSE_MIN_MS)
        .max_retry_wait(RETRY_PAUSE_MAX_MS)
        .retry_wait_formula(RETRY_PAUSE_MIN_MS, 2)
        .connection_timeout(patience(config))
        .response_timeout(config.timeout)
        // Answers are timed by `Link`, which works outside a runtime too.
        .overall_response_timeout(None)
        .push_sender(push);
    if tls {
        builder = builder.certs(certificates(config)?);
    }
    let nodes = builder.build().map_err(failed)?.get_async_connection().await.map_err(failed)?;
    Ok(Connection::Cluster { nodes, host })
}

/// A quarter of the timeout, so that a node that hangs leaves time for the others.
fn patience(config: &RedisConfig) -> Duration {
    config.timeout / 4
}

/// A node of a Cluster that lets us in, and its host.
async fn first_that_answers(
    config: &RedisConfig,
    seeds: &[(String, u16)],
    tls: bool,
) -> Result<(String, Client), Trouble> {
    let mut last = Trouble::Silent { server: config.name(), after: patience(config) };
    for (host, port) in seeds {
        let seed = client(config, &Address::Tcp { host: host.clone(), port: *port, tls })?;
        match tokio::time::timeout(patience(config), ask(config, &seed)).await {
            Ok(Ok(())) => return Ok((host.clone(), seed)),
            // What a node says is told rather than that another one is away.
            Ok(Err(trouble)) if last.may_pass() => last = trouble,
            Ok(Err(_)) | Err(_) => {}
        }
    }
    Err(last)
}

/// Has the seed say who it is, and tries what the redis crate sends unasked, so that a refusal is told in the seed's own words.
async fn ask(config: &RedisConfig, seed: &Client) -> Result<(), Trouble> {
    let how = AsyncConnectionConfig::new().set_response_timeout(None).set_connection_timeout(None);
    let mut connection = greet(config, seed, &how).await?;
    for question in [redis::cmd("ASKING"), redis::cmd("PING"), slots()] {
        let answer: Result<redis::Value, RedisError> = question.query_async(&mut connection).await;
        answer.map_err(|error| Trouble::from_server(error, config, HANDSHAKE))?;
    }
    Ok(())
}
