//! Arguments of `send` and `broadcast`.

use std::{path::PathBuf, str::FromStr, time::Duration};

use clap::{Args, ValueEnum};
use lock_core::Priority;

use super::parse_span;

/// What to say: exactly one of the two.
#[derive(Debug, Clone, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Content {
    /// The message
    #[arg(short, long, value_name = "TEXT", allow_hyphen_values = true)]
    pub(crate) message: Option<std::ffi::OsString>,
    /// Read the message from a file, or from stdin with `-`
    #[arg(long, value_name = "PATH|-")]
    pub(crate) message_file: Option<PathBuf>,
}

/// How long to wait for the lock and the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Timeout {
    /// As long as this.
    Span(Duration),
    /// Derived from measured holds.
    Adaptive,
}

impl FromStr for Timeout {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "adaptive" => Ok(Self::Adaptive),
            span => parse_span(span).map(Self::Span),
        }
    }
}

/// What must be known before `send` is content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum WaitLevel {
    /// The message is kept on disk (not built yet).
    Queued,
    /// Enter was pressed in the verified target.
    #[default]
    Submitted,
    /// The target has shown that it took the message (not built yet).
    Confirmed,
}

/// What `send` and `broadcast` share.
#[derive(Debug, Clone, Args)]
pub(crate) struct Delivering {
    #[command(flatten)]
    pub(crate) content: Content,
    /// Who goes first: urgent, high, normal or low
    #[arg(short, long, value_name = "PRIORITY", default_value = "normal")]
    pub(crate) priority: Priority,
    /// Who speaks: shown to those who wait for the lock
    #[arg(long, value_name = "NAME")]
    pub(crate) from: Option<String>,
    /// Message id, for sending the same message only once (not built yet)
    #[arg(long, value_name = "KEY")]
    pub(crate) id: Option<String>,
    /// Give up when nothing was typed after this long [default: send.timeout, 30s]
    #[arg(long, value_name = "30s|adaptive")]
    pub(crate) timeout: Option<Timeout>,
    /// What to wait for
    #[arg(long, value_name = "LEVEL", default_value = "submitted")]
    pub(crate) wait: WaitLevel,
    /// Say what would happen, and touch nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// Arguments of `send`.
#[derive(Debug, Args)]
pub(crate) struct SendArgs {
    /// To whom
    #[arg(short, long, value_name = "AGENT")]
    pub(crate) agent: String,
    #[command(flatten)]
    pub(crate) delivering: Delivering,
}

/// Arguments of `broadcast`.
#[derive(Debug, Args)]
pub(crate) struct BroadcastArgs {
    #[command(flatten)]
    pub(crate) delivering: Delivering,
    /// Only to these, in this order
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    pub(crate) agents: Vec<String>,
    /// Not to these
    #[arg(long, value_name = "C,D", value_delimiter = ',')]
    pub(crate) except: Vec<String>,
}
