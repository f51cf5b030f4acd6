//! Several real Redis servers that know nothing of each other.

use crate::redis_server::{RedisServer, free_port};

/// Running servers on the loopback interface.
#[derive(Debug)]
pub struct RedisQuorum {
    members: Vec<(RedisServer, u16)>,
    scheme: &'static str,
}

impl RedisQuorum {
    /// Starts so many, each with these options. With a certificate among them they speak TLS alone.
    ///
    /// # Panics
    /// When one does not come up.
    pub fn start(servers: usize, options: &[&str]) -> Self {
        let tls = options.contains(&"--tls-cert-file");
        let start = |_| {
            let (port, listen) = (free_port(), if tls { "--tls-port" } else { "--port" });
            let place = ["--bind", "127.0.0.1", listen, &port.to_string()];
            (RedisServer::start_with(&[&place, options].concat()), port)
        };
        let scheme = if tls { "rediss+quorum" } else { "redis+quorum" };
        Self { members: (0..servers).map(start).collect(), scheme }
    }

    /// Starts so many, and has those that use the default prefix take them for servers that have kept locks for long.
    ///
    /// # Panics
    /// When one does not come up.
    pub fn start_old(servers: usize, options: &[&str]) -> Self {
        let quorum = Self::start(servers, options);
        quorum.tell(0..servers, &["HSET", "talkstick:{quorum}:server", "born", "1"]);
        quorum
    }

    /// Its URL for talkstick.
    pub fn url(&self) -> String {
        let places: Vec<String> = self.members.iter().map(|(_, port)| format!("127.0.0.1:{port}")).collect();
        format!("{}://{}", self.scheme, places.join(","))
    }

    /// How many servers it has.
    pub const fn len(&self) -> usize {
        self.members.len()
    }

    /// Never so.
    pub const fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// The port of one server.
    pub fn port(&self, at: usize) -> u16 {
        self.members[at].1
    }

    /// One server: to ask it, to kill it, to stop it, to have it go on.
    pub fn server(&mut self, at: usize) -> &mut RedisServer {
        &mut self.members[at].0
    }

    /// Its servers, for who goes to them another way.
    pub fn into_servers(self) -> Vec<RedisServer> {
        self.members.into_iter().map(|(server, _)| server).collect()
    }

    /// Runs one command on each of the servers `at`, as an operator would.
    ///
    /// # Panics
    /// When redis-cli fails.
    pub fn tell(&self, at: impl IntoIterator<Item = usize>, words: &[&str]) -> Vec<String> {
        at.into_iter().map(|at| self.members[at].0.tell(words)).collect()
    }
}
