//! talkstick: only the one who holds the talking stick speaks.

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run(std::env::args_os()).into()
}
