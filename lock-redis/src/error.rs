//! What can go wrong with the server, precisely; callers see it as the source of a [`lock_core::Error`].

use std::{io, path::PathBuf, sync::Arc, time::Duration};

use lock_core::{Error, FencingToken, LockKey, LossReason, Operation};
use redis::{ErrorKind, RedisError, ServerErrorKind};

use crate::{
    config::{Address, RedisConfig},
    keys::as_pattern,
};

/// The oldest server that will do: what the scripts use is in it, and in Valkey.
pub(crate) const VERSION_MIN: &str = "6.2";

/// The ACL rules for all commands that are sent, and that the scripts use.
pub(crate) const COMMANDS: &str = "+eval +evalsha +subscribe +publish +time +select +scan +hget +hset +hmget +hdel +hexists \
    +hincrby +zadd +zrem +zscore +zcard +zrange +zrangebyscore +zrangebylex +zremrangebyscore +zlexcount +zincrby";

/// An error of the Redis backend. None of them holds a password; the server's name has none.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum Trouble {
    #[error("{server} cannot be reached; check the address, and that a server listens there")]
    Unreachable { server: String, source: RedisError },
    #[error("{server} closed the connection before it said anything; {advice}")]
    HungUp { server: String, advice: &'static str, source: RedisError },
    #[error(
        "the certificate of {server} is not trusted; name it as the certificate says, and set `redis.ca_file` to that of its \
         authority"
    )]
    Untrusted { server: String, source: RedisError },
    #[error(
        "{server} wants a client's certificate that it trusts; set `redis.cert_file` and `redis.key_file` to one of its \
         authority's"
    )]
    ClientUnknown { server: String, source: RedisError },
    #[error("{server} does not speak TLS; use redis:// for it, or the port where it does")]
    NoTls { server: String, source: RedisError },
    #[error(
        "the Sentinels of {server} refuse user `{user}` with this password; set `redis.sentinel_user`, and \
         `redis.sentinel_password_file` or TALKSTICK_REDIS_SENTINEL_PASSWORD: they have their own"
    )]
    WrongSentinelPassword { server: String, user: String },
    #[error(
        "the Sentinels of {server} want a password of their own; set `redis.sentinel_password_file` or \
         TALKSTICK_REDIS_SENTINEL_PASSWORD (and `redis.sentinel_user` for an ACL user)"
    )]
    NoSentinelPassword { server: String },
    #[error("no Sentinel of {server} can be asked for the master; check their addresses")]
    NoSentinel { server: String, source: RedisError },
    #[error(
        "the Sentinels of {server} know no master `{name}`; `redis-cli -p 26379 SENTINEL MASTERS` lists those they know"
    )]
    UnknownMaster { server: String, name: String },
    #[error("cannot read {}, which TLS needs", path.display())]
    File { path: PathBuf, source: Arc<io::Error> },
    #[error("the certificates or the key for {server} are not usable PEM")]
    Certificates { server: String, source: RedisError },
    #[error("the connection to {server} broke")]
    Broke { server: String, source: RedisError },
    #[error(
        "{server} did not answer within {:.1} s: it hangs, is stopped, {}or the network is down; if it is only slow, raise \
         `redis.timeout`",
        after.as_secs_f64(),
        if server.starts_with("rediss") { "speaks no TLS, " } else { "" }
    )]
    Silent { server: String, after: Duration },
    #[error(
        "{server} refuses user `{user}` with this password; set `redis.user`, and `redis.password_file` or \
         TALKSTICK_REDIS_PASSWORD"
    )]
    WrongPassword { server: String, user: String },
    #[error(
        "{server} wants a password; set `redis.password_file` or TALKSTICK_REDIS_PASSWORD (and `redis.user` for an ACL user)"
    )]
    NoPassword { server: String },
    #[error(
        "the ACL of {server} does not let user `{user}` do this: {what}; it needs `{needs}` (ACL SETUSER {user} {needs})"
    )]
    NotPermitted { server: String, user: String, what: String, needs: String },
    #[error("{server} is a read-only replica; name the master, or use redis+sentinel:// to follow it")]
    Replica { server: String },
    #[error(
        "{wanted} replicas of {server} must have a grant before it counts, {have} had it in time; look at its replicas (INFO \
         replication), or lower `redis.wait_replicas`"
    )]
    TooFewReplicas { server: String, wanted: u32, have: i64 },
    #[error("{server} runs version {version}; at least {VERSION_MIN} is needed: update it, or name another server")]
    TooOld { server: String, version: String },
    #[error("{server} is a node of a Cluster, where keys live on many nodes; use redis+cluster:// for it")]
    ClusterNode { server: String },
    #[error("{server} is no node of a Cluster; use redis:// for it")]
    NoCluster { server: String },
    #[error(
        "the Cluster of {server} is down: {what}; start the masters that are away, or give their slots to others \
         (`redis-cli --cluster check`, `redis-cli cluster nodes`)"
    )]
    ClusterDown { server: String, what: String },
    #[error(
        "the node of {server} that keeps this lock cannot be reached; start it, or let a replica take its place \
         (`redis-cli cluster nodes`)"
    )]
    NodeAway { server: String, source: RedisError },
    #[error(
        "the lock's slot of {server} is moving to another node, and part of it is there: {what}; it goes on when the move is done"
    )]
    Moving { server: String, what: String },
    #[error(
        "the nodes of {server} send each other's callers in a circle ({what}): they disagree on who keeps the slot; see \
         `redis-cli --cluster check`, and `--cluster fix`"
    )]
    Circle { server: String, what: String },
    #[error("{server} is a quorum of several servers, and was opened as one server; open it as a quorum")]
    ManyServers { server: String },
    #[error(
        "{needed} of the {} servers of {store} must answer for anything to be known, and too few do: {}",
        asked,
        in_words(said)
    )]
    NoMajority { store: String, asked: usize, needed: usize, said: Vec<Self> },
    #[error(
        "a server of {store} is new or has lost its data, and may have forgotten a lease: for its first 10 s, or the time of a longer \
         lease, the others must all answer too: {}",
        in_words(said)
    )]
    Young { store: String, said: Vec<Self> },
    #[error(
        "{held} of the {servers} servers of {store} are known to have this lease, and {needed} must: the others have lost it, or \
         cannot be asked{}{}",
        if said.is_empty() { "" } else { ": " },
        in_words(said)
    )]
    Divided { store: String, servers: usize, needed: usize, held: usize, said: Vec<Self> },
    #[error("{server} is still loading its data; it will answer when that is done")]
    Loading { server: String },
    #[error(
        "{server} is out of memory and refuses to write: {what}; raise its maxmemory, with `maxmemory-policy noeviction`"
    )]
    OutOfMemory { server: String, what: String },
    #[error(
        "a script of somebody else keeps {server} busy: {what}; end it with SCRIPT KILL; if it has written already, only its own end or SHUTDOWN \
         NOSAVE does"
    )]
    Busy { server: String, what: String },
    #[error(
        "{server} was told to end our script {script} (SCRIPT KILL): {what}; it had written nothing, so ask again; if the server \
         was busy with it for long, see how many wait, and SLOWLOG GET"
    )]
    Killed { server: String, script: &'static str, what: String },
    #[error("{server} answered {script} with an error")]
    Refused { server: String, script: &'static str, source: RedisError },
    #[error(
        "{server} answered {script} with something else than agreed; does another version of talkstick use the same keys?"
    )]
    Strange { server: String, script: &'static str },
    #[error("a ttl must be between {:.1} s and {:.0} s, this one has {:.3} s", min.as_secs_f64(), max.as_secs_f64(), ttl.as_secs_f64())]
    Ttl { ttl: Duration, min: Duration, max: Duration },
    #[error("the lease under token {0} was broken before its request knew of it")]
    Broken(FencingToken),
    #[error("the request was withdrawn while it was on its way")]
    Withdrawn,
    #[error("this request has no place in line")]
    NoTicket,
    #[error("the line for the lock is full")]
    Full { waiting: usize, max: usize },
    #[error("a background task was ended")]
    Background,
    #[error(transparent)]
    Core(#[from] Error),
}

impl Trouble {
    /// As callers see it.
    pub(crate) fn of(self, operation: Operation, key: String, store: String) -> Error {
        match self {
            Self::Core(error) => error,
            trouble => Error::Store { key, operation, store, source: Arc::new(trouble) },
        }
    }

    /// As callers see it, about a lock.
    pub(crate) fn of_key(self, operation: Operation, key: LockKey, store: String) -> Error {
        match self {
            Self::Full { waiting, max } => Error::QueueFull { key, waiting, max },
            Self::Broken(token) => Error::Lost { key, token, reason: LossReason::Broken },
            trouble => trouble.of(operation, key.to_string(), store),
        }
    }

    /// Whether it may pass by itself, so that who waits in line may go on waiting.
    pub(crate) fn may_pass(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. }
                | Self::HungUp { .. }
                | Self::NoSentinel { .. }
                | Self::Broke { .. }
                | Self::Silent { .. }
                | Self::Replica { .. }
                | Self::TooFewReplicas { .. }
                | Self::ClusterDown { .. }
                | Self::NodeAway { .. }
                | Self::Moving { .. }
                | Self::Circle { .. }
                | Self::Loading { .. }
                | Self::Busy { .. }
                | Self::Killed { .. }
                | Self::NoMajority { .. }
                | Self::Divided { .. }
                | Self::Young { .. }
        )
    }

    fn is_want_of_password(&self) -> bool {
        match self {
            Self::NoPassword { .. } | Self::NoSentinelPassword { .. } => true,
            Self::NoMajority { said, .. } => said.iter().any(Self::is_want_of_password),
            _ => false,
        }
    }

    /// Whether a slot is between two nodes: a matter of moments, in which nothing was done.
    pub(crate) const fn is_move(&self) -> bool {
        matches!(self, Self::Moving { .. } | Self::Circle { .. })
    }

    /// What an error of the redis crate means.
    pub(crate) fn from_server(error: RedisError, config: &RedisConfig, script: &'static str) -> Self {
        let (server, user) = (config.name(), config.user_name().to_owned());
        let is_cluster = matches!(config.address, Address::Cluster { .. });
        let what = error.detail().unwrap_or_default().to_owned();
        let not_permitted = |what: String| {
            let needs = right_for(&what, &as_pattern(&config.prefix));
            Self::NotPermitted { server: config.name(), user: user.clone(), what, needs }
        };
        match (error.kind(), error.code().unwrap_or_default()) {
            (ErrorKind::Server(ServerErrorKind::NoPerm), _) => not_permitted(what),
            (ErrorKind::Server(ServerErrorKind::ReadOnly), _) => Self::Replica { server },
            (ErrorKind::Server(ServerErrorKind::BusyLoading), _) => Self::Loading { server },
            (ErrorKind::Server(ServerErrorKind::ClusterDown), _) => Self::ClusterDown { server, what },
            (ErrorKind::Server(ServerErrorKind::Moved | ServerErrorKind::Ask), _) if is_cluster => {
                Self::Circle { server, what: error.to_string() }
            }
            (ErrorKind::Server(ServerErrorKind::Moved | ServerErrorKind::Ask), _) => Self::ClusterNode { server },
            (ErrorKind::Server(ServerErrorKind::TryAgain), _) => Self::Moving { server, what },
            (ErrorKind::AuthenticationFailed, _) | (_, "WRONGPASS") => Self::WrongPassword { server, user },
            (_, "NOAUTH") => Self::NoPassword { server },
            (_, "OOM") => Self::OutOfMemory { server, what },
            // Before Redis 7 an error from inside a script has its code within the text.
            _ if what.contains(": -READONLY ") => Self::Replica { server },
            _ if what.contains(": -OOM ") => Self::OutOfMemory { server, what },
            (_, "BUSY") => Self::Busy { server, what },
            // Errors from inside a script carry their own code in the text.
            _ if ["NOPERM", "ACL failure", "The user executing the script can't"]
                .iter()
                .any(|sign| what.contains(sign)) =>
            {
                not_permitted(what)
            }
            _ if what.contains("Script killed") => Self::Killed { server, script, what },
            (ErrorKind::Io | ErrorKind::ClusterConnectionNotFound, _) if is_cluster => {
                Self::NodeAway { server, source: error }
            }
            (ErrorKind::Io, _) => Self::Broke { server, source: error },
            _ => Self::Refused { server, script, source: error },
        }
    }
}

/// Whether a server wants a password and was given none; of a quorum or its Sentinels, any of them.
#[must_use]
pub fn wants_password(error: &Error) -> bool {
    let Error::Store { source, .. } = error else { return false };
    source.downcast_ref::<Trouble>().is_some_and(Trouble::is_want_of_password)
}

/// What several servers said; each names itself.
fn in_words(said: &[Trouble]) -> String {
    said.iter().map(ToString::to_string).collect::<Vec<String>>().join("; ")
}

/// The ACL rules that are missing, from what the server says of its refusal.
fn right_for(refusal: &str, prefix: &str) -> String {
    let command = refusal.split_once("run the '").and_then(|(_, rest)| rest.split_once('\''));
    match command {
        // Before Redis 7 the part that is sent is not said.
        Some(("cluster", _)) => "+cluster|slots".to_owned(),
        Some(("config", _)) => "+config|get".to_owned(),
        Some(("sentinel", _)) => "+sentinel|get-master-addr-by-name".to_owned(),
        Some((command, _)) => format!("+{}", command.to_lowercase()),
        None if refusal.contains("channel") => format!("&{prefix}*"),
        None if refusal.contains("key") => format!("~{prefix}*"),
        // Scripts are told that they may not, but not what.
        None => COMMANDS.to_owned(),
    }
}
