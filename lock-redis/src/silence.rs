//! How long a server may take to answer.

use std::time::Duration;

use lock_core::{Moment, background};

use crate::{config::RedisConfig, error::Trouble};

/// The output, or after the configured timeout the error that there was none.
///
/// # Cancel safety
/// As the future's.
pub(crate) async fn in_time<T>(config: &RedisConfig, answer: impl Future<Output = T>) -> Result<T, Trouble> {
    within(config, config.timeout, answer).await
}

/// As [`in_time`], with this limit in the place of the timeout.
pub(crate) async fn within<T>(
    config: &RedisConfig,
    limit: Duration,
    answer: impl Future<Output = T>,
) -> Result<T, Trouble> {
    tokio::select! {
        biased;
        output = answer => Ok(output),
        slept = background::sleep_until(Moment::now() + limit) => {
            slept?;
            Err(Trouble::Silent { server: config.name(), after: limit })
        }
    }
}
