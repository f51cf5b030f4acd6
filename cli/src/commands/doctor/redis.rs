//! The Redis server: what it keeps, what it throws away, its clock, and our rights on it.

use std::time::Duration;

use super::Check;
use crate::{
    backends::{
        self,
        redis::{Address, Health, Persistence, RedisConfig, RedisLock},
    },
    settings::Settings,
};

/// Leases and tokens live on the server's clock alone; people compare times, and they notice a second.
const CLOCK_OFF_MAX: Duration = Duration::from_secs(1);

/// The checks; none where another backend is in use.
pub(super) async fn checks(settings: &Settings) -> Vec<Check> {
    let config = match backends::redis_config(settings) {
        Ok(None) => return Vec::new(),
        Ok(Some(config)) => config,
        Err(error) => return vec![Check::error("redis server", &error)],
    };
    let mut checks = match config.address {
        Address::Quorum { .. } => of_quorum(config.of_each_server()).await,
        _ => of_server(config, persistence).await.0,
    };
    checks.extend(settings.lock.redis.password_files().filter_map(password_file));
    checks
}

/// The checks of one store, and what was seen of it. `persistence` judges what it keeps.
async fn of_server(config: RedisConfig, persistence: fn(&Health) -> Check) -> (Vec<Check>, Option<Health>) {
    let lock = match RedisLock::open(config).await {
        Ok(lock) => lock,
        Err(error) => return (vec![Check::error("redis server", &error.into())], None),
    };
    let mut checks = vec![match lock.check_rights().await {
        Ok(()) => Check::ok("redis rights", "all that locking needs"),
        Err(error) => Check::error("redis rights", &error.into()),
    }];
    match lock.health().await {
        Ok(health) => {
            checks.extend([server(&health), persistence(&health), eviction(&health), clock(&health)]);
            (checks, Some(health))
        }
        Err(error) => {
            let advice = "locking works without it; for these checks allow the user +info and +config|get";
            checks.push(Check::warn("redis server", crate::error::chain(&error), advice));
            (checks, None)
        }
    }
}

/// The checks of each server under its own name, and whether they are as many as they seem.
async fn of_quorum(servers: Vec<RedisConfig>) -> Vec<Check> {
    let mut all = Vec::new();
    let mut known: Vec<(String, Health)> = Vec::new();
    for config in servers {
        let name = config.address.to_string();
        let (checks, health) = of_server(config, persistence_in_quorum).await;
        all.extend(checks.into_iter().map(|check| Check { check: format!("{} ({name})", check.check), ..check }));
        let Some(health) = health else { continue };
        if let Some((other, _)) = known.iter().find(|(_, other)| other.run_id == health.run_id) {
            let seen = format!("{name} and {other} are one server, which has two votes");
            all.push(Check::fail("redis quorum", seen, "name servers that can fail one without the other"));
        }
        known.push((name, health));
    }
    all.extend(clocks(&known));
    all
}

/// Tokens are at least the highest clock of a majority: whose data is lost must not be far behind.
fn clocks(known: &[(String, Health)]) -> Option<Check> {
    let ahead_us = |(_, health): &(String, Health)| health.clock_ahead_us;
    let (last, first) = (known.iter().min_by_key(|one| ahead_us(one))?, known.iter().max_by_key(|one| ahead_us(one))?);
    let apart_us = ahead_us(first).abs_diff(ahead_us(last));
    let seen = format!("the clocks of the servers are {:.3} s apart", apart_us as f64 / 1e6);
    let advice =
        format!("if a server loses its data, tokens may go back by that much; run NTP on {} and {}", first.0, last.0);
    Some(match Duration::from_micros(apart_us) > CLOCK_OFF_MAX {
        true => Check::warn("redis quorum", seen, advice),
        false => Check::ok("redis quorum", seen),
    })
}

fn server(health: &Health) -> Check {
    let round_trip_ms = health.round_trip.as_secs_f64() * 1e3;
    Check::ok("redis server", format!("version {}, answers in {round_trip_ms:.1} ms", health.version))
}

fn persistence(health: &Health) -> Check {
    let seen = kept(health.persistence);
    let loses = match health.persistence {
        Persistence::Log | Persistence::LogBeforeAnswer => return Check::ok("redis persistence", seen),
        Persistence::Snapshots => "a crash",
        Persistence::Nothing => "a restart",
    };
    let advice = format!(
        "after {loses} who holds a lock is told at once, but for half a second two may hold it; set `appendonly yes`"
    );
    Check::warn("redis persistence", seen, advice)
}

/// One that comes back without data is noticed, and one that comes back with all of it is right. What is between is not noticed.
fn persistence_in_quorum(health: &Health) -> Check {
    let seen = kept(health.persistence);
    match health.persistence {
        Persistence::Nothing | Persistence::LogBeforeAnswer => Check::ok("redis persistence", seen),
        Persistence::Snapshots | Persistence::Log => {
            let advice = "after a crash it comes back with older data, which the quorum does not notice; set `appendonly yes` \
                          with `appendfsync always`, or have it keep nothing (`appendonly no`, `save \"\"`)";
            Check::warn("redis persistence", seen, advice)
        }
    }
}

const fn kept(persistence: Persistence) -> &'static str {
    match persistence {
        Persistence::Nothing => "none",
        Persistence::Snapshots => "snapshots only",
        Persistence::Log => "appendonly yes",
        Persistence::LogBeforeAnswer => "appendonly yes, appendfsync always",
    }
}

fn eviction(health: &Health) -> Check {
    let seen = format!("maxmemory-policy {}", health.eviction);
    match health.evicts() {
        true => {
            Check::warn("redis eviction", seen, "a full server throws locks away; set `maxmemory-policy noeviction`")
        }
        false => Check::ok("redis eviction", seen),
    }
}

fn clock(health: &Health) -> Check {
    let seen = format!("{:+.3} s against this host", health.clock_ahead_us as f64 / 1e6);
    match Duration::from_micros(health.clock_ahead_us.unsigned_abs()) > CLOCK_OFF_MAX {
        true => {
            Check::warn("redis clock", seen, "locks do not mind, but the times that `status` shows are off; run NTP")
        }
        false => Check::ok("redis clock", seen),
    }
}

#[cfg(unix)]
fn password_file(path: &std::path::Path) -> Option<Check> {
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(path).ok()?.permissions().mode();
    let seen = || format!("{} can be read by every user", path.display());
    (mode & 0o004 != 0).then(|| Check::warn("redis password", seen(), format!("chmod 600 {}", path.display())))
}

#[cfg(not(unix))]
fn password_file(_path: &std::path::Path) -> Option<Check> {
    None
}
