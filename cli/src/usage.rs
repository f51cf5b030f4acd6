//! Arguments that clap refuses, told as every other error: one line with what to do, and an object with `--json`.

use std::{borrow::Cow, ffi::OsString};

use clap::{CommandFactory, ValueEnum, error::ErrorKind};

use crate::{
    ExitStatus,
    args::{Cli, ColorWhen, GlobalArgs, first_beyond_globals},
    error::{CommandError, on_one_line},
    ui::Ui,
};

/// Shows what came of arguments that could not be read: help and version are data, the rest is an error.
pub(crate) fn show(refused: &clap::Error, argv: &[OsString]) -> ExitStatus {
    let global = globals(argv);
    let asks_for_help = refused.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand && !global.json;
    if !refused.use_stderr() || asks_for_help {
        // A closed stream leaves nobody to tell.
        let _closed = refused.print();
        return if asks_for_help { ExitStatus::USAGE } else { ExitStatus::SUCCESS };
    }
    Ui::new(&global).fail(&error(refused, &command_of(argv)))
}

/// What clap says, on one line and without its own usage text, which `--help` shows as well.
fn error(refused: &clap::Error, command: &str) -> CommandError {
    if matches!(refused.kind(), ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand | ErrorKind::MissingSubcommand) {
        let error = CommandError::usage(format!("`{command}` needs a command"));
        return error.hint(format!("`{command} --help` lists the commands"));
    }
    let text = refused.render().to_string();
    let paragraphs = text.split("\n\n").map(on_one_line);
    let said = paragraphs.take_while(|p| !p.starts_with("Usage:") && !p.starts_with("For more information"));
    let mut said = said.map(|p| p.trim_start_matches("error: ").trim_start_matches("tip: ").to_owned());
    let mut error = CommandError::usage(said.next().unwrap_or_default());
    for tip in said.filter(|tip| !tip.is_empty()) {
        error = error.hint(tip);
    }
    error.hint(format!("`{command} --help` shows the usage"))
}

/// `talkstick` and the commands that the arguments name.
fn command_of(argv: &[OsString]) -> String {
    let mut path = "talkstick".to_owned();
    let mut command = Cli::command();
    for word in argv.iter().skip(first_beyond_globals(argv)) {
        let Some(next) = word.to_str().and_then(|word| command.find_subcommand(word)) else { break };
        path = format!("{path} {}", next.get_name());
        command = next.clone();
    }
    path
}

/// The global flags among arguments that cannot be parsed.
fn globals(argv: &[OsString]) -> GlobalArgs {
    let mut global = GlobalArgs::default();
    let mut words = argv.iter().skip(1).map(|word| word.to_string_lossy()).take_while(|word| word != "--");
    let mut color = |value: Option<Cow<'_, str>>| {
        if let Some(when) = value.and_then(|value| ColorWhen::from_str(&value, true).ok()) {
            global.color = when;
        }
    };
    while let Some(word) = words.next() {
        match &*word {
            // A message may look like a flag.
            "-m" | "--message" => drop(words.next()),
            "--json" => global.json = true,
            "--color" => color(words.next()),
            other => color(other.strip_prefix("--color=").map(Cow::Borrowed)),
        }
    }
    global
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn global_flags_are_found_where_nothing_else_can_be_read() {
        let json = |line: &str| globals(&line.split(' ').map(OsString::from).collect::<Vec<_>>()).json;
        assert!(json("talkstick sned --json") && json("talkstick --json") && json("talkstick --color x --json"));
        assert!(!json("talkstick send -m --json") && !json("talkstick run k -- cargo --json"));
    }
}
