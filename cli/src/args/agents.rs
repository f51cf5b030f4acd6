//! Arguments of `agents`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Later;

/// What to do with the agents.
#[derive(Debug, Subcommand)]
pub(crate) enum AgentsCommand {
    /// List the agents and where they are
    List,
    /// Add an agent to the root's talkstick.toml, or change one
    Add(AddArgs),
    /// Remove an agent from the root's talkstick.toml
    Remove {
        /// Which agent
        name: String,
    },
    /// Read agents from a coordinate file of the swarm
    Import {
        /// The file
        file: PathBuf,
        /// Which of the file's modes, where it has several, such as 8-agent
        #[arg(long, value_name = "MODE")]
        mode: Option<String>,
    },
    /// Point at the agents' input boxes (not built yet)
    #[command(hide = true)]
    Pick(Later),
}

/// Arguments of `agents add`.
#[derive(Debug, Args)]
pub(crate) struct AddArgs {
    /// Its name
    pub(crate) name: String,
    /// Where to click: X,Y on the desktop, or inside the window when one is given
    #[arg(long, value_name = "X,Y", allow_hyphen_values = true, value_parser = parse_point)]
    pub(crate) point: Option<(i32, i32)>,
    /// Class of its window, in full
    #[arg(long, value_name = "CLASS")]
    pub(crate) class: Option<String>,
    /// Title of its window, in full
    #[arg(long, value_name = "TITLE")]
    pub(crate) title: Option<String>,
    /// Process of its window
    #[arg(long, value_name = "PID")]
    pub(crate) pid: Option<u32>,
    /// How its window takes a paste: a profile's name
    #[arg(long, value_name = "NAME")]
    pub(crate) profile: Option<String>,
    /// How to reach it
    #[arg(long, value_name = "SURFACE", default_value = "desktop")]
    pub(crate) surface: String,
}

/// Reads `X,Y`.
pub(crate) fn parse_point(text: &str) -> Result<(i32, i32), String> {
    let point = text.split_once(',').and_then(|(x, y)| Some((x.trim().parse().ok()?, y.trim().parse().ok()?)));
    point.ok_or_else(|| format!("`{text}` is no point; write X,Y such as -1269,481"))
}
