//! The swarm's coordinate files. Over the years there were many shapes:
//!
//! - `{"agents": {"Agent-1": {"chat_input_coordinates": [-1269, 481], "description": "..", "active": true}}}`
//! - `{"Agent-1": {"chat_input": [200, 300]}, "screen_bounds": {..}}`
//! - `{"Agent-1": [200, 300]}`, also inside `"agents"`
//! - `{"5-agent": {"Agent-1": {"input_box": {"x": 1, "y": 2}}}}`: one group for each mode
//!
//! Coordinates left of or above the first monitor are negative.

use serde_json::{Map, Value};

use crate::settings::{NAME_RULE, is_agent_name};

/// Names that the chat point has had. The onboarding point is never taken for it: the two were mixed up for weeks.
const CHAT_FIELDS: [&str; 7] = [
    "chat_input_coordinates",
    "chat_input_coords",
    "chat_input",
    "chat_coordinates",
    "chat_coords",
    "input_box",
    "coordinates",
];
/// Names that the onboarding point has had; where one of them stands, an agent is meant.
const ONBOARDING_FIELDS: [&str; 4] =
    ["onboarding_input_coords", "onboarding_coordinates", "onboarding_coords", "starter_location_box"];

/// One agent of such a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Imported {
    pub(crate) name: String,
    pub(crate) point: (i32, i32),
    pub(crate) description: Option<String>,
    /// The file says that it is not in use.
    pub(crate) inactive: bool,
}

/// Why a file cannot be imported.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Malformed {
    #[error("it is not JSON")]
    NotJson(#[source] JsonError),
    #[error("it holds no agents with coordinates")]
    NoAgents,
    #[error("the coordinates of `{name}` are malformed: {found} is no pair of whole numbers")]
    Point { name: String, found: String },
    #[error("`{0}` is no name for an agent: {NAME_RULE}")]
    Name(String),
    #[error("`{name}` has no chat coordinates")]
    NoChatPoint { name: String },
    #[error("it holds several modes ({}); choose one with --mode", .0.join(", "))]
    ManyModes(Vec<String>),
    #[error("it holds no mode `{0}`")]
    NoSuchMode(String),
}

/// What serde_json said: its own error cannot be compared.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct JsonError(String);

/// Reads a coordinate file of any of the shapes, its agents sorted by name.
pub(crate) fn parse(text: &str, mode: Option<&str>) -> Result<Vec<Imported>, Malformed> {
    let file: Value = serde_json::from_str(text).map_err(|e| Malformed::NotJson(JsonError(e.to_string())))?;
    let Value::Object(file) = file else { return Err(Malformed::NoAgents) };
    let entries = match file.get("agents") {
        Some(Value::Object(agents)) => agents.clone(),
        _ => choose_mode(file, mode)?,
    };
    let mut agents = Vec::new();
    for (name, entry) in &entries {
        agents.extend(agent(name, entry)?);
    }
    match agents.is_empty() {
        true => Err(Malformed::NoAgents),
        false => Ok(agents),
    }
}

/// The agents of one mode, or the file itself where it has no modes.
fn choose_mode(file: Map<String, Value>, wanted: Option<&str>) -> Result<Map<String, Value>, Malformed> {
    let current = file.get("current_mode").and_then(Value::as_str).map(str::to_owned);
    let mut modes: Vec<(String, Map<String, Value>)> = Vec::new();
    for (name, value) in &file {
        if let Value::Object(group) = value
            && group.values().any(|entry| entry.as_object().is_some_and(names_a_point))
            && !names_a_point(group)
        {
            modes.push((name.clone(), group.clone()));
        }
    }
    let wanted = wanted.map(str::to_owned).or(current.filter(|_| modes.len() > 1));
    match (wanted, modes.len()) {
        (Some(wanted), _) => {
            let found = modes.into_iter().find(|(name, _)| *name == wanted);
            found.map(|(_, agents)| agents).ok_or(Malformed::NoSuchMode(wanted))
        }
        (None, 0) => Ok(file),
        (None, 1) => Ok(modes.remove(0).1),
        (None, _) => Err(Malformed::ManyModes(modes.into_iter().map(|(name, _)| name).collect())),
    }
}

fn names_a_point(entry: &Map<String, Value>) -> bool {
    CHAT_FIELDS.iter().chain(&ONBOARDING_FIELDS).any(|field| entry.contains_key(*field))
}

/// The agent that an entry describes; `None` for an entry that describes something else, such as `screen_bounds`.
fn agent(name: &str, entry: &Value) -> Result<Option<Imported>, Malformed> {
    let none = Map::new();
    let (place, fields) = match entry {
        Value::Array(_) => (entry, &none),
        Value::Object(fields) if names_a_point(fields) => {
            let place = CHAT_FIELDS.iter().find_map(|field| fields.get(*field));
            (place.ok_or_else(|| Malformed::NoChatPoint { name: name.to_owned() })?, fields)
        }
        Value::Object(fields) if fields.contains_key("x") && fields.contains_key("y") => (entry, fields),
        _ => return Ok(None),
    };
    if !is_agent_name(name) {
        return Err(Malformed::Name(name.to_owned()));
    }
    let malformed = || Malformed::Point { name: name.to_owned(), found: place.to_string() };
    Ok(Some(Imported {
        name: name.to_owned(),
        point: point(place).ok_or_else(malformed)?,
        description: fields.get("description").and_then(Value::as_str).map(str::to_owned),
        inactive: fields.get("active") == Some(&Value::Bool(false)),
    }))
}

fn point(place: &Value) -> Option<(i32, i32)> {
    let (x, y) = match place {
        Value::Array(pair) => match pair.as_slice() {
            [x, y] => (x, y),
            _ => return None,
        },
        Value::Object(fields) => (fields.get("x")?, fields.get("y")?),
        _ => return None,
    };
    Some((whole(x)?, whole(y)?))
}

fn whole(number: &Value) -> Option<i32> {
    let whole = number.as_i64().or_else(|| number.as_f64().filter(|n| n.fract() == 0.0).map(|n| n as i64))?;
    i32::try_from(whole).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(text: &str) -> Vec<(String, (i32, i32))> {
        parse(text, None).unwrap().into_iter().map(|agent| (agent.name, agent.point)).collect()
    }

    #[test]
    fn reads_every_shape() {
        for text in [
            r#"{"agents":{"A":{"chat_input_coordinates":[-1269,481],"onboarding_input_coords":[-1265,171]}}}"#,
            r#"{"agents":{"A":{"chat_input_coordinates":[-1269,481],"onboarding_coordinates":[1,2]}},"version":"2"}"#,
            r#"{"A":{"chat_input":[-1269,481],"onboarding_coords":[200,200]},"screen_bounds":{"width":1920}}"#,
            r#"{"A":[-1269,481]}"#,
            r#"{"agents":{"A":[-1269,481]}}"#,
            r#"{"A":{"x":-1269,"y":481.0}}"#,
            r#"{"5-agent":{"A":{"input_box":{"x":-1269,"y":481},"starter_location_box":{"x":1,"y":2}}}}"#,
            r#"{"current_mode":"b","a":{"A":{"input_box":{"x":1,"y":2}}},"b":{"A":{"input_box":{"x":-1269,"y":481}}}}"#,
        ] {
            assert_eq!(points(text), [("A".to_owned(), (-1269, 481))], "{text}");
        }
    }

    #[test]
    fn says_what_is_wrong() {
        for (text, wrong) in [
            ("{", "it is not JSON"),
            ("[]", "it holds no agents with coordinates"),
            (r#"{"current_mode":"5-agent","modes":{}}"#, "it holds no agents with coordinates"),
            (r#"{"A":[1]}"#, "the coordinates of `A` are malformed: [1] is no pair of whole numbers"),
            (
                r#"{"A":{"chat_input":["1",2]}}"#,
                "the coordinates of `A` are malformed: [\"1\",2] is no pair of whole numbers",
            ),
            (r#"{"A":[1.5,2]}"#, "the coordinates of `A` are malformed: [1.5,2] is no pair of whole numbers"),
            (
                r#"{"A":[1,99999999999]}"#,
                "the coordinates of `A` are malformed: [1,99999999999] is no pair of whole numbers",
            ),
            (
                r#"{"":[1,2]}"#,
                "`` is no name for an agent: a name must not be empty, and has no commas or control characters",
            ),
            (r#"{"agents":{"A":{"onboarding_coords":[1,2]}}}"#, "`A` has no chat coordinates"),
            (
                r#"{"a":{"A":{"input_box":{"x":1,"y":2}}},"b":{"A":{"input_box":{"x":3,"y":4}}}}"#,
                "it holds several modes (a, b); choose one with --mode",
            ),
        ] {
            assert_eq!(parse(text, None).unwrap_err().to_string(), wrong, "{text}");
        }
    }
}
