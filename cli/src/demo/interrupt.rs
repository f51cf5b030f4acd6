//! Signals that end the demo: heard on a thread of its own, so that children and files are cleared away first.

use std::{io, thread};

/// Calls `then` with the number of each INT or TERM (elsewhere: Ctrl-C) that comes. They no longer end the process.
pub(crate) fn on_signal(then: impl Fn(u8) + Send + 'static) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    // Registered before this returns, so that nothing is started that a signal would leave behind.
    let mut signals = runtime.block_on(async { Signals::listen() })?;
    let hear = move || {
        runtime.block_on(async {
            loop {
                then(signals.next().await);
            }
        });
    };
    thread::Builder::new().name("demo-signals".to_owned()).spawn(hear).map(drop)
}

/// The signals, for who waits for something else as well. Must be listened to inside a runtime.
#[cfg(unix)]
pub(crate) struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    pub(crate) fn listen() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    /// The number of the next one.
    pub(crate) async fn next(&mut self) -> u8 {
        tokio::select! {
            _ = self.interrupt.recv() => 2,
            _ = self.terminate.recv() => 15,
        }
    }
}

/// As on Unix.
#[cfg(windows)]
pub(crate) struct Signals(tokio::signal::windows::CtrlC);

#[cfg(windows)]
impl Signals {
    pub(crate) fn listen() -> io::Result<Self> {
        tokio::signal::windows::ctrl_c().map(Self)
    }

    pub(crate) async fn next(&mut self) -> u8 {
        // After the last one there is none: the pending future below never ends.
        match self.0.recv().await {
            Some(()) => 2,
            None => std::future::pending().await,
        }
    }
}
