//! How long a server may take to answer.

use lock_core::{Moment, background};

use crate::{config::RedisConfig, error::Trouble};

/// The output, or after the configured timeout the error that there was none.
///
/// # Cancel safety
/// As the future's.
pub(crate) async fn in_time<T>(config: &RedisConfig, answer: impl Future<Output = T>) -> Result<T, Trouble> {
    tokio::select! {
        biased;
        output = answer => Ok(output),
        slept = background::sleep_until(Moment::now() + config.timeout) => {
            slept?;
            Err(Trouble::Silent { server: config.name(), after: config.timeout })
        }
    }
}
