//! The seed's way to be called: flags without a command. They are translated to a command, never run by another path.

mod flags;

use std::ffi::OsString;

pub(crate) use flags::{SeedFlags, parse};
use lock_core::Priority;

use crate::{
    args::{self, AddArgs, AgentsCommand, BroadcastArgs, Command, Content, Delivering, SendArgs, WaitLevel},
    error::CommandError,
    ui::Ui,
};

/// Whether the arguments hold flags but no command: the first thing that is no global option is a flag.
pub(crate) fn is_seed_call(argv: &[OsString]) -> bool {
    let first = argv.get(args::first_beyond_globals(argv)).map(|arg| arg.to_string_lossy());
    first.is_some_and(|first| {
        first.starts_with('-') && !["-h", "--help", "-V", "--version", "--"].contains(&first.as_ref())
    })
}

/// The command that the flags ask for.
pub(crate) fn translate(flags: SeedFlags, ui: &mut Ui) -> Result<Command, CommandError> {
    if let Some((name, feature)) = flags.absent.first() {
        let error = CommandError::not_built_as(format!("`--{name}` belongs to {feature}"));
        return Err(error.hint("`talkstick --help` lists what there is"));
    }
    let mut ignored = flags.ignored;
    let meaning = flags.meaning;
    for (flag, way) in [("mode", &meaning.mode), ("delivery-method", &meaning.delivery_method)] {
        match way.as_deref() {
            None => {}
            Some("pyautogui" | "hybrid") => ignored.push(flag),
            Some(other) => {
                let error = CommandError::not_built_as(format!("`--{flag} {other}`: only windows are built yet"));
                return Err(error.hint("leave the flag out to type into the agent's window"));
            }
        }
    }
    if !ignored.is_empty() {
        ui.say(&format!("note: ignored, without a meaning here: --{}", ignored.join(", --")));
    }
    match question(&meaning)? {
        Some(command) => Ok(command),
        None => message(meaning),
    }
}

/// The flags that ask or set something instead of sending.
fn question(flags: &flags::OldMeaning) -> Result<Option<Command>, CommandError> {
    Ok(if flags.list_agents || flags.coordinates {
        Some(Command::Agents(AgentsCommand::List))
    } else if flags.check_status {
        Some(Command::Status { key: None })
    } else if flags.infra_health {
        Some(Command::Doctor)
    } else if let Some(file) = &flags.update_coords {
        Some(Command::Agents(AgentsCommand::Import { file: file.clone(), mode: None }))
    } else if let Some(text) = &flags.set_chat_coords {
        Some(Command::Agents(AgentsCommand::Add(moved(text)?)))
    } else {
        None
    })
}

fn moved(text: &str) -> Result<AddArgs, CommandError> {
    let wrong = || CommandError::usage(format!("`{text}` is not AGENT,X,Y such as Agent-1,-1269,481"));
    let (name, point) = text.split_once(',').ok_or_else(wrong)?;
    let point = args::parse_point(point).map_err(|_| wrong())?;
    Ok(AddArgs {
        name: name.trim().to_owned(),
        point: Some(point),
        class: None,
        title: None,
        pid: None,
        profile: None,
        surface: deliver::SurfaceKind::default().name().to_owned(),
    })
}

fn message(flags: flags::OldMeaning) -> Result<Command, CommandError> {
    if flags.message.is_none() {
        let error = CommandError::usage("there is no message");
        return Err(error.hint("talkstick --agent Agent-1 --message \"...\", or `talkstick --help`"));
    }
    let to_many = flags.broadcast || flags.bulk || !flags.agents.is_empty();
    let priority = if flags.high_priority { Priority::Urgent } else { flags.priority };
    let delivering = Delivering {
        content: Content { message: flags.message, message_file: None },
        priority,
        from: flags.sender,
        id: None,
        timeout: flags.timeout,
        wait: WaitLevel::default(),
        dry_run: flags.dry_run,
    };
    match (flags.agent, to_many) {
        (Some(_), true) => {
            Err(CommandError::usage("--agent is for one agent, --broadcast, --bulk and --agents for many")
                .hint("give one of them"))
        }
        (Some(agent), false) => Ok(Command::Send(SendArgs { agent, delivering })),
        (None, true) => Ok(Command::Broadcast(BroadcastArgs { delivering, agents: flags.agents, except: Vec::new() })),
        (None, false) => Err(CommandError::usage("to whom?").hint("give --agent NAME, or --broadcast")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_flags_from_commands() {
        for (line, seed) in [
            ("talkstick --agent send --message x", true),
            ("talkstick --json -vv --root /x --agent A -m x", true),
            ("talkstick --root=/x --coordinates", true),
            ("talkstick send -a A -m x", false),
            ("talkstick --json --root --agent send", false),
            ("talkstick -q status", false),
            ("talkstick --help", false),
            ("talkstick", false),
        ] {
            let argv: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            assert_eq!(is_seed_call(&argv), seed, "{line}");
        }
    }
}
