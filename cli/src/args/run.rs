//! Arguments of `run`.

use std::{ffi::OsString, time::Duration};

use clap::Args;
use lock_core::Priority;

use super::parse_span;

/// What the flags do not say.
const AFTER_HELP: &str = "\
One line on stderr says for whom it waits, since when and at which place: before the command starts, and before the error of a
wait in vain (unless the lock store is silent). A lock that is granted before its holder is known is not announced.

Exit status: the command's own, 128 + the signal that killed it, 75 (or -E) when the lock was not acquired, 76 when the
lease was lost or broken while the command ran, 69 when the lock store cannot be reached, 71 when the system or the end of
the supervisor ended it, 126 and 127 as in shells.

The command runs in a process group of its own and finds TALKSTICK_KEY, TALKSTICK_TOKEN (the fencing token),
TALKSTICK_OWNER, TALKSTICK_DEADLINE (seconds since 1970; empty where leases do not expire) and TALKSTICK_HELD (a secret:
talkstick below the command works under the same lease) in its environment. It inherits no lock file. Signals sent to
talkstick go to the whole group; what the command leaves in the background when it ends is left alone. A Redis password in
the environment is not passed on: for talkstick below the command, set redis.password_file.

When the lease is lost, or talkstick itself is killed, the group is ended (TERM, --grace, KILL) before the lock can pass
on. A process that has left the group (setsid, a daemon) is out of reach.";

/// Arguments of `run`: flock(1)'s where they mean the same.
#[derive(Debug, Args)]
#[command(after_long_help = AFTER_HELP)]
pub(crate) struct RunArgs {
    /// Which lock
    pub(crate) key: String,
    /// Do not wait: fail when the lock is not free
    #[arg(short, long, visible_alias = "nb", conflicts_with = "wait")]
    pub(crate) nonblock: bool,
    /// Wait at most this long; 0 does not wait [default: run.timeout, 30s]
    #[arg(short, long, value_name = "SECS", value_parser = parse_span)]
    pub(crate) wait: Option<Duration>,
    /// Exit with this status when the lock was not acquired
    #[arg(short = 'E', long, value_name = "CODE", default_value_t = 75)]
    pub(crate) conflict_exit_code: u8,
    /// Who goes first: urgent, high, normal or low
    #[arg(short, long, value_name = "PRIORITY", default_value = "normal")]
    pub(crate) priority: Priority,
    /// How long the lease may go without renewal, where leases expire [default: lock.ttl, 10s]
    #[arg(long, value_name = "D", value_parser = parse_span)]
    pub(crate) ttl: Option<Duration>,
    /// How long the command may take to end after TERM before it is killed
    #[arg(long, value_name = "D", value_parser = parse_span)]
    pub(crate) grace: Option<Duration>,
    /// Write the JSON object to this file descriptor instead of stderr; implies --json
    #[arg(long, value_name = "FD")]
    pub(crate) json_fd: Option<i32>,
    /// The command and its arguments, without a shell
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub(crate) command: Vec<OsString>,
}
