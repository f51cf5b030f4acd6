//! Arguments of `demo`.

use clap::{Args, ValueEnum};

use crate::demo::Scenario;

/// Arguments of `demo`.
#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// Senders x messages of each, such as 8x5; may be repeated [default: 3x2, 8x5 and 16x5]
    #[arg(long, value_name = "NxM")]
    pub(crate) scenario: Vec<Scenario>,
    /// Where the agents' windows are [default: x11 where Xvfb is installed, else simulated]
    #[arg(long, value_name = "SURFACE")]
    pub(crate) surface: Option<DemoSurface>,
    /// Open the agents' windows on this display, with talkstick only: it takes mouse, keyboard and clipboard for a while
    #[arg(long, value_name = "DISPLAY")]
    pub(crate) display: Option<String>,
    /// Do not ask before a display that somebody may be using is taken
    #[arg(short, long)]
    pub(crate) yes: bool,
}

/// Where the agents' windows are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum DemoSurface {
    /// A private X server (Xvfb), or the one of --display.
    X11,
    /// A simulated desktop in a process of its own.
    Simulated,
}
