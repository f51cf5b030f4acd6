//! Sentinel: which server is the master now. It is asked for each new connection, and the connection to it is kept: it tells
//! when another server becomes the master, also while the former one still answers.

use std::sync::Arc;

use redis::{
    AsyncConnectionConfig, Client, PushInfo, PushKind, RedisConnectionInfo, RedisError, Value,
    aio::MultiplexedConnection,
};

use crate::{
    config::{Address, RedisConfig},
    error::Trouble,
    handshake,
    reply::text,
    server::{client_as, settings},
};

/// What the errors of asking a Sentinel name in the place of a script.
const ASKING: &str = "SENTINEL GET-MASTER-ADDR-BY-NAME";

/// Where a Sentinel says `NAME OLD-HOST OLD-PORT NEW-HOST NEW-PORT`.
const SWITCHES: &str = "+switch-master";

/// The Sentinels as configured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sentinels<'a> {
    pub(crate) config: &'a RedisConfig,
    pub(crate) places: &'a [(String, u16)],
    pub(crate) tls: bool,
    /// How they call the master.
    pub(crate) name: &'a str,
}

/// Where the master is, and the Sentinel that has said so.
pub(crate) struct Master {
    pub(crate) address: Address,
    /// It tells of another master for as long as this is kept.
    pub(crate) told_by: MultiplexedConnection,
}

impl Sentinels<'_> {
    /// The master that the first Sentinel with an answer names. Each gets a quarter of the timeout. From then on `switched` is
    /// called when that Sentinel names another one.
    ///
    /// Whether it is a master is asked of the server itself: a Sentinel may have missed a failover.
    pub(crate) async fn master(self, switched: impl Fn() + Clone + Send + Sync + 'static) -> Result<Master, Trouble> {
        let (server, patience) = (self.config.name(), self.config.timeout / 4);
        let mut last = Trouble::Silent { server: server.clone(), after: patience };
        for place in self.places {
            match tokio::time::timeout(patience, self.ask(place, switched.clone())).await {
                Ok(Ok((Some((host, port)), told_by))) => {
                    return Ok(Master { address: Address::Tcp { host, port, tls: self.tls }, told_by });
                }
                Ok(Ok((None, _))) => {
                    last = Trouble::UnknownMaster { server: server.clone(), name: self.name.to_owned() };
                }
                Ok(Err(trouble)) => last = trouble,
                Err(_) => {}
            }
        }
        Err(last)
    }

    async fn ask(
        self,
        (host, port): &(String, u16),
        switched: impl Fn() + Send + Sync + 'static,
    ) -> Result<(Option<(String, u16)>, MultiplexedConnection), Trouble> {
        let address = Address::Tcp { host: host.clone(), port: *port, tls: self.tls };
        let client: Client = client_as(self.config, &address, login(self.config))?;
        // The caller's patience ends it.
        let how = AsyncConnectionConfig::new()
            .set_response_timeout(None)
            .set_connection_timeout(None)
            .set_push_sender(hears(self.name, switched));
        let connected = client.get_multiplexed_async_connection_with_config(&how).await;
        let mut sentinel = connected.map_err(|error| self.failed(error))?;
        // Before the question, so that no switch falls between the two.
        if let Err(error) = sentinel.subscribe(SWITCHES).await {
            tracing::warn!(%error, "this Sentinel does not tell of switches; they are found when the master's connection breaks");
        }
        let mut question = redis::cmd("SENTINEL");
        question.arg("GET-MASTER-ADDR-BY-NAME").arg(self.name);
        let place = question.query_async(&mut sentinel).await.map_err(|error| self.failed(error))?;
        Ok((place, sentinel))
    }

    fn failed(self, error: RedisError) -> Trouble {
        let server = self.config.name();
        let user = self.config.sentinel_user.as_deref().unwrap_or("default").to_owned();
        match (error.kind(), error.code().unwrap_or_default()) {
            (redis::ErrorKind::AuthenticationFailed, _) | (_, "WRONGPASS") => {
                Trouble::WrongSentinelPassword { server, user }
            }
            (_, "NOAUTH") => Trouble::NoSentinelPassword { server },
            _ if error.is_io_error() => match handshake::failed(self.config, error) {
                Trouble::Unreachable { server, source } => Trouble::NoSentinel { server, source },
                trouble => trouble,
            },
            _ => Trouble::from_server(error, self.config, ASKING),
        }
    }
}

/// The Sentinels have users and passwords of their own.
fn login(config: &RedisConfig) -> RedisConnectionInfo {
    settings(config.sentinel_user.as_deref(), config.sentinel_password.as_ref())
}

/// Calls `switched` when the master of this name is another one.
fn hears(
    name: &str,
    switched: impl Fn() + Send + Sync + 'static,
) -> impl Fn(PushInfo) -> Result<(), std::convert::Infallible> + Send + Sync + 'static {
    let name: Arc<str> = format!("{name} ").into();
    move |push| {
        if let (PushKind::Message, [_, said @ Value::BulkString(_)]) = (push.kind, &push.data[..])
            && text(said).is_some_and(|said| said.starts_with(&*name))
        {
            switched();
        }
        Ok(())
    }
}
