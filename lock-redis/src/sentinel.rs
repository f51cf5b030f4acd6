//! Sentinel: which server is the master now. It is asked for each new connection, so that a failover is followed.

use redis::{AsyncConnectionConfig, Client, ConnectionAddr, IntoConnectionInfo, RedisError};

use crate::{
    config::{Address, RedisConfig},
    error::Trouble,
};

/// What the errors of asking a Sentinel name in the place of a script.
const ASKING: &str = "SENTINEL GET-MASTER-ADDR-BY-NAME";

/// The master that the first Sentinel with an answer names. Each gets a quarter of the timeout.
///
/// Whether it is a master is asked of the server itself: a Sentinel may have missed a failover.
pub(crate) async fn master(config: &RedisConfig, sentinels: &[(String, u16)], name: &str) -> Result<Address, Trouble> {
    let (server, patience) = (config.name(), config.timeout / 4);
    let mut last = Trouble::Silent { server: server.clone(), after: patience };
    for (host, port) in sentinels {
        match tokio::time::timeout(patience, ask(host, *port, name)).await {
            Ok(Ok(Some((host, port)))) => return Ok(Address::Tcp { host, port, tls: false }),
            Ok(Ok(None)) => last = Trouble::UnknownMaster { server: server.clone(), name: name.to_owned() },
            Ok(Err(error)) if error.is_io_error() => {
                last = Trouble::NoSentinel { server: server.clone(), source: error };
            }
            Ok(Err(error)) => last = Trouble::from_server(error, config, ASKING),
            Err(_) => {}
        }
    }
    Err(last)
}

async fn ask(host: &str, port: u16, name: &str) -> Result<Option<(String, u16)>, RedisError> {
    let client = Client::open(ConnectionAddr::Tcp(host.to_owned(), port).into_connection_info()?)?;
    // The caller's patience ends it.
    let how = AsyncConnectionConfig::new().set_response_timeout(None).set_connection_timeout(None);
    let mut sentinel = client.get_multiplexed_async_connection_with_config(&how).await?;
    redis::cmd("SENTINEL").arg("GET-MASTER-ADDR-BY-NAME").arg(name).query_async(&mut sentinel).await
}
