//! `broadcast`: a line each, and the worst status.

use crate::{
    case::{Case, TWO_AGENTS},
    send::{desktop, submitted},
};

#[test]
fn each_agent_gets_the_message_and_a_line() {
    let (desktop, config) = desktop();
    let case = Case::new(["broadcast", "-m", "all"]).config(&config);
    case.run().is(0, "Agent-1: submitted\nAgent-2: submitted\n", "");
    let case = case.again(["broadcast", "-m", "one", "--except", "Agent-1"]);
    case.run().is(0, "Agent-2: submitted\n", "");
    let case = case.again(["--json", "broadcast", "-m", "two", "--agents", "Agent-2,Agent-1,Agent-2"]);
    let agents: Vec<_> = case.run().json().iter().map(|receipt| receipt["agent"].clone()).collect();
    assert_eq!(agents, ["Agent-2", "Agent-1"]);
    assert_eq!(submitted(&desktop), [vec!["all", "two"], vec!["all", "one", "two"]]);
}

#[test]
fn the_worst_outcome_is_the_status_and_the_others_are_delivered() {
    let (desktop, config) = desktop();
    let config = format!("{config}[agents.Agent-0]\nsurface = \"simulated\"\nwindow = {{ title = \"gone\" }}\n");
    let ran = Case::new(["broadcast", "-m", "x"]).config(&config).run();
    let lines: Vec<&str> = ran.stdout.lines().collect();
    assert!(lines[0].starts_with("Agent-0: rejected: ") && lines[0].contains("the target is gone"), "{lines:?}");
    assert_eq!((&lines[1..], ran.code), (&["Agent-1: submitted", "Agent-2: submitted"][..], Some(3)));
    assert_eq!(ran.stderr, "hint: Agent-0: nothing was typed; check the place with `talkstick doctor`\n");
    assert_eq!(submitted(&desktop), [["x"], ["x"]]);
}

#[test]
fn unknown_names_fail_before_anything_is_typed() {
    for args in [["--agents", "Agent-1,Agnt-2"], ["--except", "Agnt-2"]] {
        let case = Case::new(["broadcast", "-m", "x"].into_iter().chain(args)).config(TWO_AGENTS);
        case.run().is(3, "", "error: there is no agent `Agnt-2`; did you mean Agent-2, Agent-1?\n");
        assert!(case.touched_nothing());
    }
    Case::new(["broadcast", "-m", "x"]).run().is(
        2,
        "",
        "error: there is nobody to send to; `talkstick agents list` shows who is known; --except may name all of them\n",
    );
}
