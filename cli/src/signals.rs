//! INT, TERM and HUP, which leave the line before the paste and change nothing after it.

use deliver::Stop;

use crate::{ExitStatus, error::CommandError};

/// Raises `stop` at the first signal. Must be called inside the runtime, which keeps listening until it ends.
#[cfg(unix)]
pub(crate) fn stop_on_signals(stop: &Stop) -> Result<(), CommandError> {
    use tokio::signal::unix::{SignalKind, signal};

    use crate::error::ErrorKind;

    for (kind, name) in [(SignalKind::interrupt(), INT), (SignalKind::terminate(), TERM), (SignalKind::hangup(), HUP)] {
        let mut signals = signal(kind).map_err(|error| CommandError::chain(ErrorKind::Backend, &error))?;
        let stop = stop.clone();
        let _until_the_runtime_ends = tokio::spawn(async move {
            if signals.recv().await.is_some() {
                stop.request(name);
            }
        });
    }
    Ok(())
}

/// Raises `stop` at the first Ctrl-C.
#[cfg(not(unix))]
pub(crate) fn stop_on_signals(stop: &Stop) -> Result<(), CommandError> {
    let stop = stop.clone();
    let _until_the_runtime_ends = tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            stop.request(INT);
        }
    });
    Ok(())
}

const INT: &str = "SIGINT";
const TERM: &str = "SIGTERM";
const HUP: &str = "SIGHUP";

/// The status of a program that was stopped by what [`Stop::requested`] names.
pub(crate) fn exit_status(by: &str) -> ExitStatus {
    ExitStatus::signalled(match by {
        TERM => 15,
        HUP => 1,
        _ => 2,
    })
}
