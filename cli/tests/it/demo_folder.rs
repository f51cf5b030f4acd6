//! What a demo leaves: nothing, or what the next one removes.

use std::{collections::BTreeSet, fs, net::TcpListener, path::Path, process::Command};

use tests::{
    probe::{READY_WITHIN, until, until_some},
    process::{Process, is_alive, sigkill},
};

use crate::demo::{demo, talkstick, text};

fn long_demo(home: &Path) -> Command {
    let mut command = talkstick(home);
    command.args(["demo", "--surface", "simulated", "--scenario", "3x100"]);
    command
}

/// Starts a demo and kills it when it plays; gives the folder that it leaves.
fn killed(home: &Path) -> String {
    let before = leftovers(home);
    let mut demo = Process::start(long_demo(home));
    // The desktop and three senders.
    let children = children_when_there_are(4, demo.pid());
    sigkill(demo.pid());
    demo.wait(READY_WITHIN);
    until(READY_WITHIN, "all children have ended", || !children.iter().any(|pid| is_alive(*pid)));
    let mut left = leftovers(home);
    left.retain(|folder| !before.contains(folder));
    let [folder] = &left[..] else { panic!("{left:?}") };
    folder.clone()
}

/// Neither its age nor its pid says that it is dead: a stopped one lives.
#[test]
fn what_a_killed_demo_left_goes_with_the_next_one_and_what_a_living_one_has_stays() {
    let home = tempfile::tempdir().unwrap();
    let dead = killed(home.path());
    let mut living = Process::start(long_demo(home.path()));
    children_when_there_are(4, living.pid());
    let its = leftovers(home.path());
    assert!(its.len() == 1 && its[0] != dead, "{its:?} without {dead}");
    living.stop();
    let output = demo(home.path(), &["--surface", "simulated", "--scenario", "1x1"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(leftovers(home.path()), its);
    living.kill();
    assert_eq!(leftovers(home.path()), its, "nobody has removed it");
    assert!(demo(home.path(), &["--surface", "simulated", "--scenario", "1x1"]).status.success());
    assert_eq!(leftovers(home.path()), Vec::<String>::new());
}

/// What is no proof is left alone: a folder without the file, one of another kind, and a link to somebody else's.
#[test]
fn what_is_not_proven_to_be_a_dead_demos_stays() {
    let home = tempfile::tempdir().unwrap();
    let elsewhere = home.path().join("elsewhere");
    let open = home.path().join("talkstick-demo-open");
    for folder in [&elsewhere, &home.path().join("talkstick-demo-bare"), &open] {
        fs::create_dir(folder).unwrap();
        fs::set_permissions(folder, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    }
    fs::write(elsewhere.join("alive"), "").unwrap();
    std::os::unix::fs::symlink(&elsewhere, home.path().join("talkstick-demo-link")).unwrap();
    fs::write(open.join("alive"), "").unwrap();
    fs::set_permissions(&open, std::os::unix::fs::PermissionsExt::from_mode(0o770)).unwrap();
    assert!(demo(home.path(), &["--surface", "simulated", "--scenario", "1x1"]).status.success());
    let left = leftovers(home.path());
    assert_eq!(left, ["talkstick-demo-bare", "talkstick-demo-link", "talkstick-demo-open"]);
    assert!(elsewhere.join("alive").exists());
}

#[test]
fn a_demo_that_is_told_to_end_while_it_waits_for_a_server_leaves_nothing() {
    // Takes connections and says nothing.
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    server.set_nonblocking(true).unwrap();
    for (signal, status) in [("-TERM", 143), ("-INT", 130)] {
        let home = tempfile::tempdir().unwrap();
        let mut command = talkstick(home.path());
        command.env("TALKSTICK__REDIS__TIMEOUT", "1m");
        command.args(["demo", "--backend", &format!("redis://{}", server.local_addr().unwrap())]);
        let mut demo = Process::start(command);
        let _connection = until_some(READY_WITHIN, "it asks the server", || server.accept().ok());
        assert_eq!(leftovers(home.path()).len(), 1);
        assert!(Command::new("kill").args([signal, &demo.pid().to_string()]).status().unwrap().success());
        assert_eq!(demo.wait(READY_WITHIN).code(), Some(status), "{}", demo.said());
        assert_eq!(leftovers(home.path()), Vec::<String>::new());
    }
}

/// The children of a demo, once there are so many.
pub(crate) fn children_when_there_are(number: usize, demo: u32) -> BTreeSet<u32> {
    until_some(READY_WITHIN, "the demo plays", || {
        let children = children(demo);
        (children.len() == number).then_some(children)
    })
}

pub(crate) fn children(parent: u32) -> BTreeSet<u32> {
    let pids = fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let parent_of = |pid: &u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // Behind the name, which may hold anything: the state, then the parent.
        stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse::<u32>().ok()
    };
    pids.filter(|pid| parent_of(pid) == Some(parent)).collect()
}

/// What the demo left in the folder for temporary files.
pub(crate) fn leftovers(home: &Path) -> Vec<String> {
    let names = fs::read_dir(home).unwrap().map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
    let mut left: Vec<String> = names.filter(|name| name.starts_with("talkstick-demo-")).collect();
    left.sort_unstable();
    left
}
