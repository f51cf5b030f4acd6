//! Where the root is found, and when it is refused.

use std::{fs, os::unix::fs::PermissionsExt};

use crate::case::Case;

fn shown(case: &Case) -> String {
    let ran = case.run();
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    ran.stdout.lines().next().unwrap().to_owned()
}

#[test]
fn the_nearest_folder_upwards_that_holds_a_configuration_is_the_root() {
    let case = Case::new(["config", "show"]).config("").file("a/b/c", "");
    let below = case.root().join("a/b");
    let case = case.find_root_from(below);
    assert_eq!(shown(&case), "root = [root] (the nearest folder upwards that holds a talkstick.toml)");
    let case = case.file("a/talkstick.toml", "");
    assert_eq!(shown(&case), "root = [root]/a (the nearest folder upwards that holds a talkstick.toml)");
}

#[test]
fn without_a_configuration_it_is_the_users_state_folder_and_never_the_working_directory() {
    let case = Case::new(["config", "show"]);
    let here = case.root();
    let case = case.find_root_from(here);
    let expected =
        "root = [home]/.local/state/talkstick (the user's state folder, as no folder upwards holds a talkstick.toml)";
    assert_eq!(shown(&case), expected);
    let case = case.env("HOME", "");
    case.run().is(
        9,
        "",
        "error: no root: no folder upwards holds a talkstick.toml, and HOME names none (it is unset or relative); name the root with --root DIR\n",
    );
}

#[test]
fn a_found_configuration_that_everybody_can_write_is_refused_unless_named() {
    for (writable, mode) in [("talkstick.toml", 0o666), ("", 0o777)] {
        let case = Case::new(["config", "show"]).config("");
        let path = case.root().join(writable);
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let here = case.root();
        let found = case.find_root_from(here.clone());
        let shown_path = path.to_str().unwrap().trim_end_matches('/').replace(here.to_str().unwrap(), "[root]");
        found.run().is(
            9,
            "",
            &format!(
                "error: the found configuration is refused: `{shown_path}` is writable by everybody; \
                 if you trust it, name it: --root [root]\n"
            ),
        );
        let named = found.again(["--root".into(), here.into_os_string(), "config".into(), "show".into()]);
        assert_eq!(shown(&named), "root = [root] (named by --root)");
    }
}

#[test]
fn a_named_root_must_be_a_folder() {
    let case = Case::new(["--root", "/nowhere/at/all", "status"]);
    let here = case.root();
    let case = case.find_root_from(here);
    case.run().is(
        9,
        "",
        "error: the root `/nowhere/at/all` cannot be used: No such file or directory (os error 2); \
                 make the folder first, or name another one with --root DIR\n",
    );
}
