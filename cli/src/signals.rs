//! INT, TERM and HUP, which leave the line before the paste and change nothing after it.

use deliver::Stop;

use crate::{ExitStatus, error::CommandError};

/// Raises `stop` at the first signal. Must be called inside the runtime, which keeps listening until it ends. A signal
/// that the caller had ignored stays ignored: `nohup` relies on it.
#[cfg(unix)]
pub(crate) fn stop_on_signals(stop: &Stop) -> Result<(), CommandError> {
    use tokio::signal::unix::{SignalKind, signal};

    use crate::error::ErrorKind;

    let failed = |error: std::io::Error| CommandError::chain(ErrorKind::Backend, &error);
    for (kind, name) in [(SignalKind::interrupt(), INT), (SignalKind::terminate(), TERM), (SignalKind::hangup(), HUP)] {
        if is_ignored(kind.as_raw_value()).map_err(failed)? {
            continue;
        }
        let mut signals = signal(kind).map_err(failed)?;
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

/// Whether the caller had this signal ignored. Shells without job control do that with INT for background commands.
#[cfg(unix)]
pub(crate) fn is_ignored(signal: i32) -> std::io::Result<bool> {
    let mut now = std::mem::MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: the pointer is valid for a sigaction, and a null new action only asks.
    match unsafe { libc::sigaction(signal, std::ptr::null(), now.as_mut_ptr()) } {
        // SAFETY: filled in by the call that succeeded.
        0 => Ok(unsafe { now.assume_init() }.sa_sigaction == libc::SIG_IGN),
        _ => Err(std::io::Error::last_os_error()),
    }
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
