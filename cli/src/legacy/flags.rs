//! The union of the flags that the old messaging command lines had over the years.

use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};

use crate::args::{GlobalArgs, Timeout};

/// A flag that is accepted: its name, its letter, and what it takes.
pub(super) struct OldFlag {
    pub(super) name: &'static str,
    letter: Option<char>,
    takes: Takes,
}

#[derive(Clone, Copy)]
enum Takes {
    Nothing,
    One,
    Many,
}

const fn flag(name: &'static str) -> OldFlag {
    OldFlag { name, letter: None, takes: Takes::Nothing }
}

const fn with_value(name: &'static str) -> OldFlag {
    OldFlag { name, letter: None, takes: Takes::One }
}

const fn with_values(name: &'static str) -> OldFlag {
    OldFlag { name, letter: None, takes: Takes::Many }
}

/// Flags that made no difference, or make none here: said, and otherwise ignored.
pub(super) const IGNORED: &[OldFlag] = &[
    OldFlag { name: "tags", letter: Some('t'), takes: Takes::Many },
    flag("pyautogui"),
    flag("gui"),
    with_value("type"),
    with_value("category"),
    flag("no-paste"),
    with_value("new-tab-method"),
    flag("stalled"),
    with_value("onboarding-style"),
    with_value("onboarding-file"),
    with_value("role"),
];

/// Flags of features that are not here: refused, with what they belonged to.
pub(super) const ABSENT: &[(OldFlag, &str)] = &[
    (with_values("start"), ONBOARDING),
    (flag("onboarding"), ONBOARDING),
    (flag("onboard"), ONBOARDING),
    (flag("hard-onboarding"), ONBOARDING),
    (flag("soft-onboarding"), ONBOARDING),
    (with_value("soft-onboard-lite"), ONBOARDING),
    (with_value("hard-onboard-lite"), ONBOARDING),
    (with_value("set-onboarding-coords"), ONBOARDING),
    (flag("wrapup"), TEMPLATES),
    (flag("survey-coordination"), TEMPLATES),
    (flag("consolidation-coordination"), TEMPLATES),
    (with_value("consolidation-batch"), TEMPLATES),
    (with_value("consolidation-status"), TEMPLATES),
    (flag("cycle-v2"), TEMPLATES),
    (flag("generate-work-resume"), TEMPLATES),
    (flag("save-resume"), TEMPLATES),
    (flag("save"), TEMPLATES),
    (flag("leaderboard"), TASKS),
    (flag("get-next-task"), TASKS),
    (flag("list-tasks"), TASKS),
    (with_value("task-status"), TASKS),
    (with_value("complete-task"), TASKS),
    (flag("compliance-mode"), TASKS),
    (flag("overnight"), TASKS),
    (with_values("batch"), BATCHES),
    (flag("batch-start"), BATCHES),
    (with_value("batch-add"), BATCHES),
    (flag("batch-send"), BATCHES),
    (flag("batch-status"), BATCHES),
    (flag("batch-cancel"), BATCHES),
    (flag("resend-failed"), "the outbox, which is not built yet"),
    (flag("stats"), "statistics, which are not built yet"),
    (with_value("history"), "the history, which is not built yet"),
    (flag("capture-coords"), "pointing at windows, which is not built yet (use `talkstick agents add`)"),
    (with_value("capture-agent"), "pointing at windows, which is not built yet (use `talkstick agents add`)"),
    (flag("test"), "self-tests of the old program (use `talkstick doctor`)"),
];

const ONBOARDING: &str = "the onboarding of agents, which talkstick does not do";
const TEMPLATES: &str = "canned messages, which talkstick does not have (send their text with --message)";
const TASKS: &str = "the task system, which talkstick does not have";
const BATCHES: &str = "batches, which talkstick does not have (send one message, or several)";

/// The flags that have a meaning, as given.
#[derive(Debug, Args)]
pub(crate) struct OldMeaning {
    /// To whom
    #[arg(short, long, value_name = "AGENT")]
    pub(super) agent: Option<String>,
    /// The message
    #[arg(short, long, value_name = "TEXT", allow_hyphen_values = true)]
    pub(super) message: Option<std::ffi::OsString>,
    /// To all agents
    #[arg(short, long)]
    pub(super) broadcast: bool,
    /// To all agents
    #[arg(long)]
    pub(super) bulk: bool,
    /// To these agents
    #[arg(long, value_name = "A,B", value_delimiter = ',', num_args = 1..)]
    pub(super) agents: Vec<String>,
    /// regular or urgent; also high and low
    #[arg(short, long, value_name = "PRIORITY", ignore_case = true, default_value = "regular")]
    #[arg(value_parser = |text: &str| text.to_ascii_lowercase().parse::<lock_core::Priority>())]
    pub(super) priority: lock_core::Priority,
    /// The same as --priority urgent
    #[arg(long)]
    pub(super) high_priority: bool,
    /// Who speaks
    #[arg(short, long, visible_alias = "from", value_name = "NAME")]
    pub(super) sender: Option<String>,
    /// Give up when nothing was typed after this long
    #[arg(long, value_name = "30s")]
    pub(super) timeout: Option<Timeout>,
    /// Say what would happen, and touch nothing
    #[arg(long)]
    pub(super) dry_run: bool,
    /// pyautogui
    #[arg(long, value_name = "MODE")]
    pub(super) mode: Option<String>,
    /// pyautogui or hybrid
    #[arg(short, long, value_name = "METHOD")]
    pub(super) delivery_method: Option<String>,
    /// The same as `agents list`
    #[arg(long)]
    pub(super) list_agents: bool,
    /// The same as `agents list`
    #[arg(long)]
    pub(super) coordinates: bool,
    /// The same as `status`
    #[arg(long)]
    pub(super) check_status: bool,
    /// The same as `doctor`
    #[arg(long)]
    pub(super) infra_health: bool,
    /// The same as `agents add`
    #[arg(long, value_name = "AGENT,X,Y", allow_hyphen_values = true)]
    pub(super) set_chat_coords: Option<String>,
    /// The same as `agents import`
    #[arg(long, value_name = "FILE")]
    pub(super) update_coords: Option<std::path::PathBuf>,
}

/// All flags as given.
#[derive(Debug)]
pub(crate) struct SeedFlags {
    pub(super) meaning: OldMeaning,
    /// Names of those without a meaning.
    pub(super) ignored: Vec<&'static str>,
    /// Names of those of absent features, with the feature.
    pub(super) absent: Vec<(&'static str, &'static str)>,
}

/// Reads the flags.
pub(crate) fn parse(argv: &[std::ffi::OsString]) -> Result<(GlobalArgs, SeedFlags), clap::Error> {
    let matches = command().try_get_matches_from(argv)?;
    let global = GlobalArgs::from_arg_matches(&matches)?;
    let meaning = OldMeaning::from_arg_matches(&matches)?;
    let ignored = IGNORED.iter().filter(|flag| given(&matches, flag)).map(|flag| flag.name).collect();
    let absent = ABSENT.iter().filter(|(flag, _)| given(&matches, flag)).map(|(flag, what)| (flag.name, *what));
    Ok((global, SeedFlags { absent: absent.collect(), meaning, ignored }))
}

fn given(matches: &ArgMatches, flag: &OldFlag) -> bool {
    matches.value_source(flag.name) == Some(clap::parser::ValueSource::CommandLine)
}

fn command() -> Command {
    // argparse took every unambiguous beginning of a flag's name.
    let command = Command::new("talkstick").version(env!("CARGO_PKG_VERSION")).infer_long_args(true);
    let command = command.about("Sends a message, by the flags of the old messaging_cli");
    let command = GlobalArgs::augment_args(OldMeaning::augment_args(command));
    let old = IGNORED.iter().chain(ABSENT.iter().map(|(flag, _)| flag));
    old.fold(command, |command, flag| command.arg(argument(flag)))
}

fn argument(flag: &OldFlag) -> Arg {
    let arg = Arg::new(flag.name).long(flag.name).short(flag.letter).hide(true);
    match flag.takes {
        Takes::Nothing => arg.action(ArgAction::SetTrue),
        Takes::One => arg.num_args(0..=1).default_missing_value("").allow_hyphen_values(false),
        Takes::Many => arg.num_args(0..).action(ArgAction::Append),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn no_flag_is_there_twice() {
        super::command().debug_assert();
    }
}
