//! Helper processes: programs of our own that outlive the command that starts them, or are watched by it.

use clap::Parser;
use deliver::simulated::{DesktopConfig, Listen};

use crate::{ExitStatus, args::CompanionArgs, demo, error, ui, usage};

/// Runs the simulated desktop for the process that holds the other end of the standard input.
#[derive(Debug, Parser)]
struct SimulatedDesktop {
    #[arg(long, default_value_t = 4)]
    windows: u32,
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[arg(long, default_value_t = 1)]
    fetches: u32,
}

/// Runs the named helper.
pub(crate) fn run(args: &CompanionArgs) -> ExitStatus {
    match args.name.as_str() {
        #[cfg(unix)]
        "keeper" => keeper(),
        "simulated-desktop" => simulated_desktop(args),
        name if demo::HELPERS.contains(&name) => demo::helper(name, &args.rest),
        other => failed(&format!("there is no helper `{other}`"), ExitStatus::USAGE),
    }
}

/// Becomes the clipboard keeper of the display that its environment names.
#[cfg(unix)]
fn keeper() -> ExitStatus {
    match deliver::desktop::x11::keeper::run() {
        Ok(()) => ExitStatus::SUCCESS,
        // The one who started it was told why.
        Err(_) => ExitStatus::CONFIG,
    }
}

fn simulated_desktop(args: &CompanionArgs) -> ExitStatus {
    let argv: Vec<_> = std::iter::once(args.name.as_str().into()).chain(args.rest.iter().cloned()).collect();
    let args = match SimulatedDesktop::try_parse_from(&argv) {
        Ok(args) => args,
        Err(refused) => return usage::show(&refused, &argv),
    };
    let config =
        DesktopConfig { windows: args.windows, seed: args.seed, fetches: args.fetches, listen: Listen::Private };
    match deliver::simulated::serve(&config, std::io::stdin(), std::io::stdout()) {
        Ok(()) => ExitStatus::SUCCESS,
        Err(error) => failed(&error::chain(&error), ExitStatus::CONFIG),
    }
}

fn failed(message: &str, status: ExitStatus) -> ExitStatus {
    ui::Talk::plain().failure(message, None);
    status
}
