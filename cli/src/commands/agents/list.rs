//! `agents list`.

use deliver::{Agent, desktop::Place};

use crate::{
    settings::Settings,
    ui::{Ui, lines_of, printable, table},
};

/// Prints all agents.
pub(crate) fn print(settings: &Settings, ui: &mut Ui) {
    if ui.is_json() {
        for (agent, description) in settings.agents.iter() {
            ui.json(&as_json(agent, description));
        }
        return;
    }
    let mut lines = table(&["AGENT", "SURFACE", "WHERE", "PROFILE", "DESCRIPTION"]);
    for (agent, description) in settings.agents.iter() {
        // Made visible before the columns are measured.
        let place = printable(&show_place(&agent.place));
        let surface = agent.surface.to_string();
        lines.add_row([&agent.name, &surface, &place, &agent.profile.name, description.unwrap_or_default()]);
    }
    match settings.agents.iter().next() {
        Some(_) => ui.data(&lines_of(&lines)),
        None => ui.say("no agents are configured; add one with `talkstick agents add` or `agents import FILE`"),
    }
}

fn as_json(agent: &Agent, description: Option<&str>) -> serde_json::Value {
    serde_json::json!({
        "agent": agent.name,
        "surface": agent.surface,
        "point": agent.place.point,
        "window": agent.place.window,
        "profile": agent.profile.name,
        "description": description,
    })
}

/// A place in words.
pub(crate) fn show_place(place: &Place) -> String {
    let point = place.point.map(|(x, y)| format!("({x}, {y})"));
    let Some(window) = &place.window else { return point.unwrap_or_default() };
    let parts = [
        window.class.as_ref().map(|class| format!("class {class}")),
        window.title.as_ref().map(|title| format!("title \"{title}\"")),
        window.pid.map(|pid| format!("pid {pid}")),
    ];
    let window = parts.into_iter().flatten().collect::<Vec<_>>().join(", ");
    match point {
        Some(point) => format!("{point} in the window with {window}"),
        None => format!("the window with {window}"),
    }
}
