//! Completion scripts.

use crate::case::Case;

#[test]
fn each_shell_has_a_script_even_with_a_broken_configuration() {
    for (shell, mark) in
        [("bash", "complete -F _talkstick"), ("zsh", "#compdef talkstick"), ("fish", "complete -c talkstick")]
    {
        let ran = Case::new(["completions", shell]).config("= broken").run();
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
        assert!(ran.stdout.contains(mark) && ran.stdout.contains("message-file"), "{shell}");
        // Neither our own helpers nor what is not built yet is offered.
        assert!(!ran.stdout.contains("helper") && !ran.stdout.contains("outbox"), "{shell}");
    }
    let ran = Case::new(["--json", "completions", "bash"]).run();
    let object = ran.json().remove(0);
    assert_eq!((ran.code, &object["shell"]), (Some(0), &"bash".into()));
    assert!(object["script"].as_str().unwrap().contains("complete -F _talkstick"), "{object}");
}
