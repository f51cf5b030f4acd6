//! A connection to the server, from nothing: TLS, user, database, the server's version and role, and the channel of our
//! wake-ups.

use std::{path::Path, sync::Arc};

use redis::{
    AsyncConnectionConfig, Client, ClientTlsConfig, ConnectionAddr, ConnectionInfo, ErrorKind, IntoConnectionInfo,
    ProtocolVersion, RedisConnectionInfo, RedisError, TlsCertificates, Value,
    aio::{AsyncPushSender, MultiplexedConnection},
};

use crate::{
    cluster,
    config::{Address, Password, RedisConfig},
    connection::Connection,
    error::{Trouble, VERSION_MIN},
    handshake,
    reply::text,
    sentinel::{Master, Sentinels},
};

/// What the errors of connecting name in the place of a script.
pub(crate) const HANDSHAKE: &str = "the handshake";

/// The server as configured.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) config: Arc<RedisConfig>,
    /// To the one server; `None` where Sentinels or the nodes of a Cluster say where it is.
    client: Option<Client>,
    /// Where our wake-ups are published.
    channel: String,
}

impl Server {
    /// Reads the certificates; nothing is sent yet.
    pub(crate) fn new(config: Arc<RedisConfig>, channel: String) -> Result<Self, Trouble> {
        let client = match &config.address {
            Address::Sentinel { .. } | Address::Cluster { .. } => None,
            Address::Quorum { .. } => return Err(Trouble::ManyServers { server: config.name() }),
            address => Some(client(&config, address)?),
        };
        Ok(Self { config, client, channel })
    }

    /// Connects, within the timeout. `push` hears the wake-ups, and the end of the connection; `switched` that a Sentinel names
    /// another master than this one.
    ///
    /// Must run on a tokio runtime: the connection lives there.
    pub(crate) async fn connect(
        &self,
        push: impl AsyncPushSender,
        switched: impl Fn() + Clone + Send + Sync + 'static,
    ) -> Result<Connection, Trouble> {
        let (client, told_by) = match (&self.client, &self.config.address) {
            (None, Address::Sentinel { sentinels, master: name, tls }) => {
                let sentinels = Sentinels { config: &self.config, places: sentinels, tls: *tls, name };
                let Master { address, told_by } = sentinels.master(switched).await?;
                (Some(client(&self.config, &address)?), Some(told_by))
            }
            (given, _) => (given.clone(), None),
        };
        match tokio::time::timeout(self.config.timeout, self.connect_patiently(client, told_by, push)).await {
            Ok(connected) => connected,
            Err(_) => Err(Trouble::Silent { server: self.config.name(), after: self.config.timeout }),
        }
    }

    async fn connect_patiently(
        &self,
        given: Option<Client>,
        told_by: Option<MultiplexedConnection>,
        push: impl AsyncPushSender,
    ) -> Result<Connection, Trouble> {
        let mut connection = match (given, &self.config.address) {
            (None, Address::Cluster { seeds, tls }) => cluster::connect(&self.config, seeds, *tls, push).await?,
            (given, address) => {
                let client = given.map_or_else(|| client(&self.config, address), Ok)?;
                // Answers are timed by `Link`, which works outside a runtime too.
                let how = AsyncConnectionConfig::new()
                    .set_response_timeout(None)
                    .set_connection_timeout(None)
                    .set_push_sender(push);
                Connection::Server { server: greet(&self.config, &client, &how).await?, _told_by: told_by }
            }
        };
        let heard = connection.subscribe(&self.channel).await;
        heard.map_err(|error| Trouble::from_server(error, &self.config, HANDSHAKE))?;
        Ok(connection)
    }

    /// Where our wake-ups are published.
    pub(crate) fn channel(&self) -> &str {
        &self.channel
    }
}

/// Connects to one server, and has it say what it is.
pub(crate) async fn greet(
    config: &RedisConfig,
    client: &Client,
    how: &AsyncConnectionConfig,
) -> Result<MultiplexedConnection, Trouble> {
    let connected = client.get_multiplexed_async_connection_with_config(how).await;
    let mut connection = connected.map_err(|error| not_connected(config, error))?;
    let about = redis::cmd("HELLO").query_async(&mut connection).await;
    check(config, &about.map_err(|error| Trouble::from_server(error, config, HANDSHAKE))?)?;
    Ok(connection)
}

fn check(config: &RedisConfig, about: &Value) -> Result<(), Trouble> {
    let server = config.name();
    let version = field(about, "version").unwrap_or_default();
    if !is_at_least(&version, VERSION_MIN) {
        return Err(Trouble::TooOld { server, version });
    }
    let is_node = field(about, "mode").as_deref() == Some("cluster");
    match (&config.address, field(about, "role").as_deref()) {
        // A replica knows its masters as well as anybody.
        (Address::Cluster { .. }, _) if is_node => Ok(()),
        (Address::Cluster { .. }, _) => Err(Trouble::NoCluster { server }),
        _ if is_node => Err(Trouble::ClusterNode { server }),
        (_, Some("replica" | "slave")) => Err(Trouble::Replica { server }),
        _ => Ok(()),
    }
}

fn not_connected(config: &RedisConfig, error: RedisError) -> Trouble {
    let server = config.name();
    match error.kind() {
        ErrorKind::RESP3NotSupported => Trouble::TooOld { server, version: "below 6".to_owned() },
        ErrorKind::InvalidClientConfig if config.tls.client.is_some() => {
            Trouble::Certificates { server, source: error }
        }
        ErrorKind::Io | ErrorKind::InvalidClientConfig => handshake::failed(config, error),
        _ => Trouble::from_server(error, config, HANDSHAKE),
    }
}

/// A client of one server; nothing is sent yet.
pub(crate) fn client(config: &RedisConfig, address: &Address) -> Result<Client, Trouble> {
    let login = settings(config.user.as_deref(), config.password.as_ref()).set_db(config.database.into());
    client_as(config, address, login.set_lib_name("talkstick", env!("CARGO_PKG_VERSION")))
}

/// A client of one server that logs in so; nothing is sent yet.
pub(crate) fn client_as(
    config: &RedisConfig,
    address: &Address,
    login: RedisConnectionInfo,
) -> Result<Client, Trouble> {
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
        Address::Cluster { .. } => return Err(Trouble::ClusterNode { server: config.name() }),
        Address::Quorum { .. } => return Err(Trouble::ManyServers { server: config.name() }),
    };
    let info = place.into_connection_info().map_err(failed)?.set_redis_settings(login);
    match address {
        Address::Tcp { tls: true, .. } => with_certificates(config, info),
        _ => Client::open(info).map_err(failed),
    }
}

/// Who logs in, and that it hears what is pushed.
pub(crate) fn settings(user: Option<&str>, password: Option<&Password>) -> RedisConnectionInfo {
    let mut login = RedisConnectionInfo::default().set_protocol(ProtocolVersion::RESP3);
    if let Some(user) = user {
        login = login.set_username(user);
    }
    if let Some(password) = password {
        login = login.set_password(&password.0);
    }
    login
}

fn with_certificates(config: &RedisConfig, info: ConnectionInfo) -> Result<Client, Trouble> {
    Client::build_with_tls(info, certificates(config)?)
        .map_err(|source| Trouble::Certificates { server: config.name(), source })
}

/// The certificates as configured.
pub(crate) fn certificates(config: &RedisConfig) -> Result<TlsCertificates, Trouble> {
    let client_tls = match &config.tls.client {
        Some((certificate, key)) => Some(ClientTlsConfig { client_cert: read(certificate)?, client_key: read(key)? }),
        None => None,
    };
    let root_cert = config.tls.ca.as_deref().map(read).transpose()?;
    Ok(TlsCertificates { client_tls, root_cert })
}

fn read(path: &Path) -> Result<Vec<u8>, Trouble> {
    std::fs::read(path).map_err(|error| Trouble::File { path: path.to_owned(), source: Arc::new(error) })
}

/// One entry of the server's answer to HELLO.
fn field(about: &Value, name: &str) -> Option<String> {
    let Value::Map(entries) = about else { return None };
    entries.iter().find(|(key, _)| text(key) == Some(name)).and_then(|(_, value)| text(value)).map(str::to_owned)
}

/// Whether this version is not older than the other.
pub(crate) fn is_at_least(version: &str, least: &str) -> bool {
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
