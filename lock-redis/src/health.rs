//! What `talkstick doctor` asks of a server: is it fit to keep locks?

use std::time::Duration;

use lock_core::{Error, LockKey, Moment, Operation, wall_clock_us};

use crate::{
    backend::RedisLock,
    connection::Node,
    error::Trouble,
    keys::Keys,
    replicas::Again,
    reply::{list, text, texts},
    scripts::PROBE,
    server::is_at_least,
};

/// What was seen of a server; of the masters of a Cluster the worst of each.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Health {
    /// What tells it from any other server, until it restarts.
    pub run_id: String,
    /// Its version.
    pub version: String,
    /// How long one question and its answer took.
    pub round_trip: Duration,
    /// How far its wall clock is ahead of this host's, in microseconds; as exact as the round trip.
    pub clock_ahead_us: i64,
    /// What it keeps on disk.
    pub persistence: Persistence,
    /// What it does when it is full, such as `noeviction`.
    pub eviction: String,
}

impl Health {
    /// Whether a full server throws locks away.
    #[must_use]
    pub fn evicts(&self) -> bool {
        self.eviction.starts_with("allkeys-")
    }

    fn or_worse(self, other: Self) -> Self {
        let clock_ahead_us = [self.clock_ahead_us, other.clock_ahead_us].into_iter().max_by_key(|us| us.unsigned_abs());
        Self {
            run_id: self.run_id,
            clock_ahead_us: clock_ahead_us.unwrap_or_default(),
            round_trip: self.round_trip.max(other.round_trip),
            persistence: self.persistence.min(other.persistence),
            eviction: if other.evicts() { other.eviction } else { self.eviction },
            version: if is_at_least(&self.version, &other.version) { other.version } else { self.version },
        }
    }
}

/// What a server keeps on disk, what keeps the least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Persistence {
    /// Nothing: a restart loses line and holders.
    Nothing,
    /// Snapshots: a crash loses what came after the last one.
    Snapshots,
    /// A log of all changes: a crash loses the last second or two, or what `appendfsync` leaves to the system.
    Log,
    /// A log of all changes, each on disk before it is answered (`appendfsync always`): nothing is lost.
    LogBeforeAnswer,
}

impl RedisLock {
    /// Tries every right that locking needs, and where replicas are waited for, whether they answer.
    ///
    /// # Errors
    /// The server's; a missing right is named.
    ///
    /// # Cancel safety
    /// May be dropped at any point.
    pub async fn check_rights(&self) -> Result<(), Error> {
        let key = LockKey::new("doctor").map_err(|error| Error::Config(error.to_string()))?.inner_gate();
        let keys = Keys::of(&self.client.link.config, &key);
        let (link, arguments) = (&self.client.link, [self.client.channel.clone()]);
        let probed = link.call(&PROBE, &keys, &arguments).await.map_err(|trouble| self.not_open(trouble))?;
        let again = Again { script: &PROBE, keys: &keys, arguments: &arguments };
        link.await_replicas(&probed, again).await.map_err(|trouble| self.not_open(trouble))
    }

    /// Looks at the server's version, clock, persistence and eviction. Needs the rights to INFO and to
    /// CONFIG GET.
    ///
    /// # Errors
    /// The server's.
    ///
    /// # Cancel safety
    /// May be dropped at any point.
    pub async fn health(&self) -> Result<Health, Error> {
        self.look().await.map_err(|trouble| self.not_open(trouble))
    }

    async fn look(&self) -> Result<Health, Trouble> {
        let mut worst: Option<Health> = None;
        for master in self.client.link.masters().await? {
            let health = self.look_at(&master).await?;
            worst = Some(match worst {
                Some(others) => others.or_worse(health),
                None => health,
            });
        }
        worst.ok_or_else(|| self.client.strange("CLUSTER SLOTS"))
    }

    async fn look_at(&self, node: &Node) -> Result<Health, Trouble> {
        let asked = Moment::now();
        let time = self.client.link.ask(node, redis::cmd("TIME"), "TIME").await?;
        let (round_trip, here_us) = (asked.elapsed(), wall_clock_us());
        let there_us = texts(&time).and_then(|parts| match parts[..] {
            [seconds, us] => Some(seconds.parse::<i64>().ok()? * 1_000_000 + us.parse::<i64>().ok()?),
            _ => None,
        });
        let there_us = there_us.ok_or_else(|| self.client.strange("TIME"))?;
        let middle_us =
            i64::try_from(here_us).unwrap_or(i64::MAX) - i64::try_from(round_trip.as_micros() / 2).unwrap_or(0);
        let info = self.client.link.ask(node, redis::cmd("INFO"), "INFO").await?;
        let info = text(&info).ok_or_else(|| self.client.strange("INFO"))?;
        let line = |name: &str| {
            let value = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            value.map(str::to_owned).ok_or_else(|| self.client.strange("INFO"))
        };
        Ok(Health {
            run_id: line("run_id")?,
            // Valkey says its own version here, and the one it is compatible with in the other line.
            version: line("valkey_version").or_else(|_| line("redis_version"))?,
            round_trip,
            clock_ahead_us: there_us - middle_us,
            persistence: match line("aof_enabled")?.as_str() {
                "1" if self.setting(node, "appendfsync").await? == "always" => Persistence::LogBeforeAnswer,
                "1" => Persistence::Log,
                _ if !self.setting(node, "save").await?.is_empty() => Persistence::Snapshots,
                _ => Persistence::Nothing,
            },
            eviction: line("maxmemory_policy")?,
        })
    }

    async fn setting(&self, node: &Node, name: &str) -> Result<String, Trouble> {
        let mut question = redis::cmd("CONFIG");
        question.arg("GET").arg(name);
        let answer = self.client.link.ask(node, question, "CONFIG GET").await?;
        let value = match &answer {
            redis::Value::Map(entries) => entries.first().and_then(|(_, value)| text(value)),
            other => list(other).and_then(|parts| text(parts.get(1)?)),
        };
        value.map(str::to_owned).ok_or_else(|| self.client.strange("CONFIG GET"))
    }

    fn not_open(&self, trouble: Trouble) -> Error {
        trouble.of(Operation::Open, self.to_string(), self.to_string())
    }
}
