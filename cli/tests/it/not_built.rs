//! What is left for later versions says so.

use crate::case::{Case, TWO_AGENTS};

#[test]
fn says_what_is_not_built_and_does_nothing() {
    const SEND: [&str; 5] = ["send", "-a", "Agent-1", "-m", "x"];
    let send = |more: &[&'static str]| SEND.iter().chain(more).copied().collect::<Vec<_>>();
    for (args, what) in [
        (vec!["outbox", "list"], "`outbox`"),
        (vec!["history", "--agent", "A"], "`history`"),
        (vec!["stats"], "`stats`"),
        (vec!["top"], "`top`"),
        (vec!["agents", "pick"], "`agents pick`"),
        (vec!["config", "trust"], "`config trust`"),
        (send(&["--id", "a"]), "`--id`"),
        (send(&["--wait", "queued"]), "`--wait queued`"),
        (send(&["--wait", "confirmed"]), "`--wait confirmed`"),
        (send(&["--timeout", "adaptive"]), "`--timeout adaptive`"),
    ] {
        let case = Case::new(args).config(TWO_AGENTS);
        case.run().is(2, "", &format!("error: {what} is not built yet\n"));
        assert!(case.touched_nothing());
    }
}

#[test]
fn an_unknown_backend_lists_those_that_are_built() {
    let hint = "; choose one with --backend or `lock.backend`\n";
    let built = "file, redis, redis+cluster, redis+quorum, redis+sentinel, redis+unix, rediss, rediss+cluster, \
                 rediss+quorum, rediss+sentinel, sqlite, thread";
    let message = format!("error: the backend `etcd` is unknown; built are {built}{hint}");
    Case::new(["--backend", "etcd", "status"]).run().is(9, "", &message);
    let ran = Case::new(["--backend", "redis://u:secret@h", "status"]).run();
    assert_eq!(ran.code, Some(2));
    assert!(!ran.stderr.contains("secret"), "{}", ran.stderr);
}

#[test]
fn a_surface_that_is_not_built_is_known_but_refused() {
    let case = Case::new(["send", "-a", "T", "-m", "x", "--dry-run"]).config("agents.T.surface = \"tmux\"");
    case.run().is(2, "", "error: T: rejected: the surface `tmux` is not built yet; use desktop or simulated\n");
}
