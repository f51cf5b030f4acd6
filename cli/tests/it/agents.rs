//! Agents: listed, added, removed, imported.

use std::os::unix::fs::PermissionsExt;

use crate::case::{Case, TWO_AGENTS};

#[test]
fn lists_agents_as_people_count() {
    let config =
        format!("{TWO_AGENTS}[agents.Agent-10]\nwindow = {{ class = \"Cursor\", title = \"a\\u001b[2Jb\" }}\n");
    let case = Case::new(["agents", "list"]).config(&config);
    case.run().is(
        0,
        "AGENT     SURFACE  WHERE                                              PROFILE  DESCRIPTION\n\
         Agent-1   desktop  (-1269, 481)                                       chat\n\
         Agent-2   desktop  (10, 20)                                           xterm\n\
         Agent-10  desktop  the window with class Cursor, title \"a\\u{1b}[2Jb\"  chat\n",
        "",
    );
}

#[test]
fn adding_keeps_comments_and_the_result_is_read_back() {
    let case = Case::new(["agents", "add", "Agent-1", "--point", "-5,7"]);
    let case = case.config(
        "# mine\n[queue] # here\nmax = 9 # nine\n\n[agents.Agent-1] # the first\npoint = [1, 2] # old\n# end\n",
    );
    case.run().is(0, "Agent-1: changed ([root]/talkstick.toml)\n", "");
    let expected = "# mine\n[queue] # here\nmax = 9 # nine\n\n[agents.Agent-1] # the first\npoint = [-5, 7] # old\nsurface = \"desktop\"\n# end\n";
    assert_eq!(case.read("talkstick.toml"), expected);
    let case = case.again(["agents", "add", "Agent-2", "--class", "XTerm", "--profile", "xterm"]);
    case.run().is(0, "Agent-2: added ([root]/talkstick.toml)\n", "");
    let mode = std::fs::metadata(case.root().join("talkstick.toml")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let case = case.again(["--json", "agents", "list"]);
    let agents = case.run().json();
    assert_eq!((&agents[0]["point"], &agents[1]["window"]["class"]), (&serde_json::json!([-5, 7]), &"XTerm".into()));
    let case = case.again(["agents", "remove", "Agent-2"]);
    case.run().is(0, "Agent-2: removed ([root]/talkstick.toml)\n", "");
    assert_eq!(case.read("talkstick.toml"), expected);
}

#[test]
fn adding_refuses_what_could_not_be_read_back() {
    for (args, stderr) in [
        (&["A"][..], "error: where is `A`? give --point X,Y, or its window with --class, --title or --pid\n"),
        (&["a,b", "--point", "1,2"], "error: a name must not be empty, and has no commas or control characters\n"),
        (
            &["A", "--point", "1,2", "--profile", "emacs"],
            "error: there is no profile `emacs`; known are chat, chromium, xterm, terminal\n",
        ),
        (&["A", "--surface", "tmux"], "error: the surface `tmux` is not built yet; use desktop or simulated\n"),
    ] {
        let case = Case::new(["agents", "add"].iter().chain(args).copied());
        case.run().is(2, "", stderr);
        assert!(!case.root().join("talkstick.toml").exists());
    }
}

/// The next command must not find a configuration that it refuses.
#[test]
fn nothing_is_written_that_could_not_be_read_back() {
    for (args, says) in [
        (["X", "--class", ""], "`agents.X.window.class` must be a text that is not empty, not \"\""),
        (["X", "--pid", "0"], "`agents.X.window.pid` must be a whole number from 1 to 4294967295, not 0"),
    ] {
        let case = Case::new(["agents", "add"].iter().chain(&args).copied()).config(TWO_AGENTS);
        let ran = case.run();
        assert!(ran.stderr.starts_with(&format!("error: {says} ([root]/talkstick.toml:")), "{}", ran.stderr);
        assert!(ran.stderr.ends_with("); nothing was changed\n"), "{}", ran.stderr);
        assert_eq!((ran.code, case.read("talkstick.toml").as_str()), (Some(9), TWO_AGENTS));
    }
}

#[test]
fn many_additions_at_once_lose_none() {
    let case = Case::new(Vec::<String>::new());
    let children: Vec<_> = (1..=8)
        .map(|n| {
            let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_talkstick"));
            command.env_clear().arg("--root").arg(case.root()).args(["agents", "add", &format!("Agent-{n}")]);
            command.args(["--point", &format!("{n},{n}")]).stdout(std::process::Stdio::null()).spawn().unwrap()
        })
        .collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    let ran = case.again(["--json", "agents", "list"]).run();
    assert_eq!(ran.json().len(), 8);
}

#[test]
fn an_import_reads_the_swarms_file_with_negative_coordinates() {
    let file = r#"{"description":"d","version":"2.0.0","coordinate_system":{"origin":"top-left"},
        "agents":{"Agent-1":{"chat_input_coordinates":[-1269,481],"onboarding_input_coords":[-1265,171],
        "description":"Integration","active":true},
        "Agent-2":{"chat_input_coordinates":[-308,480],"active":false},"Discord":[0,0]},
        "validation_rules":{"coordinate_bounds":{"min_x":-2000}}}"#;
    let case = Case::new(["agents", "import", "coords.json"]).file("coords.json", file);
    let case = case.config("# kept\n[agents.Agent-2]\nprofile = \"xterm\" # kept\npoint = [1, 1]\n");
    case.run().is(
        0,
        "Agent-1 (-1269, 481): added\n\
         Agent-2 (-308, 480): changed, although the file calls it inactive\n\
         Discord (0, 0): skipped: (0, 0) stands for an agent without a window\n",
        "written to [root]/talkstick.toml\n",
    );
    assert_eq!(
        case.read("talkstick.toml"),
        "# kept\n[agents.Agent-2]\nprofile = \"xterm\" # kept\npoint = [-308, 480]\n\n\
         [agents.Agent-1]\nsurface = \"desktop\"\npoint = [-1269, 481]\ndescription = \"Integration\"\n"
    );
}

#[test]
fn a_malformed_import_changes_nothing() {
    for (text, says) in [
        ("{", "it is not JSON: EOF while parsing an object at line 1 column 1"),
        (r#"{"A":[1]}"#, "the coordinates of `A` are malformed: [1] is no pair of whole numbers"),
        (
            r#"{"B":[1,2],"A":["1","2"]}"#,
            "the coordinates of `A` are malformed: [\"1\",\"2\"] is no pair of whole numbers",
        ),
        ("[]", "it holds no agents with coordinates"),
        (
            r#"{"":[1,2]}"#,
            "`` is no name for an agent: a name must not be empty, and has no commas or control characters",
        ),
        (
            r#"{"A":[1,2],"a,b":[1,2]}"#,
            "`a,b` is no name for an agent: a name must not be empty, and has no commas or control characters",
        ),
    ] {
        let case = Case::new(["agents", "import", "c.json"]).file("c.json", text).config(TWO_AGENTS);
        case.run().is(9, "", &format!("error: cannot import `c.json`: {says}; nothing was changed\n"));
        assert_eq!(case.read("talkstick.toml"), TWO_AGENTS);
    }
    Case::new(["agents", "import", "none.json"]).run().is(
        9,
        "",
        "error: there is no file `none.json`; correct the path\n",
    );
}

#[test]
fn removing_names_the_nearest_of_an_unknown_one() {
    let case = Case::new(["agents", "remove", "Agnet-1"]).config(TWO_AGENTS);
    case.run().is(3, "", "error: there is no agent `Agnet-1`; did you mean Agent-1, Agent-2?\n");
}
