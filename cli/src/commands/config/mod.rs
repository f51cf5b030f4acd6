//! `config`: shows the settings, or writes a file with the defaults.

mod template;

use std::path::{Path, PathBuf};

use crate::{
    ExitStatus,
    args::ConfigCommand,
    error::CommandError,
    settings::{Settings, edit, root::CONFIG_FILE},
    ui::{Ui, lines_of, table},
};

/// Runs the command.
pub(crate) fn run(command: ConfigCommand, settings: &Settings, ui: &mut Ui) -> Result<ExitStatus, CommandError> {
    match command {
        ConfigCommand::Show => {
            show(settings, ui);
            Ok(ExitStatus::SUCCESS)
        }
        ConfigCommand::Init { dir } => init(dir, settings.root.named(), ui),
        ConfigCommand::Trust(_) => Err(CommandError::not_built("`config trust`")),
    }
}

fn show(settings: &Settings, ui: &mut Ui) {
    if ui.is_json() {
        return ui.json(&serde_json::json!({
            "root": settings.root.path,
            "root_origin": settings.root.origin,
            "files": settings.files,
            "settings": settings.values,
        }));
    }
    ui.data(&format!("root = {} ({})", settings.root.path.display(), settings.root.origin.words()));
    let mut lines = table(&["SETTING", "VALUE", "FROM"]);
    for setting in &settings.values {
        lines.add_row([&setting.key, &setting.value.to_string(), &setting.origin]);
    }
    ui.data(&lines_of(&lines));
}

/// Writes a commented talkstick.toml into `dir`, else into the named root, else into the working directory: here a
/// person says so, and is told where it went.
pub(crate) fn init(dir: Option<PathBuf>, root: Option<&Path>, ui: &mut Ui) -> Result<ExitStatus, CommandError> {
    let dir = dir.or_else(|| root.map(Path::to_owned)).unwrap_or_else(|| PathBuf::from("."));
    let dir = std::path::absolute(&dir)
        .map_err(|error| CommandError::config(format!("cannot use `{}`: {error}", dir.display())))?;
    let path = dir.join(CONFIG_FILE);
    if !edit::create(&path, &template::text())? {
        let error = CommandError::config(format!("`{}` is there already", path.display()));
        return Err(error.hint("it was not changed; edit it, or use `talkstick agents add`"));
    }
    match ui.is_json() {
        true => ui.json(&serde_json::json!({"written": path})),
        false => ui.data(&format!("written: {}", path.display())),
    }
    Ok(ExitStatus::SUCCESS)
}
