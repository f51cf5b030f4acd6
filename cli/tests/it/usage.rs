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
        assert!(case.touched_nothing(), "{args:?}");
    }
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
