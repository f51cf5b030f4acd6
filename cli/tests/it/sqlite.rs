//! `--backend sqlite`: the same program on another store.

use crate::case::{Case, TWO_AGENTS};

#[test]
fn doctor_looks_at_the_database() {
    use std::os::unix::fs::PermissionsExt;
    let case = Case::new(["--backend", "sqlite", "--json", "doctor"]).config(TWO_AGENTS);
    let check = |name: &str| case.run().json().into_iter().find(|check| check["check"] == name).unwrap();
    assert_eq!(check("lock store")["state"], "ok");
    let database = check("database");
    assert_eq!(database["state"], "ok", "{database}");
    assert!(database["seen"].as_str().unwrap().contains("schema 2, journal wal"), "{database}");
    let path = case.root().join("runtime/locks.sqlite");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let database = check("database");
    assert_eq!(database["state"], "warn");
    assert!(database["advice"].as_str().unwrap().contains("chmod o="), "{database}");
}

#[test]
fn a_file_of_somebody_elses_is_left_alone() {
    let case =
        Case::new(["--backend", "sqlite:notes.txt", "--json", "doctor"]).file("notes.txt", "my notes, no database\n");
    let ran = case.run();
    let store = ran.json().into_iter().find(|check| check["check"] == "lock store").unwrap();
    assert_eq!((ran.code, &store["state"]), (Some(9), &"fail".into()));
    assert!(store["seen"].as_str().unwrap().contains("no database of talkstick"), "{store}");
    let refused = case.again_here(["--backend", "sqlite:notes.txt", "run", "k", "--", "true"]).run();
    assert_eq!(refused.code, Some(69), "{}", refused.stderr);
    assert_eq!(case.read("notes.txt"), "my notes, no database\n");
    assert!(!case.root().join("notes.txt.batons").exists());
}

#[test]
fn a_path_is_below_the_root_and_an_unknown_key_is_free() {
    let case = Case::new(["--backend", "sqlite:db/mine.sqlite", "status", "k"]);
    case.run().is(0, "k: nobody holds it\n", "");
    assert!(case.root().join("db/mine.sqlite").is_file());
}

#[test]
fn a_damaged_database_is_made_anew_and_that_is_said() {
    for (flag, says) in
        [("-q", "warning: the database [root]/db is damaged"), ("--json", "{\"warning\":\"the database [root]/db is")]
    {
        let case = Case::new(["--backend", "sqlite:db", "run", "k", "--", "true"]);
        case.run().is(0, "", "");
        for name in ["db", "db-wal"] {
            let path = case.root().join(name);
            if let Ok(bytes) = std::fs::read(&path) {
                std::fs::write(&path, vec![0xa5; bytes.len().max(4096)]).unwrap();
            }
        }
        let ran = case.again_here([flag, "--backend", "sqlite:db", "status", "k"]).run();
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        assert!(ran.stderr.starts_with(says) && ran.stderr.contains("kept beside it as db.damaged"), "{}", ran.stderr);
        assert_eq!(ran.stderr.lines().count(), 1, "{}", ran.stderr);
        assert!(case.root().join("db.damaged").is_file());
        case.run().is(0, "", "");
    }
}

#[cfg(target_os = "linux")]
mod run {
    use lock_core::Holder;
    use rustix::process::Signal;

    use crate::run_fixture::{Home, text};

    #[test]
    fn status_names_holder_and_line_and_break_ends_the_holder() {
        let home = Home::on_sqlite();
        let mut run = home.start(&[], "echo > held; exec sleep 60");
        home.until_written("held");
        let waiting = home.start(&["-w", "60"], "echo next");
        home.until_waiting(1);
        let status = home.talkstick(&["status", "k"]).output().unwrap();
        let shown = text(&status.stdout);
        assert!(shown.contains(&format!("(pid {} on ", run.pid())), "{shown}");
        let Holder::Lease { token, .. } = home.state().holder else { panic!("held") };
        let token = token.to_string();
        let broken = home.talkstick(&["break", "k", "--token", &token]).output().unwrap();
        assert!(broken.status.success(), "{}", text(&broken.stderr));
        assert_eq!(run.end().code(), Some(76), "lost while running");
        assert_eq!(text(&waiting.end_with_output().stdout), "next\n");
    }

    #[test]
    fn a_stopped_holder_is_ended_by_break_with_kill() {
        let home = Home::on_sqlite();
        let mut run = home.start(&[], "echo > held; exec sleep 60");
        home.until_written("held");
        run.signal(Signal::STOP);
        let Holder::Lease { token, .. } = home.state().holder else { panic!("held") };
        let broken = home.talkstick(&["break", "k", "--token", &token.to_string(), "--kill"]).output().unwrap();
        assert!(broken.status.success(), "{}", text(&broken.stderr));
        run.end();
        assert!(home.run(&["-w", "20"], "true").status.success());
    }

    #[test]
    fn a_deleted_database_ends_the_child_at_once() {
        let home = Home::on_sqlite();
        let mut run = home.start(&["--grace", "200ms"], "echo > held; exec sleep 60");
        home.until_written("held");
        for suffix in ["", "-wal", "-shm"] {
            std::fs::remove_file(home.path(&format!("runtime/locks.sqlite{suffix}"))).unwrap();
        }
        assert_eq!(run.end().code(), Some(76), "told, not left running");
        assert!(home.run(&["-w", "20"], "true").status.success(), "the line goes on in a new database");
    }
}
