//! A connection to the server, from nothing: TLS, user, database, the server's version and role, and the channel of our
//! wake-ups.

use std::{path::Path, sync::Arc};

use redis::{
    AsyncConnectionConfig, Client, ClientTlsConfig, ConnectionAddr, ConnectionInfo, ErrorKind, IntoConnectionInfo,
    ProtocolVersion, RedisConnectionInfo, RedisError, TlsCertificates, Value,
    aio::{AsyncPushSender, MultiplexedConnection},
};

use crate::{
    config::{Address, RedisConfig},
    error::{Trouble, VERSION_MIN},
    handshake,
    reply::text,
    sentinel,
};

/// What the errors of connecting name in the place of a script.
const HANDSHAKE: &str = "the handshake";

/// The server as configured.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) config: Arc<RedisConfig>,
    /// To the one server; `None` where Sentinels say which it is.
    client: Option<Client>,
    /// Where our wake-ups are published.
    channel: String,
}

impl Server {
    /// Reads the certificates; nothing is sent yet.
    pub(crate) fn new(config: Arc<RedisConfig>, channel: String) -> Result<Self, Trouble> {
        let client = match &config.address {
            Address::Sentinel { .. } => None,
            address => Some(client(&config, address)?),
        };
        Ok(Self { config, client, channel })
    }

    /// Connects, within the timeout. `push` hears the wake-ups, and the end of the connection.
    ///
    /// Must run on a tokio runtime: the connection lives there.
    pub(crate) async fn connect(&self, push: impl AsyncPushSender) -> Result<MultiplexedConnection, Trouble> {
        let client = match (&self.client, &self.config.address) {
            (None, Address::Sentinel { sentinels, master }) => {
                client(&self.config, &sentinel::master(&self.config, sentinels, master).await?)?
            }
            (Some(client), _) => client.clone(),
            (None, address) => client(&self.config, address)?,
        };
        match tokio::time::timeout(self.config.timeout, self.connect_patiently(&client, push)).await {
            Ok(connected) => connected,
            Err(_) => Err(Trouble::Silent { server: self.config.name(), after: self.config.timeout }),
        }
    }

    async fn connect_patiently(
        &self,
        client: &Client,
        push: impl AsyncPushSender,
    ) -> Result<MultiplexedConnection, Trouble> {
        // Answers are timed by `Link`, which works outside a runtime too.
        let how =
            AsyncConnectionConfig::new().set_response_timeout(None).set_connection_timeout(None).set_push_sender(push);
        let connected = client.get_multiplexed_async_connection_with_config(&how).await;
        let mut connection = connected.map_err(|error| self.not_connected(error))?;
        let about = redis::cmd("HELLO").query_async(&mut connection).await.map_err(|error| self.refused(error))?;
        self.check(&about)?;
        connection.subscribe(&self.channel).await.map_err(|error| self.refused(error))?;
        Ok(connection)
    }

    fn check(&self, about: &Value) -> Result<(), Trouble> {
        let server = self.config.name();
        let version = field(about, "version").unwrap_or_default();
        if !is_at_least(&version, VERSION_MIN) {
            return Err(Trouble::TooOld { server, version });
        }
        match (field(about, "mode").as_deref(), field(about, "role").as_deref()) {
            (Some("cluster"), _) => Err(Trouble::ClusterNode { server }),
            (_, Some("replica" | "slave")) => Err(Trouble::Replica { server }),
            _ => Ok(()),
        }
    }

    fn not_connected(&self, error: RedisError) -> Trouble {
        let server = self.config.name();
        match error.kind() {
            ErrorKind::RESP3NotSupported => Trouble::TooOld { server, version: "below 6".to_owned() },
            ErrorKind::InvalidClientConfig if self.config.tls.client.is_some() => {
                Trouble::Certificates { server, source: error }
            }
            ErrorKind::Io | ErrorKind::InvalidClientConfig => handshake::failed(&self.config, error),
            _ => self.refused(error),
        }
    }

    fn refused(&self, error: RedisError) -> Trouble {
        Trouble::from_server(error, &self.config, HANDSHAKE)
    }
}

fn client(config: &RedisConfig, address: &Address) -> Result<Client, Trouble> {
    let failed = |source| Trouble::Unreachable { server: config.name(), source };
    let place = match address {
        Address::Tcp { host, port, tls: false } => ConnectionAddr::Tcp(host.clone(), *port),
        Address::Tcp { host, port, tls: true } => {
            ConnectionAddr::TcpTls { host: host.clone(), port: *port, insecure: false, tls_params: None }
        }
        Address::Unix(path) => ConnectionAddr::Unix(path.clone()),
        // They are asked for the address of one server first.
        Address::Sentinel { master, .. } => {
            return Err(Trouble::UnknownMaster { server: config.name(), name: master.clone() });
        }
    };
    let info = place.into_connection_info().map_err(failed)?.set_redis_settings(login(config));
    match address {
        Address::Tcp { tls: true, .. } => with_certificates(config, info),
        _ => Client::open(info).map_err(failed),
    }
}

fn login(config: &RedisConfig) -> RedisConnectionInfo {
    let mut login = RedisConnectionInfo::default()
        .set_protocol(ProtocolVersion::RESP3)
        .set_db(config.database.into())
        .set_lib_name("talkstick", env!("CARGO_PKG_VERSION"));
    if let Some(user) = &config.user {
        login = login.set_username(user);
    }
    if let Some(password) = &config.password {
        login = login.set_password(&password.0);
    }
    login
}

fn with_certificates(config: &RedisConfig, info: ConnectionInfo) -> Result<Client, Trouble> {
    let client_tls = match &config.tls.client {
        Some((certificate, key)) => Some(ClientTlsConfig { client_cert: read(certificate)?, client_key: read(key)? }),
        None => None,
    };
    let root_cert = config.tls.ca.as_deref().map(read).transpose()?;
    Client::build_with_tls(info, TlsCertificates { client_tls, root_cert })
        .map_err(|source| Trouble::Certificates { server: config.name(), source })
}

fn read(path: &Path) -> Result<Vec<u8>, Trouble> {
    std::fs::read(path).map_err(|error| Trouble::File { path: path.to_owned(), source: Arc::new(error) })
}

/// One entry of the server's answer to HELLO.
fn field(about: &Value, name: &str) -> Option<String> {
    let Value::Map(entries) = about else { return None };
    entries.iter().find(|(key, _)| text(key) == Some(name)).and_then(|(_, value)| text(value)).map(str::to_owned)
}

fn is_at_least(version: &str, least: &str) -> bool {
    let numbers = |text: &str| text.split('.').map(|part| part.parse().unwrap_or(0)).collect::<Vec<u32>>();
    numbers(version) >= numbers(least)
}

#[cfg(test)]
mod tests {
    use super::is_at_least;

    #[test]
    fn versions_compare_by_their_numbers() {
        for (version, enough) in [
            ("6.2.0", true),
            ("6.2", true),
            ("7.0.15", true),
            ("10.0", true),
            ("6.0.16", false),
            ("5", false),
            ("", false),
        ] {
            assert_eq!(is_at_least(version, "6.2"), enough, "{version}");
        }
    }
}
