//! Layers, origins, and configurations that cannot be.

use std::os::unix::fs::PermissionsExt;

use crate::case::{Case, is_superuser};

#[test]
fn each_layer_goes_before_the_one_below_and_is_named() {
    let case = Case::new(["--json", "--backend", "thread", "config", "show"])
        .config("[send]\ntimeout = \"40s\"\n[queue]\nmax = 5\n")
        .env("TALKSTICK__QUEUE__MAX", "7");
    let user = case.home().join(".config/talkstick");
    std::fs::create_dir_all(&user).unwrap();
    std::fs::write(user.join("talkstick.toml"), "send.timeout = 20\nrun.timeout = \"1m\"\n").unwrap();
    let ran = case.run();
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    let shown = ran.json().remove(0);
    let of = |key: &str| {
        let setting = shown["settings"].as_array().unwrap().iter().find(|s| s["key"] == key).unwrap();
        (setting["value"].clone(), setting["origin"].as_str().unwrap().to_owned())
    };
    assert_eq!(of("send.timeout"), ("40s".into(), "[root]/talkstick.toml:2".into()));
    assert_eq!(of("run.timeout"), ("1m".into(), "[home]/.config/talkstick/talkstick.toml:2".into()));
    assert_eq!(of("queue.max"), ("7".into(), "environment TALKSTICK__QUEUE__MAX".into()));
    assert_eq!(of("lock.backend"), ("thread".into(), "flag --backend".into()));
    assert_eq!(of("sweep.factor"), (1.5.into(), "default".into()));
}

#[test]
fn what_cannot_be_is_one_line_with_its_place_and_advice() {
    for (config, says) in [
        (
            "[lock]\nbackedn = \"file\"",
            "`lock.backedn` is no setting ([root]/talkstick.toml:2); did you mean `lock.backend`?",
        ),
        ("[lok]\nbackend = \"file\"", "`lok` is no setting ([root]/talkstick.toml:2); did you mean `lock`?"),
        (
            "[agents.A]\npiont = [1, 2]",
            "`agents.A.piont` is no setting ([root]/talkstick.toml:2); did you mean `agents.A.point`?",
        ),
        ("lock = 3", "`lock` must be a section ([root]/talkstick.toml:1); `talkstick config show` lists the settings"),
        (
            "[agents.A]\nwindow = { pid = 4 }\nprofile = \"emacs\"",
            "agent `A`: there is no profile `emacs`; known are chat, chromium, xterm, terminal; correct [agents.A] in talkstick.toml",
        ),
        (
            "[agents.A]\nsurface = \"desktop\"",
            "agent `A`: it has neither a point nor a window; correct [agents.A] in talkstick.toml",
        ),
        (
            "[agents.A]\nsurface = \"telegraph\"",
            "agent `A`: unknown surface `telegraph`; known are desktop, simulated, tmux, inbox and exec; correct [agents.A] in talkstick.toml",
        ),
        (
            "[lock.backend]\nx = 1",
            "`lock.backend` is no section ([root]/talkstick.toml:2); `talkstick config show` lists the settings",
        ),
        (
            "[agents.A]\nwindow = {}",
            "agent `A`: its window has neither class, title nor pid, so every window would fit; correct [agents.A] in talkstick.toml",
        ),
        ("[sweep]\nfirst = \"3s\"", "`sweep.max` must be at least `sweep.first`"),
    ] {
        let case = Case::new(["status"]).config(config);
        case.run().is(9, "", &format!("error: {says}\n"));
        assert!(case.touched_nothing());
    }
}

#[test]
fn malformed_and_senseless_values_say_what_to_write() {
    const POINT: &str = "`agents.A.point` must be two whole numbers [x, y] such as [-1269, 481], not ";
    const SPAN: &str = "such as \"30s\", \"1.5m\" or bare seconds, not";
    for (config, says) in [
        ("[agents.A]\npoint = [1]", format!("{POINT}[1]")),
        ("[agents.A]\npoint = [1, 2, 3]", format!("{POINT}[1,2,3]")),
        ("[agents.A]\npoint = [\"x\", 2]", format!("{POINT}[\"x\",2]")),
        ("[agents.A]\npoint = [99999999999, 2]", format!("{POINT}[99999999999,2]")),
        ("[agents.A]\npoint = \"1,2\"", format!("{POINT}\"1,2\"")),
        (
            "[agents.A]\nwindow.pid = -4",
            "`agents.A.window.pid` must be a whole number from 1 to 4294967295, not -4".into(),
        ),
        (
            "[agents.A]\nwindow.title = \"\"",
            "`agents.A.window.title` must be a text that is not empty, not \"\"".into(),
        ),
        (
            "[send]\ntimeout = \"soon\"",
            format!("`send.timeout` must be a span of time from 0s to 366d, {SPAN} \"soon\""),
        ),
        ("[lock]\nttl = 0", format!("`lock.ttl` must be a span of time from 1s to 1h, {SPAN} 0")),
        ("[sweep]\nfirst = \"0s\"", format!("`sweep.first` must be a span of time from 10ms to 1m, {SPAN} \"0s\"")),
        ("[sweep]\nfactor = nan", "`sweep.factor` must be a number from 1 to 10, not null".into()),
        ("[queue]\nmax = \"many\"", "`queue.max` must be a whole number from 1 to 1000000, not \"many\"".into()),
        ("[queue]\nmax = 0", "`queue.max` must be a whole number from 1 to 1000000, not 0".into()),
        ("[queue]\nmax = 1.5", "`queue.max` must be a whole number from 1 to 1000000, not 1.5".into()),
        ("[message]\nbytes_max = 0", "`message.bytes_max` must be a whole number from 1 to 67108864, not 0".into()),
        ("[file]\nallow_network_fs = 3", "`file.allow_network_fs` must be true or false, not 3".into()),
        ("[lock]\nbackend = 3", "`lock.backend` must be a text that is not empty, not 3".into()),
        ("[profiles.p]\nselection = \"x\"", "`profiles.p.selection` must be clipboard or primary, not \"x\"".into()),
        ("[profiles.p]\nsettle_ms = -1", "`profiles.p.settle_ms` must be a number from 0 to 86400000, not -1".into()),
        ("[profiles.p]\nfetches = 0", "`profiles.p.fetches` must be a whole number from 1 to 1000, not 0".into()),
    ] {
        let case = Case::new(["status"]).config(config);
        case.run().is(9, "", &format!("error: {says} ([root]/talkstick.toml:2)\n"));
        assert!(case.touched_nothing());
    }
    let ran = Case::new(["status"]).config("[queue\nmax = 1").run();
    assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.lines().count()), (Some(9), "", 1), "{}", ran.stderr);
    assert!(ran.stderr.starts_with("error: [root]/talkstick.toml:1: "), "{}", ran.stderr);
    Case::new(["status"]).env("TALKSTICK__QUEUE__MAX", "0").run().is(
        9,
        "",
        "error: `queue.max` must be a whole number from 1 to 1000000, not \"0\" (environment TALKSTICK__QUEUE__MAX)\n",
    );
}

#[test]
fn the_environment_sets_settings_but_no_agents() {
    let ran = Case::new(["status"]).env("TALKSTICK__LOCK__BACKND", "file").run();
    ran.is(
        9,
        "",
        "error: `lock.backnd` is no setting (environment TALKSTICK__LOCK__BACKND); did you mean `lock.backend`?\n",
    );
    let ran = Case::new(["status"]).env("TALKSTICK__AGENTS__A__POINT", "1").run();
    ran.is(
        9,
        "",
        "error: `TALKSTICK__AGENTS__A__POINT`: agents and profiles cannot be set by environment; put them into talkstick.toml\n",
    );
}

#[test]
fn a_named_configuration_must_be_there_and_readable() {
    Case::new(["--config", "/nowhere.toml", "status"]).run().is(
        9,
        "",
        "error: there is no configuration `/nowhere.toml`; write one with `talkstick config init`, or correct --config\n",
    );
    let case = Case::new(["--config", "other.toml", "status"]).file("other.toml", "");
    let path = case.root().join("other.toml");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o000)).unwrap();
    if is_superuser(&case.home()) {
        eprintln!("SKIPPED: permissions do not bind this user");
        return;
    }
    case.run().is(
        9,
        "",
        "error: cannot read `other.toml`: Permission denied (os error 13); make it readable for you, or name another --config\n",
    );
}

#[test]
fn init_writes_defaults_that_change_nothing_and_never_overwrites() {
    let case = Case::new(["config", "init"]);
    case.run().is(0, "written: [root]/talkstick.toml\n", "");
    let mode = std::fs::metadata(case.root().join("talkstick.toml")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let written = case.read("talkstick.toml");
    let case = case.again(["--json", "config", "show"]);
    let shown = case.run().json().remove(0);
    assert!(shown["settings"].as_array().unwrap().iter().all(|s| s["origin"] == "default"), "{shown}");
    let case = case.again(["config", "init"]);
    case.run().is(
        9,
        "",
        "error: `[root]/talkstick.toml` is there already; it was not changed; edit it, or use `talkstick agents add`\n",
    );
    assert_eq!(case.read("talkstick.toml"), written);
    // The named root is meant, not the working directory, also where the settings are fine.
    let (named, here) = (case.root().join("named"), case.home());
    std::fs::create_dir(&named).unwrap();
    let arguments = ["--root".into(), named.clone().into_os_string(), "config".into(), "init".into()];
    let elsewhere = case.again_here(arguments).find_root_from(&here);
    elsewhere.run().is(0, "written: [root]/named/talkstick.toml\n", "");
    assert!(!here.join("talkstick.toml").exists());
    std::fs::remove_dir_all(named).unwrap();
    let left: Vec<_> = std::fs::read_dir(case.root()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left, ["talkstick.toml"]);
}

#[test]
fn a_password_in_a_url_is_shown_nowhere_even_where_the_url_is_malformed() {
    for url in
        ["redis://u:secret@h", "redis:u:secret@h", "redis:/u:secret@h", "redis//secret@h", "redis+unix:u:secret@h"]
    {
        let case = Case::new(["-vv", "config", "show"]).env("TALKSTICK__LOCK__BACKEND", url);
        let shown = case.run();
        assert_eq!(shown.code, Some(0), "{}", shown.stderr);
        assert!(shown.stdout.contains("***@h"), "{}", shown.stdout);
        // None of these servers is there.
        let status = case.again_here(["-vv", "status", "k"]).run();
        let doctor = case.again_here(["-vv", "doctor"]).run();
        assert_eq!((status.code, doctor.code), (Some(9), Some(9)));
        let argv = Case::new(["--backend", url, "status", "k"]).run();
        assert_eq!(argv.code, Some(2), "{url}");
        assert!(argv.stderr.contains("must not carry a user or a password"), "{}", argv.stderr);
        for ran in [shown, status, doctor, argv] {
            assert!(!(ran.stdout + &ran.stderr).contains("secret"), "{url}");
        }
    }
}
