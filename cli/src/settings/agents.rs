//! Agents and profiles: from configuration to what a sender needs.

use std::{cmp::Ordering, collections::BTreeMap};

use deliver::{Agent, PROFILE_NAMES, Profile, ProfileOverrides, SurfaceKind, desktop::Place};

use super::{raw::RawAgent, schema::nearest};
use crate::error::{CommandError, ErrorKind};

/// What [`is_agent_name`] asks, in words.
pub(crate) const NAME_RULE: &str = "a name must not be empty, and has no commas or control characters";

/// Whether an agent can have this name: `--agents A,B` must be able to list it.
pub(crate) fn is_agent_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(|c: char| c.is_control() || c == ',')
}

/// All agents, in the order that people count: Agent-2 before Agent-10.
#[derive(Debug, Clone, Default)]
pub(crate) struct Agents {
    agents: Vec<(Agent, Option<String>)>,
    own_profiles: BTreeMap<String, Profile>,
}

impl Agents {
    /// Checks all agents and profiles.
    pub(crate) fn build(
        raw: BTreeMap<String, RawAgent>,
        profiles: &BTreeMap<String, ProfileOverrides>,
    ) -> Result<Self, CommandError> {
        let mut own = BTreeMap::new();
        for (name, overrides) in profiles {
            own.insert(name.clone(), own_profile(name, overrides)?);
        }
        let mut agents = Vec::new();
        for (name, raw) in raw {
            let description = raw.description.clone();
            agents.push((agent(name, raw, &own)?, description));
        }
        agents.sort_by(|(a, _), (b, _)| as_counted(&a.name, &b.name));
        Ok(Self { agents, own_profiles: own })
    }

    /// Each agent with its description.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Agent, Option<&str>)> {
        self.agents.iter().map(|(agent, description)| (agent, description.as_deref()))
    }

    /// The agent of that name.
    pub(crate) fn get(&self, name: &str) -> Result<&Agent, CommandError> {
        self.iter().map(|(agent, _)| agent).find(|agent| agent.name == name).ok_or_else(|| self.unknown(name))
    }

    /// Refuses a profile that is neither built in nor configured.
    pub(crate) fn check_profile(&self, name: &str) -> Result<(), CommandError> {
        profile(name, &self.own_profiles).map(|_| ()).map_err(CommandError::usage)
    }

    fn unknown(&self, name: &str) -> CommandError {
        let error = CommandError::new(ErrorKind::UnknownAgent, format!("there is no agent `{name}`"));
        let names: Vec<String> = self.agents.iter().map(|(agent, _)| agent.name.clone()).collect();
        if names.is_empty() {
            return error.hint("no agents are configured; add one with `talkstick agents add` or `agents import FILE`");
        }
        match nearest_names(name, &names) {
            near if near.is_empty() => error.hint(format!("known are {}", listed(&names))),
            near => error.hint(format!("did you mean {}?", near.join(", "))),
        }
    }
}

/// At most three names near to `name`, nearest first.
fn nearest_names(name: &str, names: &[String]) -> Vec<String> {
    let mut rest = names.to_vec();
    let mut near = Vec::new();
    while near.len() < 3
        && let Some(next) = nearest(name, rest.iter().cloned())
    {
        rest.retain(|n| *n != next);
        near.push(next);
    }
    near
}

fn listed(names: &[String]) -> String {
    const SHOWN_MAX: usize = 12;
    match names.len() {
        count if count > SHOWN_MAX => format!("{} and {} more", names[..SHOWN_MAX].join(", "), count - SHOWN_MAX),
        _ => names.join(", "),
    }
}

fn own_profile(name: &str, overrides: &ProfileOverrides) -> Result<Profile, CommandError> {
    let mut overrides = overrides.clone();
    // A profile that carries a built-in one's name changes that one, and does not start from another.
    if overrides.base.is_none() && PROFILE_NAMES.contains(&name) {
        overrides.base = Some(name.to_owned());
    }
    overrides.apply(name).map_err(|error| {
        let error = CommandError::chain(ErrorKind::Config, &error);
        error.hint(format!("correct [profiles.{name}] in talkstick.toml"))
    })
}

fn agent(name: String, raw: RawAgent, own: &BTreeMap<String, Profile>) -> Result<Agent, CommandError> {
    let wrong = |why: String| {
        CommandError::config(format!("agent `{name}`: {why}"))
            .hint(format!("correct [agents.{name}] in talkstick.toml"))
    };
    if !is_agent_name(&name) {
        return Err(wrong(NAME_RULE.into()));
    }
    let surface = match &raw.surface {
        Some(word) => word.parse::<SurfaceKind>().map_err(|error| wrong(error.to_string()))?,
        None => SurfaceKind::default(),
    };
    let on_desktop = matches!(surface, SurfaceKind::Desktop | SurfaceKind::Simulated);
    if on_desktop && raw.point.is_none() && raw.window.is_none() {
        return Err(wrong("it has neither a point nor a window".into()));
    }
    if raw.window.as_ref().is_some_and(|window| *window == Default::default()) {
        return Err(wrong("its window has neither class, title nor pid, so every window would fit".into()));
    }
    let profile = profile(raw.profile.as_deref().unwrap_or(PROFILE_NAMES[0]), own).map_err(wrong)?;
    Ok(Agent { surface, place: Place { point: raw.point, window: raw.window }, profile, name })
}

fn profile(name: &str, own: &BTreeMap<String, Profile>) -> Result<Profile, String> {
    own.get(name).cloned().or_else(|| Profile::named(name)).ok_or_else(|| {
        let known: Vec<String> = PROFILE_NAMES.iter().map(|n| (*n).to_owned()).chain(own.keys().cloned()).collect();
        format!("there is no profile `{name}`; known are {}", listed(&known))
    })
}

/// Compares the number at the end of names as a number.
fn as_counted(a: &str, b: &str) -> Ordering {
    fn key(text: &str) -> (&str, u64) {
        let digits = text.len() - text.trim_end_matches(|c: char| c.is_ascii_digit()).len();
        let (stem, number) = text.split_at(text.len() - digits);
        (stem, number.parse().unwrap_or(0))
    }
    key(a).cmp(&key(b)).then_with(|| a.cmp(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_sort_as_people_count() {
        let mut names = ["Agent-10", "Agent-2", "Captain", "Agent-1"];
        names.sort_by(|a, b| as_counted(a, b));
        assert_eq!(names, ["Agent-1", "Agent-2", "Agent-10", "Captain"]);
    }
}
