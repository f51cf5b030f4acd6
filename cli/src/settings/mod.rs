//! Settings: resolved and validated, each value with its origin.

mod agents;
mod driver;
pub(crate) mod edit;
mod files;
mod layers;
mod raw;
mod redis;
pub(crate) mod root;
pub(crate) mod schema;
mod shape;

use std::{path::PathBuf, time::Duration};

pub(crate) use agents::{Agents, NAME_RULE, is_agent_name};
use config::{Value, ValueKind};
use deliver::simulated::Address;
pub(crate) use driver::Driver;
use files::ConfigText;
pub(crate) use files::read_if_there;
use lock_core::{HeldLeases, LockKey, Sweep};
use raw::RawSettings;
pub(crate) use redis::RedisSettings;
pub(crate) use root::Root;

use crate::{
    args::GlobalArgs,
    env_vars,
    error::{CommandError, ErrorKind},
};

/// Everything a command works with.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// Where talkstick.toml and the locks are.
    pub(crate) root: Root,
    /// The configuration that `agents add` and the like change: the named one, or the root's.
    pub(crate) own_file: PathBuf,
    /// The files that were read, weakest first.
    pub(crate) files: Vec<PathBuf>,
    /// The lock store.
    pub(crate) lock: LockSettings,
    /// How messages are sent.
    pub(crate) send: SendSettings,
    /// How the desktop is driven.
    pub(crate) driver: Driver,
    /// Deliver through XWayland, although nothing proves it.
    #[cfg_attr(not(unix), allow(dead_code, reason = "there is no Wayland"))]
    pub(crate) allow_wayland: bool,
    /// Where the simulated desktop listens.
    pub(crate) simulated: Option<Address>,
    /// How `run` waits and ends its child.
    pub(crate) run: RunSettings,
    /// To whom.
    pub(crate) agents: Agents,
    /// Leases that this process may work under.
    pub(crate) held: HeldLeases,
    /// Each setting's value and origin.
    pub(crate) values: Vec<SettingValue>,
}

/// One setting as resolved.
#[derive(Debug, Clone, serde::Serialize)]
pub(crate) struct SettingValue {
    /// Its dotted path.
    pub(crate) key: String,
    /// Its value.
    pub(crate) value: serde_json::Value,
    /// Where it comes from.
    pub(crate) origin: String,
}

/// The lock store.
#[derive(Debug, Clone)]
pub(crate) struct LockSettings {
    /// A backend's name or URL.
    pub(crate) backend: String,
    /// How long a lease may go without renewal, where leases expire.
    pub(crate) ttl: Duration,
    /// Use a network file system although flock does not exclude between its clients.
    pub(crate) allow_network_fs: bool,
    /// Longest line of one key.
    pub(crate) queue_max: usize,
    /// How often a waiter looks for itself.
    pub(crate) sweep: Sweep,
    /// How to reach a Redis server.
    pub(crate) redis: RedisSettings,
}

/// How messages are sent.
#[derive(Debug, Clone)]
pub(crate) struct SendSettings {
    /// How long to wait, up to the paste.
    pub(crate) timeout: Duration,
    /// Longest message.
    pub(crate) message_bytes_max: usize,
    /// The lock of this desktop, where one was chosen.
    pub(crate) desktop_key: Option<LockKey>,
    /// How long nobody may have used an input device.
    pub(crate) idle: Duration,
}

/// How `run` waits and ends its child.
#[derive(Debug, Clone)]
pub(crate) struct RunSettings {
    /// How long to wait for the lock.
    pub(crate) timeout: Duration,
    /// How long the child may take to end after TERM before it is killed.
    pub(crate) grace: Duration,
}

impl Settings {
    /// Resolves the settings: defaults < system < user < root < environment < flags.
    pub(crate) fn resolve(global: &GlobalArgs) -> Result<Self, CommandError> {
        refuse_password(global.backend.as_deref().unwrap_or_default())?;
        let root = root::find(global.root.as_deref())?;
        let texts = files::read_all(&root, global.config.as_deref())?;
        let flags: Vec<_> = global.backend.iter().map(|url| ("lock.backend", "--backend", url.clone())).collect();
        let (raw, values) = read(&texts, &flags)?;
        let redis = RedisSettings::new(raw.redis, &root.path)?;
        let own_file = global.config.clone().unwrap_or_else(|| root.path.join(root::CONFIG_FILE));
        Ok(Self {
            own_file,
            root,
            files: texts.into_iter().map(|text| text.path).collect(),
            agents: Agents::build(raw.agents, &raw.profiles)?,
            lock: LockSettings {
                backend: raw.lock.backend,
                ttl: raw.lock.ttl.0,
                allow_network_fs: raw.file.allow_network_fs,
                queue_max: raw.queue.max,
                sweep: sweep(&raw.sweep)?,
                redis,
            },
            send: SendSettings {
                timeout: raw.send.timeout.0,
                message_bytes_max: raw.message.bytes_max,
                idle: raw.human.idle.0,
                desktop_key: raw.desktop.key.map(desktop_key).transpose()?,
            },
            driver: raw.desktop.driver,
            allow_wayland: raw.desktop.allow_wayland,
            simulated: raw.simulated.address.as_deref().map(simulated).transpose()?,
            run: RunSettings { timeout: raw.run.timeout.0, grace: raw.run.grace.0 },
            held: HeldLeases::parse(&env_vars::held()),
            values,
        })
    }

    /// Whether the files can still be read when [`Self::own_file`] holds this text.
    pub(crate) fn check_change(&self, text: &str) -> Result<(), CommandError> {
        let others = self.files.iter().filter(|path| **path != self.own_file);
        let mut texts = Vec::new();
        for path in others {
            texts.extend(files::read_if_there(path)?);
        }
        texts.push(ConfigText { path: self.own_file.clone(), text: text.to_owned() });
        let (raw, _) = read(&texts, &[])?;
        Agents::build(raw.agents, &raw.profiles).map(drop)
    }
}

/// Merges the layers, and checks each value.
fn read(
    texts: &[ConfigText],
    flags: &[(&str, &str, String)],
) -> Result<(RawSettings, Vec<SettingValue>), CommandError> {
    let merged = layers::merge(texts, flags)?;
    let leaves = layers::leaves(&merged.cache);
    layers::check_shapes(&leaves)?;
    let values: Vec<_> = leaves.into_iter().map(SettingValue::new).collect();
    let raw = merged.try_deserialize().map_err(|error| malformed(&error, &values))?;
    Ok((raw, values))
}

/// A value of the wrong shape. Lengths and the like come without their place, which is added.
fn malformed(error: &config::ConfigError, values: &[SettingValue]) -> CommandError {
    let error = CommandError::chain(ErrorKind::Config, error);
    let named = values.iter().find(|value| error.message.ends_with(&format!("for key `{}`", value.key)));
    let message = match named {
        Some(value) => format!("{} in {}", error.message, value.origin),
        None => error.message,
    };
    CommandError::config(message)
}

/// Every user of the host can read the arguments of a process.
fn refuse_password(url: &str) -> Result<(), CommandError> {
    match without_credentials(url) {
        None => Ok(()),
        Some(_) => Err(CommandError::usage("--backend must not carry a user or a password: all users can read it")
            .hint(
                "give the URL without them; set `redis.user`, and `redis.password_file` or TALKSTICK_REDIS_PASSWORD",
            )),
    }
}

fn desktop_key(key: String) -> Result<LockKey, CommandError> {
    LockKey::new(key).map_err(|error| CommandError::config(format!("`desktop.key`: {error}")))
}

fn simulated(address: &str) -> Result<Address, CommandError> {
    address.parse().map_err(|error| CommandError::config(format!("`simulated.address`: {error}")))
}

fn sweep(raw: &raw::RawSweep) -> Result<Sweep, CommandError> {
    let sweep = Sweep { first: raw.first.0, factor: raw.factor, max: raw.max.0 };
    match sweep.max < sweep.first {
        true => Err(CommandError::config("`sweep.max` must be at least `sweep.first`")),
        false => Ok(sweep),
    }
}

impl SettingValue {
    fn new((path, value): (Vec<String>, Value)) -> Self {
        let origin = value.origin().unwrap_or("default").to_owned();
        let mut value = as_json(&value);
        if let serde_json::Value::String(text) = &mut value {
            *text = without_password(text);
        }
        Self { key: path.join("."), value, origin }
    }
}

fn as_json(value: &Value) -> serde_json::Value {
    match &value.kind {
        ValueKind::Boolean(truth) => (*truth).into(),
        ValueKind::I64(number) => (*number).into(),
        ValueKind::Float(number) => (*number).into(),
        ValueKind::String(text) => text.as_str().into(),
        ValueKind::Array(values) => values.iter().map(as_json).collect(),
        ValueKind::Table(table) => table.iter().map(|(name, value)| (name.clone(), as_json(value))).collect(),
        // No layer makes other kinds.
        other => other.to_string().into(),
    }
}

/// A URL without the password in it, to be shown.
pub(crate) fn without_password(url: &str) -> String {
    around_credentials(url).map_or_else(|| url.to_owned(), |(scheme, place)| format!("{scheme}***@{place}"))
}

/// The URL without user and password; `None` when it has neither.
pub(crate) fn without_credentials(url: &str) -> Option<String> {
    around_credentials(url).map(|(scheme, place)| format!("{scheme}{place}"))
}

/// What stands before and behind user and password: all up to the last `@`, as a password may hold what it should not. For
/// Redis also where the URL is malformed, which its owner sees only when it is shown.
fn around_credentials(url: &str) -> Option<(&str, &str)> {
    let is_of_scheme = |c: char| c.is_ascii_alphanumeric() || c == '+';
    let (scheme, rest) = url.split_at(url.find(|c| !is_of_scheme(c))?);
    let is_redis = scheme.get(..5).is_some_and(|name| name.eq_ignore_ascii_case("redis"));
    let colon_and_slashes = rest.len() - rest.trim_start_matches([':', '/']).len();
    let has_place = match rest.strip_prefix("://") {
        // A path has no place for them.
        Some(path) if path.starts_with('/') => is_redis && !scheme.to_ascii_lowercase().ends_with("+unix"),
        Some(_) => true,
        None => is_redis && colon_and_slashes > 0,
    };
    let (_, place) = rest[colon_and_slashes..].rsplit_once('@').filter(|_| has_place)?;
    Some((&url[..scheme.len() + colon_and_slashes], place))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_hidden_wherever_it_stands() {
        for (url, shown) in [
            ("redis://u:s@h:7/3", "redis://***@h:7/3"),
            ("redis://u:s@e/c?r#et@h", "redis://***@h"),
            ("redis:u:s@h", "redis:***@h"),
            ("rediss+quorum:/u:s@a,b", "rediss+quorum:/***@a,b"),
            ("redis:///u:s@h", "redis:///***@h"),
            ("REDIS:u:s@h", "REDIS:***@h"),
            ("redis//u:s@h", "redis//***@h"),
            ("redis+unix://u:s@h", "redis+unix://***@h"),
            ("http://u:s@h", "http://***@h"),
        ] {
            assert_eq!(without_password(url), shown);
            assert_eq!(without_credentials(url), Some(shown.replace("***@", "")));
        }
        for url in ["redis", "redis://h", "redis+unix:///run/a@b.sock", "file:/a@b", "file:///a@b", "sqlite:a@b", "a@b"]
        {
            assert_eq!((without_password(url).as_str(), without_credentials(url)), (url, None));
        }
    }
}
