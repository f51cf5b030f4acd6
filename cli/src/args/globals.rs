//! The flags of every command.

use std::{ffi::OsString, path::PathBuf};

use clap::{ArgAction, Args, ValueEnum};

/// Flags of every command.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct GlobalArgs {
    /// Lock backend: a name or a URL such as file:/var/lib/swarm or sqlite:/var/lib/locks.sqlite
    #[arg(long, global = true, value_name = "NAME|URL")]
    pub(crate) backend: Option<String>,
    /// Read this configuration instead of the root's talkstick.toml
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Use this root instead of looking for a talkstick.toml upwards
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) root: Option<PathBuf>,
    /// Print data, and on stderr notes, warnings and errors, as JSON: one object a line
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Log what happens to stderr; twice for more
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(crate) verbose: u8,
    /// Print no notes, only data, warnings and errors
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Colour stderr
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub(crate) color: ColorWhen,
}

/// When to colour.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
pub(crate) enum ColorWhen {
    /// On a terminal, unless NO_COLOR is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// The index of the first argument that is no global option, beyond the last one if there is none. It needs no parser, so
/// it can be told of arguments that no parser takes.
pub(crate) fn first_beyond_globals(argv: &[OsString]) -> usize {
    let mut at = 1;
    while let Some(arg) = argv.get(at).map(|arg| arg.to_string_lossy()) {
        let is_letters = |of: &str| !of.is_empty() && of.chars().all(|c| matches!(c, 'v' | 'q'));
        at += match &*arg {
            "--backend" | "--config" | "--root" | "--color" => 2,
            "--json" | "--verbose" | "--quiet" => 1,
            set if ["--backend=", "--config=", "--root=", "--color="].iter().any(|name| set.starts_with(name)) => 1,
            letters if letters.strip_prefix('-').is_some_and(is_letters) => 1,
            _ => break,
        };
    }
    at
}
