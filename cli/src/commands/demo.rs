//! `demo`: many senders share one desktop, without talkstick and with it.

use crate::{ExitStatus, args::DemoArgs, demo, settings::Settings, ui::Ui};

/// Runs the demo.
pub(crate) fn run(args: &DemoArgs, settings: &Settings, ui: &mut Ui) -> ExitStatus {
    demo::show(args, settings, ui).unwrap_or_else(|error| ui.fail(&error))
}
