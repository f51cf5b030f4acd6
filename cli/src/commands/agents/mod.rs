//! `agents`: who can be sent to.

mod coordinates;
mod import;
mod list;

pub(crate) use list::show_place;
use toml_edit::{Array, InlineTable, Item, Table, Value};

use crate::{
    ExitStatus,
    args::{AddArgs, AgentsCommand},
    error::{CommandError, ErrorKind},
    settings::{NAME_RULE, Settings, edit::Edit, is_agent_name},
    ui::Ui,
};

/// Runs the command.
pub(crate) fn run(command: AgentsCommand, settings: &Settings, ui: &mut Ui) -> Result<ExitStatus, CommandError> {
    match command {
        AgentsCommand::List => {
            list::print(settings, ui);
            Ok(ExitStatus::SUCCESS)
        }
        AgentsCommand::Add(args) => add(&args, settings, ui),
        AgentsCommand::Remove { name } => remove(&name, settings, ui),
        AgentsCommand::Import { file, mode } => import::run(&file, mode.as_deref(), settings, ui),
        AgentsCommand::Pick(_) => Err(CommandError::not_built("`agents pick`")),
    }
}

fn add(args: &AddArgs, settings: &Settings, ui: &mut Ui) -> Result<ExitStatus, CommandError> {
    check(args, settings)?;
    let mut edit = Edit::open(&settings.own_file)?;
    let table = agent_table(&mut edit, &args.name)?;
    let known = !table.is_empty();
    set(table, "surface", args.surface.as_str().into());
    if let Some(point) = args.point {
        set(table, "point", point_value(point));
    }
    let window = window_value(args);
    if !window.is_empty() {
        set(table, "window", window.into());
    }
    if let Some(profile) = &args.profile {
        set(table, "profile", profile.as_str().into());
    }
    edit.save(settings)?;
    report(&args.name, if known { "changed" } else { "added" }, settings, ui);
    Ok(ExitStatus::SUCCESS)
}

/// Refuses what the next reading of the file would refuse.
fn check(args: &AddArgs, settings: &Settings) -> Result<(), CommandError> {
    let surface: deliver::SurfaceKind =
        args.surface.parse().map_err(|error| CommandError::chain(ErrorKind::Usage, &error))?;
    surface.check_built().map_err(|error| CommandError::chain(ErrorKind::NotBuilt, &error))?;
    let placed = args.point.is_some() || args.class.is_some() || args.title.is_some() || args.pid.is_some();
    if !placed && !settings.agents.iter().any(|(agent, _)| agent.name == args.name) {
        let error = CommandError::usage(format!("where is `{}`?", args.name));
        return Err(error.hint("give --point X,Y, or its window with --class, --title or --pid"));
    }
    if !is_agent_name(&args.name) {
        return Err(CommandError::usage(NAME_RULE));
    }
    match &args.profile {
        Some(profile) => settings.agents.check_profile(profile),
        None => Ok(()),
    }
}

fn remove(name: &str, settings: &Settings, ui: &mut Ui) -> Result<ExitStatus, CommandError> {
    settings.agents.get(name)?;
    let mut edit = Edit::open(&settings.own_file)?;
    let agents = edit.document.get_mut("agents").and_then(Item::as_table_like_mut);
    let Some(removed) = agents.and_then(|agents| agents.remove(name)) else {
        let message = format!("`{name}` does not stand in `{}`", settings.own_file.display());
        return Err(CommandError::config(message).hint("`talkstick config show` says where it comes from"));
    };
    keep_comments_above(&removed, &mut edit);
    edit.save(settings)?;
    report(name, "removed", settings, ui);
    Ok(ExitStatus::SUCCESS)
}

fn report(name: &str, done: &str, settings: &Settings, ui: &mut Ui) {
    match ui.is_json() {
        true => ui.json(&serde_json::json!({"agent": name, "done": done, "file": settings.own_file})),
        false => ui.data(&format!("{name}: {done} ({})", settings.own_file.display())),
    }
}

/// The agent's table in the document, made where it is missing.
fn agent_table<'e>(edit: &'e mut Edit, name: &str) -> Result<&'e mut dyn toml_edit::TableLike, CommandError> {
    let comments_below = take_trailing(edit, name);
    let agents = edit.document.entry("agents").or_insert_with(|| {
        let mut table = Table::new();
        table.set_implicit(true);
        Item::Table(table)
    });
    let agents = agents.as_table_like_mut().ok_or_else(|| CommandError::config("`agents` must be a section"))?;
    let agent = agents.entry(name).or_insert_with(|| {
        let mut table = Table::new();
        if !comments_below.is_empty() {
            table.decor_mut().set_prefix(format!("{}\n\n", comments_below.trim_end()));
        }
        Item::Table(table)
    });
    agent.as_table_like_mut().ok_or_else(|| CommandError::config(format!("`agents.{name}` must be a section")))
}

/// Takes the comments at the end of the file, when a new agent's section will follow them: they may belong to the section
/// before, whose settings they carry as comments.
fn take_trailing(edit: &mut Edit, name: &str) -> String {
    let agents = edit.document.get("agents").and_then(Item::as_table_like);
    if agents.is_some_and(|agents| agents.contains_key(name)) {
        return String::new();
    }
    let trailing = edit.document.trailing().as_str().unwrap_or_default().to_owned();
    edit.document.set_trailing("");
    trailing
}

/// Keeps the comments above a removed section where they were, above what follows: they may be about something else.
fn keep_comments_above(removed: &Item, edit: &mut Edit) {
    let Some(removed) = removed.as_table() else { return };
    let Some(comments) = removed.decor().prefix().and_then(|p| p.as_str()).filter(|p| p.contains('#')) else { return };
    let mut positions = Vec::new();
    each_table(edit.document.as_table_mut(), &mut |table| positions.extend(table.position()));
    let next = positions.into_iter().filter(|at| Some(*at) > removed.position()).min();
    if next.is_none() {
        let trailing = edit.document.trailing().as_str().unwrap_or_default();
        let all = format!("{}\n{trailing}", comments.trim_end_matches('\n'));
        edit.document.set_trailing(all);
        return;
    }
    each_table(edit.document.as_table_mut(), &mut |table| {
        if table.position() == next {
            let own = table.decor().prefix().and_then(|prefix| prefix.as_str()).unwrap_or_default();
            let all = format!("{}\n{own}", comments.trim_end_matches('\n'));
            table.decor_mut().set_prefix(all);
        }
    });
}

/// Visits all tables that have a header of their own.
fn each_table(table: &mut Table, visit: &mut dyn FnMut(&mut Table)) {
    for (_, item) in table.iter_mut() {
        if let Item::Table(below) = item {
            if !below.is_implicit() {
                visit(below);
            }
            each_table(below, visit);
        }
    }
}

/// Sets one value and keeps the comments around it.
fn set(table: &mut dyn toml_edit::TableLike, key: &str, mut value: Value) {
    if let Some(old) = table.get(key).and_then(Item::as_value) {
        *value.decor_mut() = old.decor().clone();
    }
    table.insert(key, Item::Value(value));
}

fn point_value((x, y): (i32, i32)) -> Value {
    let mut array = Array::new();
    array.push(i64::from(x));
    array.push(i64::from(y));
    array.into()
}

fn window_value(args: &AddArgs) -> InlineTable {
    let mut window = InlineTable::new();
    if let Some(class) = &args.class {
        window.insert("class", class.as_str().into());
    }
    if let Some(title) = &args.title {
        window.insert("title", title.as_str().into());
    }
    if let Some(pid) = args.pid {
        window.insert("pid", i64::from(pid).into());
    }
    window
}
