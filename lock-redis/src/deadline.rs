//! When a lease ends by this host's clock: early enough, whatever the server's clock does with it.

use std::time::Duration;

use lock_core::Moment;

use crate::error::Trouble;

/// Shorter leases could not be renewed in time over a network.
const TTL_MIN: Duration = Duration::from_millis(200);
/// A dead holder costs the line up to the ttl; nobody waits for longer than a day.
const TTL_MAX: Duration = Duration::from_secs(24 * 3600);

/// For clocks that do not run at the same rate, and for the server's rounding to milliseconds.
fn margin(ttl: Duration) -> Duration {
    ttl / 100 + Duration::from_millis(2)
}

/// The end of a lease that was asked for at `sent`.
pub(crate) fn deadline(sent: Moment, ttl: Duration) -> Moment {
    sent + (ttl - margin(ttl))
}

/// A ttl as the scripts take it, in milliseconds.
pub(crate) fn ttl_ms(ttl: Duration) -> Result<u64, Trouble> {
    if !(TTL_MIN..=TTL_MAX).contains(&ttl) {
        return Err(Trouble::Ttl { ttl, min: TTL_MIN, max: TTL_MAX });
    }
    Ok(u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX))
}
