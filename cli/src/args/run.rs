//! Arguments of `run`.

use std::{ffi::OsString, time::Duration};

use clap::Args;
use lock_core::Priority;

use super::parse_span;

/// Arguments of `run`: flock(1)'s where they mean the same.
#[derive(Debug, Args)]
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
