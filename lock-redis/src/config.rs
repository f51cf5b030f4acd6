//! Settings of the Redis backend.

use std::{fmt, path::PathBuf, time::Duration};

use lock_core::{Sweep, queue};

/// How long the server may take to answer, unless configured otherwise: long for a server far away, and twice of it fits
/// into what lock-core waits for an answer.
pub const TIMEOUT_DEFAULT: Duration = Duration::from_secs(2);

/// What all names on the server begin with unless configured otherwise.
pub const PREFIX_DEFAULT: &str = "talkstick:";

/// Longest prefix in bytes: it is in every name.
pub const PREFIX_BYTES_MAX: usize = 64;

/// Fewest servers of a quorum: of two, none may fail.
pub const QUORUM_MIN: usize = 3;

/// A password. It is shown by nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(pub(crate) String);

impl Password {
    /// Takes a password.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}

/// Where the server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Address {
    /// `redis://host:port`, or with TLS `rediss://host:port`.
    Tcp {
        /// Name or address of the host.
        host: String,
        /// Its port.
        port: u16,
        /// Whether to speak TLS.
        tls: bool,
    },
    /// `redis+unix:///path/of/socket`.
    Unix(PathBuf),
    /// `redis+sentinel://host:port,host:port/master`, or with TLS `rediss+sentinel://`: wherever these Sentinels say that the
    /// master is.
    Sentinel {
        /// Names or addresses of their hosts, and their ports.
        sentinels: Vec<(String, u16)>,
        /// How they call the master.
        master: String,
        /// Whether to speak TLS, to them and to the master.
        tls: bool,
    },
    /// `redis+cluster://host:port,host:port`, or with TLS `rediss+cluster://`: the Cluster that these nodes belong to.
    Cluster {
        /// Names or addresses of the hosts of some nodes, and their ports; one that answers is enough.
        seeds: Vec<(String, u16)>,
        /// Whether to speak TLS, to all nodes.
        tls: bool,
    },
    /// `redis+quorum://host:port,host:port,host:port`, or with TLS `rediss+quorum://`: servers that know nothing of each
    /// other; what a majority of them says counts.
    Quorum {
        /// Names or addresses of their hosts, and their ports: an odd number, at least [`QUORUM_MIN`], each of them once.
        servers: Vec<(String, u16)>,
        /// Whether to speak TLS, to all of them.
        tls: bool,
    },
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port, tls } => {
                write!(f, "{}://{}", scheme(*tls), place(host, *port))
            }
            Self::Unix(path) => write!(f, "redis+unix://{}", path.display()),
            Self::Sentinel { sentinels, master, tls } => {
                write!(f, "{}+sentinel://{}/{master}", scheme(*tls), all_places(sentinels))
            }
            Self::Cluster { seeds, tls } => {
                write!(f, "{}+cluster://{}", scheme(*tls), all_places(seeds))
            }
            Self::Quorum { servers, tls } => {
                write!(f, "{}+quorum://{}", scheme(*tls), all_places(servers))
            }
        }
    }
}

const fn scheme(tls: bool) -> &'static str {
    if tls { "rediss" } else { "redis" }
}

fn all_places(places: &[(String, u16)]) -> String {
    places.iter().map(|(host, port)| place(host, *port)).collect::<Vec<String>>().join(",")
}

fn place(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// Files for TLS, in PEM.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsFiles {
    /// Certificates to trust instead of the system's.
    pub ca: Option<PathBuf>,
    /// The client's certificate, for servers that ask for one, and its key.
    pub client: Option<(PathBuf, PathBuf)>,
}

/// Where and how to lock.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RedisConfig {
    /// The server, or who knows where it is.
    pub address: Address,
    /// Its database; a Cluster has none but 0.
    pub database: u32,
    /// The ACL user; `default` unless set.
    pub user: Option<String>,
    /// The user's password.
    pub password: Option<Password>,
    /// The ACL user at the Sentinels; `default` unless set.
    pub sentinel_user: Option<String>,
    /// That user's password.
    pub sentinel_password: Option<Password>,
    /// Certificates.
    pub tls: TlsFiles,
    /// What all keys and channels begin with. No braces: they would take the place of a lock's own hash tag.
    pub prefix: String,
    /// How long the server may take to answer.
    pub timeout: Duration,
    /// How many replicas must have a grant or a renewal before it counts; 0: the server's word is enough. Not with
    /// a quorum.
    pub wait_replicas: u32,
    /// Longest line of one key.
    pub queue_max: usize,
    /// How often a waiter looks for itself, should a wake-up have been lost; at most every 600 ms all the same.
    pub sweep: Sweep,
}

impl RedisConfig {
    /// The defaults, for this server.
    #[must_use]
    pub fn new(address: Address) -> Self {
        Self {
            address,
            database: 0,
            user: None,
            password: None,
            sentinel_user: None,
            sentinel_password: None,
            tls: TlsFiles::default(),
            prefix: PREFIX_DEFAULT.to_owned(),
            timeout: TIMEOUT_DEFAULT,
            wait_replicas: 0,
            queue_max: queue::QUEUE_MAX,
            sweep: Sweep::default(),
        }
    }

    /// The server and its database, without user and password: what errors and `Display` show, and what tells stores apart.
    #[must_use]
    pub fn name(&self) -> String {
        let name = match self.address {
            Address::Unix(_) => format!("{}?db={}", self.address, self.database),
            Address::Cluster { .. } => self.address.to_string(),
            _ => format!("{}/{}", self.address, self.database),
        };
        match self.prefix.as_str() {
            PREFIX_DEFAULT => name,
            prefix if name.contains('?') => format!("{name}&prefix={prefix}"),
            prefix => format!("{name}?prefix={prefix}"),
        }
    }

    /// One configuration for each server of a quorum, in their order; of any other address, itself.
    #[must_use]
    pub fn of_each_server(&self) -> Vec<Self> {
        match &self.address {
            Address::Quorum { servers, tls } => {
                let of = |(host, port): &(String, u16)| Address::Tcp { host: host.clone(), port: *port, tls: *tls };
                servers.iter().map(|server| Self { address: of(server), ..self.clone() }).collect()
            }
            _ => vec![self.clone()],
        }
    }

    /// The ACL user, by name.
    pub(crate) fn user_name(&self) -> &str {
        self.user.as_deref().unwrap_or("default")
    }
}
