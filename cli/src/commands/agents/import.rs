//! `agents import`: the swarm's coordinate files.

use std::path::Path;

use super::{agent_table, coordinates, coordinates::Imported, point_value, set};
use crate::{
    ExitStatus,
    error::{CommandError, ErrorKind},
    settings::{Settings, edit::Edit, read_if_there},
    ui::Ui,
};

/// Reads the file into the root's talkstick.toml. Agents that are there keep all but their point.
pub(crate) fn run(
    file: &Path,
    mode: Option<&str>,
    settings: &Settings,
    ui: &mut Ui,
) -> Result<ExitStatus, CommandError> {
    let absent = || CommandError::config(format!("there is no file `{}`", file.display())).hint("correct the path");
    let read = read_if_there(file)?.ok_or_else(absent)?;
    let imported = coordinates::parse(&read.text, mode).map_err(|error| {
        let error = CommandError::chain(ErrorKind::Config, &error);
        CommandError { message: format!("cannot import `{}`: {}", file.display(), error.message), ..error }
            .hint("nothing was changed")
    })?;
    let mut edit = Edit::open(&settings.own_file)?;
    let mut done = Vec::new();
    for agent in imported {
        done.push((write(&mut edit, &agent)?, agent));
    }
    edit.save(settings)?;
    for (what, agent) in &done {
        show(what, agent, ui);
    }
    ui.say(&format!("written to {}", settings.own_file.display()));
    Ok(ExitStatus::SUCCESS)
}

fn write(edit: &mut Edit, agent: &Imported) -> Result<&'static str, CommandError> {
    // The swarm's mark for "reached by another way, not by the screen".
    if agent.point == (0, 0) {
        return Ok("skipped");
    }
    let table = agent_table(edit, &agent.name)?;
    let known = !table.is_empty();
    if !known {
        set(table, "surface", "desktop".into());
    }
    let point = point_value(agent.point);
    let same = table.get("point").is_some_and(|old| old.to_string().trim() == point.to_string().trim());
    set(table, "point", point);
    if let Some(description) = agent.description.as_deref().filter(|text| !known && !text.is_empty()) {
        set(table, "description", description.into());
    }
    Ok(match (known, same) {
        (false, _) => "added",
        (true, false) => "changed",
        (true, true) => "unchanged",
    })
}

fn show(what: &str, agent: &Imported, ui: &mut Ui) {
    let (x, y) = agent.point;
    if ui.is_json() {
        let object = serde_json::json!({
            "agent": agent.name, "point": agent.point, "done": what, "inactive": agent.inactive,
        });
        return ui.json(&object);
    }
    let note = match (what, agent.inactive) {
        ("skipped", _) => ": (0, 0) stands for an agent without a window",
        (_, true) => ", although the file calls it inactive",
        _ => "",
    };
    ui.data(&format!("{} ({x}, {y}): {what}{note}", agent.name));
}
