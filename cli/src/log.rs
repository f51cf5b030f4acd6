//! Debug logs to stderr, as JSON with `--json`; without them, what is for users alone.

use tracing_subscriber::{EnvFilter, fmt};

use crate::{args::GlobalArgs, env_vars, notices, ui::Ui};

/// Starts logging when `-v` or the environment asks for it: `-v` every attempt, wake, place in line, grant and release;
/// `-vv` everything.
pub(crate) fn start(global: &GlobalArgs, ui: &Ui) {
    let wanted = match global.verbose {
        0 => None,
        1 => Some("debug"),
        _ => Some("trace"),
    };
    let Some(filter) = env_vars::text(env_vars::LOG).or(wanted.map(str::to_owned)) else {
        return notices::start(ui.talk());
    };
    let filter = match EnvFilter::try_new(&filter) {
        Ok(filter) => filter,
        Err(error) => {
            ui.talk().warn(&format!("{} is ignored: {error}", env_vars::LOG));
            EnvFilter::new(wanted.unwrap_or("warn"))
        }
    };
    let logs = fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(ui.talk().is_colored());
    // Only a second call in one process fails, and then the first one's logging goes on.
    let _already_logging = match ui.is_json() {
        true => logs.json().try_init(),
        false => logs.try_init(),
    };
}
