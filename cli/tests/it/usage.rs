//! Arguments that cannot be.

use crate::case::Case;

#[test]
fn bad_values_name_the_flag_and_the_right_form() {
    for (args, says) in [
        (&["send", "-a", "A", "-m", "x", "--timeout", "5x"][..], "`5x` is no span of time; write for example 30s"),
        (&["send", "-a", "A", "-m", "x", "--timeout", "1e9"], "`1e9` is no span of time"),
        (&["send", "-a", "A", "-m", "x", "-p", "hi"], "unknown priority `hi`; known are urgent, high, normal"),
        (&["send", "-a", "A"], "--message <TEXT>|--message-file <PATH|->"),
        (&["send", "-a", "A", "-m", "x", "--message-file", "f"], "cannot be used with"),
        (&["send", "-m", "x"], "--agent <AGENT>"),
        (&["run", "k", "-n", "-w", "5", "--", "true"], "cannot be used with"),
        (&["break", "k"], "--token <N>"),
        (&["agents", "add", "A", "--point", "1;2"], "`1;2` is no point; write X,Y such as -1269,481"),
        (&["sned"], "unrecognized subcommand 'sned'"),
    ] {
        let case = Case::new(args.iter().copied());
        let ran = case.run();
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{args:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(says), "{args:?}: {}", ran.stderr);
        assert!(ran.stderr.starts_with("error: ") && ran.stderr.contains("--help` shows the usage"), "{}", ran.stderr);
        assert_eq!(ran.stderr.lines().count(), 1, "{}", ran.stderr);
        assert!(case.touched_nothing(), "{args:?}");
    }
}

#[test]
fn one_line_says_what_is_wrong_and_where_the_right_form_stands() {
    for (args, says) in [
        (
            &["agents", "ad"][..],
            "unrecognized subcommand 'ad'; a similar subcommand exists: 'add'; `talkstick agents --help` shows the usage",
        ),
        (
            &["--color", "x", "status"],
            "invalid value 'x' for '--color <WHEN>' [possible values: auto, always, never]; `talkstick status --help` shows the usage",
        ),
        (
            &["send", "-a", "A"],
            "the following required arguments were not provided: <--message <TEXT>|--message-file <PATH|->>; `talkstick send --help` shows the usage",
        ),
        (&["-q"], "`talkstick` needs a command; `talkstick --help` lists the commands"),
        (
            &["--agent"],
            "a value is required for '--agent <AGENT>' but none was supplied; `talkstick --help` shows the usage",
        ),
    ] {
        Case::new(args.iter().copied()).run().is(2, "", &format!("error: {says}\n"));
    }
}

#[test]
fn with_json_wrong_arguments_are_an_object_too() {
    for (args, says) in [
        (&["--json", "sned"][..], "unrecognized subcommand 'sned'"),
        (&["status", "a", "b", "--json"], "unexpected argument 'b' found"),
        (&["--json"], "`talkstick` needs a command"),
        (&["--json", "agents"], "`talkstick agents` needs a command"),
        (&["--json", "--agent"], "a value is required for '--agent <AGENT>' but none was supplied"),
        (&["run", "--json", "k", "-x", "--", "true"], "unexpected argument '-x' found"),
    ] {
        let ran = Case::new(args.iter().copied()).run();
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{}", ran.stderr);
        let [object] = &ran.talk()[..] else { panic!("{args:?}: {}", ran.stderr) };
        assert_eq!((&object["error"]["code"], &object["exit"]), (&"usage".into(), &2.into()), "{object}");
        assert_eq!(object["error"]["message"], says);
        assert!(object["error"]["hints"].as_array().is_some_and(|hints| !hints.is_empty()), "{object}");
    }
    // What follows `--` belongs to somebody else.
    assert!(!Case::new(["run", "k", "-x", "--", "true", "--json"]).run().stderr.contains('{'));
}

#[test]
fn help_and_version_are_data() {
    for args in [["--help"], ["--version"]] {
        let ran = Case::new(args).run();
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
        assert!(ran.stdout.contains("talkstick"));
    }
}

#[test]
fn colours_come_only_when_asked_for() {
    let args = ["send", "-a", "X", "-m", "x"];
    let plain = Case::new(args).run();
    assert!(!plain.stderr.contains('\u{1b}'), "{}", plain.stderr);
    let colored = Case::new(args.into_iter().chain(["--color", "always"])).run();
    assert!(colored.stderr.contains("\u{1b}[31merror:\u{1b}[0m"), "{}", colored.stderr);
}
