//! What a backend declares about itself.

use std::time::Duration;

use serde::Serialize;

/// What a backend can promise, as plain data. Conformance cases are admitted by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Capabilities {
    /// Leases end by themselves at a deadline unless renewed. Where false, they end with their holder.
    pub expires: bool,
    /// Excludes other processes of this host.
    pub cross_process: bool,
    /// Excludes other hosts.
    pub cross_host: bool,
    /// Grants by priority, then first come first served.
    pub ordered: bool,
    /// A killed holder or waiter of this host is proven dead by the kernel.
    pub proves_death: bool,
    /// How often a held lease is checked: `renew` is called this often, and a loss that only the store shows is seen
    /// at most this late.
    #[serde(serialize_with = "as_milliseconds")]
    pub check_every: Duration,
}

fn as_milliseconds<S: serde::Serializer>(span: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_u64(u64::try_from(span.as_millis()).unwrap_or(u64::MAX))
}
