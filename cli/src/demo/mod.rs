//! The demo: real sender processes share one desktop, first as the seed did before its lock, then with talkstick; and a
//! count of what became of every message.
//!
//! ```text
//!  demo --+-- agents' windows: on a private Xvfb, or a simulated desktop       (processes of their own,
//!         +-- sender 1 .. sender N: get ready, begin at one word, report        all hidden `helper`s of
//!         +-- Xvfb                                                              this program)
//! ```
//! A sender sends its messages one after the other: unprotected by the seed's own sequence and pauses, protected by
//! the code behind `talkstick send`. What is counted is what the windows show, not what senders say.

mod backstage;
mod error;
mod folder;
mod interrupt;
mod plan;
#[cfg(target_os = "linux")]
mod private_display;
mod report;
mod run;
mod scenario;
mod score;
mod sender;
mod show;
mod stage;
#[cfg(target_os = "linux")]
mod windows;

use std::{ffi::OsString, process::Command};

use self::error::DemoError;
pub(crate) use self::{scenario::Scenario, show::show};
use crate::{ExitStatus, env_vars, error::CommandError, ui::Talk};

/// The helper processes of the demo.
pub(crate) const HELPERS: &[&str] = &[
    "demo-sender",
    #[cfg(target_os = "linux")]
    "demo-display",
    #[cfg(target_os = "linux")]
    "agent-windows",
];

/// Runs a helper process of the demo.
pub(crate) fn helper(name: &str, arguments: &[OsString]) -> ExitStatus {
    let done = match (name, arguments) {
        ("demo-sender", []) => sender::run(),
        #[cfg(target_os = "linux")]
        ("demo-display", [parent, authority]) => {
            Err(private_display::become_server(&parent.to_string_lossy(), authority.as_ref()))
        }
        #[cfg(target_os = "linux")]
        ("agent-windows", [options]) => agent_windows(&options.to_string_lossy()),
        _ => Err(CommandError::usage("this is a part of `talkstick demo`")),
    };
    match done {
        Ok(()) => ExitStatus::SUCCESS,
        Err(error) => {
            Talk::plain().error(&error, error.exit_status());
            error.exit_status()
        }
    }
}

/// Opens agents' windows until the end of stdin.
#[cfg(target_os = "linux")]
fn agent_windows(options: &str) -> Result<(), CommandError> {
    let options = serde_json::from_str(options).map_err(|error| CommandError::usage(error.to_string()))?;
    deliver::agent_windows::serve(&options, std::io::stdin().lock(), std::io::stdout())
        .map_err(|error| CommandError::chain(crate::error::ErrorKind::Backend, &error))
}

/// This program as one of its helpers. Neither leases of the caller nor the secrets of the lock store are for it.
fn own_helper(name: &str) -> Result<Command, DemoError> {
    let mut command = own_sender(name)?;
    env_vars::hide_secrets(&mut command);
    Ok(command)
}

/// As [`own_helper`], for who opens the lock store, and so needs its password.
fn own_sender(name: &str) -> Result<Command, DemoError> {
    let program = std::env::current_exe().map_err(|source| DemoError::System { what: "find this program", source })?;
    let mut command = Command::new(program);
    command.args(["helper", name]).env_remove(env_vars::HELD);
    Ok(command)
}
