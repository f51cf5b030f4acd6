//! Opens agent windows in a process of their own.
//!
//! Usage: `agent-windows '{"display":":7","count":4}'` (the fields of `deliver::agent_windows::Options`); see
//! `deliver::agent_windows::serve` for what it says and takes. Ends at the end of its stdin.

#[cfg(target_os = "linux")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let options = serde_json::from_str(&std::env::args().nth(1).unwrap_or_else(|| "{}".to_owned()))?;
    deliver::agent_windows::serve(&options, std::io::stdin().lock(), std::io::stdout())?;
    // At once, also when a window's thread is busy.
    std::process::exit(0);
}

#[cfg(not(target_os = "linux"))]
fn main() -> std::process::ExitCode {
    std::process::ExitCode::FAILURE
}
