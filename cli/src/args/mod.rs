//! Typed arguments: exactly what the user wrote. No IO here.

mod agents;
mod companion;
mod demo;
mod globals;
mod run;
mod send;
mod span;

use std::path::PathBuf;

pub(crate) use agents::{AddArgs, AgentsCommand, parse_point};
use clap::{Args, Parser, Subcommand};
pub(crate) use companion::CompanionArgs;
#[cfg(unix)]
pub(crate) use companion::KEEPER_ARGUMENTS;
pub(crate) use demo::{DemoArgs, DemoSurface};
pub(crate) use globals::{ColorWhen, GlobalArgs, first_beyond_globals};
pub(crate) use run::RunArgs;
pub(crate) use send::{BroadcastArgs, Content, Delivering, SendArgs, Timeout, WaitLevel};
pub(crate) use span::{SPAN_MAX, parse_span, show_span};

/// Delivers messages to agents' windows, one at a time, and never to the wrong one.
#[derive(Debug, Parser)]
#[command(name = "talkstick", version, propagate_version = true, disable_help_subcommand = true)]
#[command(after_help = "Without a command, the flags of the old messaging_cli still work: \
talkstick --agent Agent-1 --message \"...\"")]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Send a message to one agent
    Send(SendArgs),
    /// Send a message to all agents, or to some
    Broadcast(BroadcastArgs),
    /// Run a command while holding a lock
    Run(RunArgs),
    /// Show who holds a lock and who waits in line
    Status {
        /// Which lock; all that the root knows unless given
        key: Option<String>,
    },
    /// Make the holder of a lock let go
    Break {
        /// Which lock
        key: String,
        /// The holder's fencing token, as `status` shows it
        #[arg(long, value_name = "N")]
        token: u64,
        /// Kill the holder, if it is proven to run on this host
        #[arg(long)]
        kill: bool,
    },
    /// List or change the agents
    #[command(subcommand)]
    Agents(AgentsCommand),
    /// Check root, configuration, lock store, display and agents
    Doctor,
    /// Show what becomes of many senders' messages, without talkstick and with it
    Demo(DemoArgs),
    /// Show the configuration or write a new one
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Print a completion script
    Completions {
        /// For which shell
        shell: clap_complete::Shell,
    },
    /// List and settle messages that are kept (not built yet)
    #[command(hide = true)]
    Outbox(Later),
    /// Show what was delivered (not built yet)
    #[command(hide = true)]
    History(Later),
    /// Show waits and holds (not built yet)
    #[command(hide = true)]
    Stats(Later),
    /// Watch locks and lines (not built yet)
    #[command(hide = true)]
    Top(Later),
    /// Programs of our own that outlive the command that starts them
    #[command(hide = true)]
    Helper(CompanionArgs),
}

/// Arguments of a command that is not built yet: any.
#[derive(Debug, Args)]
pub(crate) struct Later {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub(crate) rest: Vec<std::ffi::OsString>,
}

/// What to do with the configuration.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Show each setting, its value and where it comes from
    Show,
    /// Write a commented talkstick.toml with the defaults into a folder
    Init {
        /// Into which folder; the working directory unless given (or --root)
        dir: Option<PathBuf>,
    },
    /// Trust the commands of a found configuration (not built yet)
    #[command(hide = true)]
    Trust(Later),
}
