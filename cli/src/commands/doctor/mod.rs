//! `doctor`: looks at everything that a delivery needs, and says what to do about what is wrong.

#[cfg(unix)]
mod disk;
mod display;
#[cfg(feature = "redis")]
mod redis;
mod store;

use std::fmt;

use serde::Serialize;

use crate::{
    ExitStatus,
    error::CommandError,
    settings::{Settings, root::RootOrigin},
    ui::Ui,
};

/// One thing that was looked at.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Check {
    check: String,
    state: CheckState,
    seen: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum CheckState {
    Ok,
    Warn,
    Fail,
}

impl Check {
    fn ok(check: impl Into<String>, seen: impl Into<String>) -> Self {
        Self { check: check.into(), state: CheckState::Ok, seen: seen.into(), advice: None }
    }

    fn warn(check: impl Into<String>, seen: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { check: check.into(), state: CheckState::Warn, seen: seen.into(), advice: Some(advice.into()) }
    }

    fn fail(check: impl Into<String>, seen: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { check: check.into(), state: CheckState::Fail, seen: seen.into(), advice: Some(advice.into()) }
    }

    fn error(check: impl Into<String>, error: &CommandError) -> Self {
        Self { advice: error.hints.first().cloned(), ..Self::fail(check, &error.message, "") }
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            CheckState::Ok => "ok  ",
            CheckState::Warn => "warn",
            CheckState::Fail => "fail",
        };
        write!(f, "{state}  {}: {}", self.check, self.seen)?;
        self.advice.as_ref().map_or(Ok(()), |advice| write!(f, "\n      {advice}"))
    }
}

/// Runs the command: 0 when nothing fails, else 9.
pub(crate) fn run(settings: &Settings, ui: &mut Ui) -> Result<ExitStatus, CommandError> {
    let mut checks = vec![root(settings), configuration(settings)];
    #[cfg(unix)]
    checks.extend(disk::checks(settings));
    checks.extend(crate::runtime::start()?.block_on(store::checks(settings)));
    checks.extend(display::checks(settings));
    Ok(report(&checks, ui))
}

/// Reports that the configuration itself is wrong, so that nothing else could be looked at.
pub(crate) fn only_configuration(error: &CommandError, ui: &mut Ui) -> ExitStatus {
    report(&[Check::error("configuration", error)], ui)
}

fn report(checks: &[Check], ui: &mut Ui) -> ExitStatus {
    for check in checks {
        match ui.is_json() {
            true => ui.json(check),
            false => ui.data(&check.to_string()),
        }
    }
    match checks.iter().any(|check| check.state == CheckState::Fail) {
        true => ExitStatus::CONFIG,
        false => ExitStatus::SUCCESS,
    }
}

fn root(settings: &Settings) -> Check {
    let seen = format!("{} ({})", settings.root.path.display(), settings.root.origin.words());
    match settings.root.origin {
        RootOrigin::UserState => {
            let advice = "senders elsewhere share this lock only with the same user and home; for a root of your own: \
                          `talkstick config init DIR`";
            Check::warn("root", seen, advice)
        }
        RootOrigin::Named | RootOrigin::Found => Check::ok("root", seen),
    }
}

fn configuration(settings: &Settings) -> Check {
    let files: Vec<String> = settings.files.iter().map(|file| file.display().to_string()).collect();
    let from = if files.is_empty() { "defaults only".to_owned() } else { files.join(", ") };
    match settings.agents.iter().count() {
        0 => {
            let advice = "add agents with `talkstick agents add NAME --point X,Y` or `talkstick agents import FILE`";
            Check::warn("configuration", format!("{from}; no agents"), advice)
        }
        agents => Check::ok("configuration", format!("{from}; {agents} agents")),
    }
}
