//! The only reader of clocks.

use std::time::{SystemTime, UNIX_EPOCH};

/// The wall clock in microseconds since 1970, for tokens and for people; never for deadlines.
#[must_use]
pub fn wall_clock_us() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_micros()).unwrap_or(u64::MAX))
}

#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn since_boot_ns() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    nanoseconds(now)
}

/// macOS: `CLOCK_MONOTONIC` there is `mach_continuous_time`, which counts suspend.
#[cfg(all(unix, not(any(target_os = "linux", target_os = "android"))))]
pub(crate) fn since_boot_ns() -> u64 {
    nanoseconds(rustix::time::clock_gettime(rustix::time::ClockId::Monotonic))
}

#[cfg(unix)]
fn nanoseconds(time: rustix::time::Timespec) -> u64 {
    u64::try_from(time.tv_sec).unwrap_or(0) * 1_000_000_000 + u64::try_from(time.tv_nsec).unwrap_or(0)
}

/// Windows: the performance counter behind `Instant` counts suspend and is one for all processes, but std hides its
/// value; the wall clock is the one shared clock it shows.
#[cfg(not(unix))]
pub(crate) fn since_boot_ns() -> u64 {
    wall_clock_us().saturating_mul(1000)
}
