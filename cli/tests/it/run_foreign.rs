//! Programs that lock the same file without us.

use std::io::Write;

use crate::run_fixture::{Home, Running, text};

/// Both sides of one program: it holds while we ask, and asks while we hold.
fn excludes_both_ways(program: &str, hold: &[&str], ask: &[&str]) {
    let home = Home::new();
    assert!(home.run(&[], "true").status.success(), "makes the gate file");
    let mut holder = Running(home.program(program, hold).stdin(std::process::Stdio::piped()).spawn().unwrap());
    home.until_written("held");
    let output = home.run(&["-n"], "echo must not run");
    assert_eq!((output.status.code(), text(&output.stdout).as_str()), (Some(75), ""), "{}", text(&output.stderr));
    let mut waiter = home.start(&["-w", "60"], "exit 4");
    home.until_waiting(1);
    holder.0.stdin.take().unwrap().write_all(b"go\n").unwrap();
    assert!(holder.end().success());
    assert_eq!(waiter.end().code(), Some(4), "its turn came by the kernel");

    let _ours = home.start(&[], "echo > ours; exec sleep 60");
    home.until_written("ours");
    assert_eq!(home.program(program, ask).output().unwrap().status.code(), Some(9), "{program} is held off");
}

#[test]
fn flock_of_util_linux() {
    tests::require!("flock");
    let hold = ["runtime/locks/k.lock", "sh", "-c", "echo > held; read go"];
    excludes_both_ways("flock", &hold, &["-n", "-E", "9", "runtime/locks/k.lock", "true"]);
}

#[test]
fn flock_of_python() {
    tests::require!("python3");
    let hold = "import fcntl\nf = open('runtime/locks/k.lock', 'a')\nfcntl.flock(f, fcntl.LOCK_EX)\nprint(file=open('held', 'w'))\ninput()";
    let ask = "import fcntl, sys\nf = open('runtime/locks/k.lock', 'a')\ntry: fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)\nexcept BlockingIOError: sys.exit(9)";
    excludes_both_ways("python3", &["-c", hold], &["-c", ask]);
}

#[test]
fn the_gate_is_where_other_programs_look_for_it() {
    let home = Home::new();
    assert!(home.run(&[], "true").status.success());
    assert!(home.gate("k").is_file());
}
