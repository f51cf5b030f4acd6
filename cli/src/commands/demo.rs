//! `demo`: many senders share a simulated desktop.

use crate::{ExitStatus, args::DemoArgs, error::CommandError, settings::Settings, ui::Ui};

/// Runs the demo.
pub(crate) fn run(_args: DemoArgs, _settings: Settings, ui: &mut Ui) -> ExitStatus {
    ui.fail(&CommandError::not_built("`demo`"))
}
