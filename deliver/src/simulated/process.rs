//! A simulated desktop as a child process.

use std::{
    io::{self, BufRead, BufReader, Read},
    process::{Child, ChildStdout, Command, Stdio},
};

use super::{Address, server::READY, wire::SimulatedError};

/// Lines before the line that tells the address; more mean that the command is not a simulated desktop.
const LINES_BEFORE_READY_MAX: usize = 100;
/// Longest line that is read.
const LINE_BYTES_MAX: u64 = 4096;

/// A child process that runs [`super::serve`]. It ends when this is dropped, and when this process ends in any way.
#[derive(Debug)]
pub struct DesktopProcess {
    child: Child,
    address: Address,
    /// Kept open: a desktop that writes to a closed pipe would fail for a reason of its own.
    _stdout: BufReader<ChildStdout>,
}

impl DesktopProcess {
    /// Starts `command`, which must run [`super::serve`] over its standard input and output, and waits until it is ready.
    ///
    /// # Errors
    /// It cannot be started, or ended before it was ready.
    pub fn spawn(mut command: Command) -> Result<Self, SimulatedError> {
        let failed = |e| SimulatedError::new("start", "", e);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().map_err(failed)?;
        let address = child.stdout.take().ok_or_else(|| io::Error::other("no pipe")).and_then(|stdout| {
            let mut stdout = BufReader::new(stdout);
            read_address(&mut stdout).map(|address| (address, stdout))
        });
        match address {
            Ok((address, stdout)) => Ok(Self { child, address, _stdout: stdout }),
            Err(e) => {
                end(&mut child);
                Err(failed(e))
            }
        }
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> &Address {
        &self.address
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Kills it at once, as a crash would.
    ///
    /// # Errors
    /// The system's.
    pub fn kill(&mut self) -> io::Result<()> {
        self.child.kill()?;
        self.child.wait().map(drop)
    }
}

impl Drop for DesktopProcess {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

/// Ends our own child; the end of its input is its sign to remove its socket and go.
fn end(child: &mut Child) {
    drop(child.stdin.take());
    if let Err(error) = child.wait() {
        tracing::warn!(%error, "the simulated desktop's end was not seen");
    }
}

fn read_address(stdout: &mut BufReader<ChildStdout>) -> io::Result<Address> {
    for _ in 0..LINES_BEFORE_READY_MAX {
        let mut line = String::new();
        if stdout.by_ref().take(LINE_BYTES_MAX).read_line(&mut line)? == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it ended before it was ready"));
        }
        // A test harness around it may have begun the line with words of its own.
        if let Some((_, address)) = line.trim_end().split_once(READY) {
            return address.parse().map_err(io::Error::other);
        }
    }
    Err(io::Error::new(io::ErrorKind::InvalidData, "it did not tell its address"))
}
