//! The Redis server: what it keeps, what it throws away, its clock, and our rights on it.

use std::time::Duration;

use super::Check;
use crate::{
    backends::{
        self,
        redis::{Health, Persistence, RedisLock},
    },
    settings::Settings,
};

/// Leases and tokens live on the server's clock alone; people compare times, and they notice a second.
const CLOCK_OFF_MAX: Duration = Duration::from_secs(1);

/// The checks; none where another backend is in use.
pub(super) async fn checks(settings: &Settings) -> Vec<Check> {
    let lock = match backends::redis_config(settings) {
        Ok(None) => return Vec::new(),
        Ok(Some(config)) => RedisLock::open(config).await.map_err(Into::into),
        Err(error) => Err(error),
    };
    let lock = match lock {
        Ok(lock) => lock,
        Err(error) => return vec![Check::error("redis server", &error)],
    };
    let mut checks = vec![match lock.check_rights().await {
        Ok(()) => Check::ok("redis rights", "all that locking needs"),
        Err(error) => Check::error("redis rights", &error.into()),
    }];
    match lock.health().await {
        Ok(health) => checks.extend([server(&health), persistence(&health), eviction(&health), clock(&health)]),
        Err(error) => {
            let advice = "locking works without it; for these checks allow the user +info and +config|get";
            checks.push(Check::warn("redis server", crate::error::chain(&error), advice));
        }
    }
    checks.extend(settings.lock.redis.password_file().and_then(password_file));
    checks
}

fn server(health: &Health) -> Check {
    let round_trip_ms = health.round_trip.as_secs_f64() * 1e3;
    Check::ok("redis server", format!("version {}, answers in {round_trip_ms:.1} ms", health.version))
}

fn persistence(health: &Health) -> Check {
    let (seen, loses) = match health.persistence {
        Persistence::Log => return Check::ok("redis persistence", "appendonly yes"),
        Persistence::Snapshots => ("snapshots only", "a crash"),
        Persistence::Nothing => ("none", "a restart"),
    };
    let advice = format!(
        "after {loses} who holds a lock is told at once, but for half a second two may hold it; set `appendonly yes`"
    );
    Check::warn("redis persistence", seen, advice)
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
