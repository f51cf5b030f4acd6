//! A sender of the demo: a process of its own, as every agent's messenger is.
//!
//! It sends its messages one after the other. Ready, it waits for the word, so that all begin at once.

mod protected;
mod unprotected;

use std::io::{self, BufRead, Write};

use super::plan::{Said, SenderPlan, Way};
use crate::error::{CommandError, ErrorKind};

/// Is a sender: reads its plan from stdin, and reports on stdout.
pub(crate) fn run() -> Result<(), CommandError> {
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line).map_err(|error| CommandError::chain(ErrorKind::Usage, &error))?;
    let plan: SenderPlan = serde_json::from_str(&line)
        .map_err(|error| CommandError::usage(format!("this is a part of `talkstick demo`: {error}")))?;
    match plan.way {
        Way::Unprotected { playground, points } => unprotected::send(&playground, &points, &plan.messages),
        Way::Protected(protected) => protected::send(&protected, &plan.messages),
    }
}

/// Says that the sender is ready, and waits for the word; `false` when the demo has ended instead.
fn wait_for_the_word() -> Result<bool, CommandError> {
    say(&Said::Ready)?;
    let mut line = String::new();
    let read = io::stdin().lock().read_line(&mut line);
    Ok(read.map_err(|error| CommandError::chain(ErrorKind::Usage, &error))? > 0)
}

/// Blocks until the demo has ended, or has no more use for this sender.
fn wait_for_the_end() {
    let mut line = String::new();
    while matches!(io::stdin().lock().read_line(&mut line), Ok(1..)) {
        line.clear();
    }
}

fn say(said: &Said) -> Result<(), CommandError> {
    let failed = |error: &dyn std::error::Error| CommandError::chain(ErrorKind::Backend, error);
    let line = serde_json::to_string(said).map_err(|error| failed(&error))?;
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{line}").and_then(|()| stdout.flush()).map_err(|error| failed(&error))
}
