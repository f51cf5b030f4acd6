//! The old flags without a command.

use crate::{
    case::{Case, TWO_AGENTS},
    send::desktop,
};

const PLAN: &str = "would paste 2 bytes at the window with title \"Agent-1\", now";
const UNDER: &str = "(simulated, profile chat) under the lock `messaging_pyautogui` of file";

#[test]
fn old_calls_still_send() {
    let (_desktop, config) = desktop();
    for (args, priority) in [
        (&["--agent", "Agent-1", "--message", "hi"][..], "normal"),
        (&["-a", "Agent-1", "-m", "hi", "-p", "regular", "-s", "CAPTAIN"], "normal"),
        (&["--agent", "Agent-1", "--message", "hi", "--priority", "urgent"], "urgent"),
        (&["--agent", "Agent-1", "--message", "hi", "--high-priority"], "urgent"),
        (&["--agent", "Agent-1", "--mess", "hi", "--sender", "Captain"], "normal"),
        (&["--agents", "Agent-1", "--message", "hi"], "normal"),
        (&["--mode", "pyautogui", "--agent", "Agent-1", "--message", "hi"], "normal"),
    ] {
        let case = Case::new(args.iter().chain(&["--dry-run"]).copied()).config(&config);
        let ran = case.run();
        assert!(ran.stdout.starts_with(&format!("Agent-1: {PLAN} ")), "{args:?}: {}{}", ran.stdout, ran.stderr);
        let end = format!("{UNDER}, priority {priority}, within 30s\n");
        assert!(ran.stdout.ends_with(&end), "{args:?}: {}", ran.stdout);
        assert_eq!(ran.code, Some(0));
        assert!(case.touched_nothing());
    }
}

#[test]
fn flags_without_a_meaning_are_named_in_one_line() {
    let args = ["-a", "Agent-1", "-m", "hi", "-t", "captain", "wrapup", "--pyautogui", "--type", "text", "--dry-run"];
    let (_desktop, config) = desktop();
    let ran = Case::new(args).config(&config).run();
    assert_eq!(ran.stderr, "note: ignored, without a meaning here: --tags, --pyautogui, --type\n");
    assert_eq!(ran.code, Some(0));
    let quiet = Case::new(args.into_iter().chain(["-q"])).config(&config).run();
    assert_eq!((quiet.stderr.as_str(), quiet.code), ("", Some(0)));
}

#[test]
fn to_all_in_the_old_ways() {
    let (_desktop, config) = desktop();
    for flag in ["--broadcast", "-b", "--bulk"] {
        let ran = Case::new([flag, "-m", "hi", "--dry-run"]).config(&config).run();
        let names: Vec<&str> = ran.stdout.lines().map(|line| line.split(':').next().unwrap()).collect();
        assert_eq!(names, ["Agent-1", "Agent-2"], "{}", ran.stderr);
    }
    Case::new(["--bulk", "-a", "Agent-1", "-m", "hi"]).config(TWO_AGENTS).run().is(
        2,
        "",
        "error: --agent is for one agent, --broadcast, --bulk and --agents for many; give one of them\n",
    );
    Case::new(["--broadcast"]).config(TWO_AGENTS).run().is(
        2,
        "",
        "error: there is no message; talkstick --agent Agent-1 --message \"...\", or `talkstick --help`\n",
    );
}

#[test]
fn questions_are_answered_by_their_commands() {
    let list = Case::new(["agents", "list"]).config(TWO_AGENTS).run().stdout;
    for flag in ["--coordinates", "--list-agents"] {
        Case::new([flag]).config(TWO_AGENTS).run().is(0, &list, "");
    }
    let case = Case::new(["--set-chat-coords", "Agent-1,-7,8"]).config(TWO_AGENTS);
    case.run().is(0, "Agent-1: changed ([root]/talkstick.toml)\n", "");
    Case::new(["--check-status"]).run().is(0, "messaging_pyautogui: nobody holds it\n", "");
}

#[test]
fn absent_features_are_answered_clearly() {
    for (args, what) in [
        (&["--start", "1", "2"][..], "`--start` belongs to the onboarding of agents, which talkstick does not do"),
        (
            &["--agent", "Agent-1", "--get-next-task"],
            "`--get-next-task` belongs to the task system, which talkstick does not have",
        ),
        (
            &["--hard-onboarding", "--agent", "Agent-1"],
            "`--hard-onboarding` belongs to the onboarding of agents, which talkstick does not do",
        ),
        (&["--history", "5"], "`--history` belongs to the history, which is not built yet"),
    ] {
        let case = Case::new(args.iter().copied()).config(TWO_AGENTS);
        case.run().is(2, "", &format!("error: {what}; `talkstick --help` lists what there is\n"));
        assert!(case.touched_nothing());
    }
    Case::new(["--agent", "Agent-1", "-m", "x", "--mode", "inbox"]).config(TWO_AGENTS).run().is(
        2,
        "",
        "error: `--mode inbox`: only windows are built yet; leave the flag out to type into the agent's window\n",
    );
}
