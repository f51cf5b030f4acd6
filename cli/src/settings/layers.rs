//! The layers: defaults, files, environment, flags; each value keeps the place it came from.

use config::{Config, ConfigError, Map, Source, Value, ValueKind};
use toml_edit::{Document, Item};

use super::{files::ConfigText, schema};
use crate::{
    env_vars,
    error::{CommandError, ErrorKind},
};

/// One layer: a table whose values carry their origins.
#[derive(Debug, Clone)]
struct Layer(Map<String, Value>);

impl Source for Layer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, ConfigError> {
        Ok(self.0.clone())
    }
}

/// Merges all layers, weakest first, and refuses what is no setting.
pub(crate) fn merge(texts: &[ConfigText], flags: &[(&str, &str, String)]) -> Result<Config, CommandError> {
    let mut builder = Config::builder().add_source(defaults()?);
    for text in texts {
        builder = builder.add_source(file(text)?);
    }
    let merged = builder
        .add_source(environment()?)
        .add_source(Layer(flag_values(flags)))
        .build()
        .map_err(|e| CommandError::chain(ErrorKind::Config, &e))?;
    refuse_unknown(&merged.cache, &mut Vec::new())?;
    Ok(merged)
}

/// The leaves of a merged configuration: path, value and origin.
pub(crate) fn leaves(value: &Value) -> Vec<(Vec<String>, Value)> {
    let mut found = Vec::new();
    collect_leaves(value, &mut Vec::new(), &mut found);
    found.sort_by(|(a, _), (b, _)| a.cmp(b));
    found
}

fn collect_leaves(value: &Value, path: &mut Vec<String>, found: &mut Vec<(Vec<String>, Value)>) {
    match &value.kind {
        ValueKind::Table(table) => {
            for (name, value) in table {
                path.push(name.clone());
                collect_leaves(value, path, found);
                path.pop();
            }
        }
        _ => found.push((path.clone(), value.clone())),
    }
}

/// Refuses the first value that does not have its setting's shape.
pub(crate) fn check_shapes(leaves: &[(Vec<String>, Value)]) -> Result<(), CommandError> {
    for (path, value) in leaves {
        if let Some(shape) = schema::shape_of(path).filter(|shape| !shape.fits(value)) {
            let origin = value.origin().map(|origin| format!(" ({origin})")).unwrap_or_default();
            let (key, found) = (path.join("."), super::as_json(value));
            return Err(CommandError::config(format!("`{key}` must be {shape}, not {found}{origin}")));
        }
    }
    Ok(())
}

fn refuse_unknown(value: &Value, path: &mut Vec<String>) -> Result<(), CommandError> {
    if let ValueKind::Table(table) = &value.kind
        && (path.is_empty() || schema::is_section(path))
    {
        let mut names: Vec<_> = table.iter().collect();
        names.sort_by_key(|(name, _)| *name);
        for (name, value) in names {
            path.push(name.clone());
            refuse_unknown(value, path)?;
            path.pop();
        }
        return Ok(());
    }
    let is_table = matches!(value.kind, ValueKind::Table(_));
    if schema::is_known(path) && !is_table {
        return Ok(());
    }
    let mut place = value.origin().map(|origin| format!(" ({origin})")).unwrap_or_default();
    if let ValueKind::Table(table) = &value.kind
        && let Some(origin) = table.values().find_map(Value::origin)
    {
        place = format!(" ({origin})");
    }
    let what = match (schema::is_section(path), schema::is_known(path)) {
        (true, _) => "must be a section",
        (false, true) => "is no section",
        (false, false) => "is no setting",
    };
    let error = CommandError::config(format!("`{}` {what}{place}", path.join(".")));
    Err(match schema::nearest_setting(path) {
        Some(near) if what == "is no setting" => error.hint(format!("did you mean `{near}`?")),
        _ => error.hint("`talkstick config show` lists the settings"),
    })
}

fn defaults() -> Result<Layer, CommandError> {
    let mut table = Map::new();
    for setting in schema::SETTINGS {
        let Some(default) = setting.default else { continue };
        let text = format!("value = {default}");
        let parsed = Document::parse(text.as_str()).map_err(|e| CommandError::chain(ErrorKind::Config, &e))?;
        let value = value_of(&parsed["value"], &|_| "default".to_owned())?;
        insert(&mut table, setting.path.split('.').map(str::to_owned), value);
    }
    Ok(Layer(table))
}

fn file(source: &ConfigText) -> Result<Layer, CommandError> {
    let name = source.path.display().to_string();
    let place = |at: usize| {
        let line = source.text.as_bytes().iter().take(at).filter(|b| **b == b'\n').count() + 1;
        format!("{name}:{line}")
    };
    let parsed = Document::parse(source.text.as_str()).map_err(|error| {
        let at = error.span().map_or_else(|| name.clone(), |span| place(span.start));
        CommandError::config(format!("{at}: {}", crate::error::on_one_line(error.message())))
    })?;
    match value_of(parsed.as_item(), &place)?.kind {
        ValueKind::Table(table) => Ok(Layer(table)),
        _ => Ok(Layer(Map::new())),
    }
}

/// A TOML item as a value with the place where it stands.
fn value_of(item: &Item, place: &dyn Fn(usize) -> String) -> Result<Value, CommandError> {
    let origin = item.span().map(|span| place(span.start)).unwrap_or_else(|| place(0));
    let kind = if let Some(table) = item.as_table_like() {
        let mut map = Map::new();
        for (name, item) in table.iter() {
            map.insert(name.to_owned(), value_of(item, place)?);
        }
        ValueKind::Table(map)
    } else if let Some(array) = item.as_array() {
        let values = array.iter().map(|v| value_of(&Item::Value(v.clone()), place));
        ValueKind::Array(values.collect::<Result<_, _>>()?)
    } else if let Some(text) = item.as_str() {
        ValueKind::String(text.to_owned())
    } else if let Some(number) = item.as_integer() {
        ValueKind::I64(number)
    } else if let Some(number) = item.as_float() {
        ValueKind::Float(number)
    } else if let Some(truth) = item.as_bool() {
        ValueKind::Boolean(truth)
    } else {
        return Err(CommandError::config(format!("{origin}: a {} is of no use here", item.type_name())));
    };
    Ok(Value::new(Some(&origin), kind))
}

fn environment() -> Result<Layer, CommandError> {
    let mut table = Map::new();
    for (suffix, value) in env_vars::settings() {
        let name = format!("{}{suffix}", env_vars::SETTING_PREFIX);
        let path: Vec<String> = suffix.to_ascii_lowercase().split("__").map(str::to_owned).collect();
        // Their names have upper case letters and signs that a variable's name cannot carry.
        if matches!(path[0].as_str(), "agents" | "profiles") {
            let message = format!("`{name}`: agents and profiles cannot be set by environment");
            return Err(CommandError::config(message).hint("put them into talkstick.toml"));
        }
        let value = value.ok_or_else(|| CommandError::config(format!("`{name}` is not UTF-8")))?;
        insert(&mut table, path.into_iter(), Value::new(Some(&format!("environment {name}")), value));
    }
    Ok(Layer(table))
}

fn flag_values(flags: &[(&str, &str, String)]) -> Map<String, Value> {
    let mut table = Map::new();
    for (path, flag, value) in flags {
        let value = Value::new(Some(&format!("flag {flag}")), value.clone());
        insert(&mut table, path.split('.').map(str::to_owned), value);
    }
    table
}

fn insert(table: &mut Map<String, Value>, mut path: impl Iterator<Item = String>, value: Value) {
    let Some(name) = path.next() else { return };
    let mut rest = path.peekable();
    if rest.peek().is_none() {
        table.insert(name, value);
        return;
    }
    let below = table
        .entry(name)
        .or_insert_with(|| Value::new(value.origin().map(str::to_owned).as_ref(), Map::<String, Value>::new()));
    if let ValueKind::Table(below) = &mut below.kind {
        insert(below, &mut rest as &mut dyn Iterator<Item = String>, value);
    }
}
