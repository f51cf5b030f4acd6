//! `break`: by token only.

use crate::{case::Case, status::hold};

#[test]
fn a_token_that_does_not_hold_breaks_nothing() {
    let case = Case::new(["break", "k", "--token", "7"]);
    case.run().is(
        4,
        "",
        "error: `k` is not held under token 7: nobody holds it; `talkstick status k` shows the token of the holder; nothing was broken\n",
    );
}

#[test]
fn a_foreign_holder_is_named_and_never_broken() {
    let holder = hold("", "k");
    let ran = holder.case.again_here(["break", "k", "--token", "7", "--kill"]).run();
    assert_ne!(ran.code, Some(0));
    assert!(ran.stderr.starts_with("error: ") && ran.stderr.contains("nothing was broken"), "{}", ran.stderr);
}
