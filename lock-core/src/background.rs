//! lock-core's own runtime: heartbeats and late releases run here, so they go on when the caller's runtime is busy,
//! blocked, or none.

use std::sync::LazyLock;

use tokio::runtime::{Builder, Handle, Runtime};

static RUNTIME: LazyLock<std::io::Result<Runtime>> =
    LazyLock::new(|| Builder::new_multi_thread().worker_threads(1).thread_name("talkstick").enable_all().build());

/// The background runtime: one thread, started at first use.
///
/// # Errors
/// The system gave no thread or no event queue.
pub fn handle() -> Result<&'static Handle, crate::Error> {
    match &*RUNTIME {
        Ok(runtime) => Ok(runtime.handle()),
        Err(e) => Err(crate::Error::Config(format!("cannot start the background thread: {e}"))),
    }
}
