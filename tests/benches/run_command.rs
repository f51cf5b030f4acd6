//! A whole locked command, `talkstick run K -- true`, against `flock FILE true`: `cargo bench -p tests --bench run_command`.

#[allow(dead_code, reason = "each benchmark uses what it needs of it")]
#[path = "measure/mod.rs"]
mod measure;

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use measure::{compare, median};

const ROUNDS: usize = 300;

fn main() {
    let talkstick = built();
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().to_string_lossy().into_owned();
    let file = folder.path().join("file").to_string_lossy().into_owned();
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    // In turn, so that the machine's mood is the same for both.
    for _ in 0..ROUNDS {
        ours.push(timed(Command::new(&talkstick).args(["--root", &root, "run", "bench", "--", "true"])));
        theirs.push(timed(Command::new("flock").args([&file, "true"])));
    }
    compare("talkstick run K -- true", median(ours), "flock FILE true", median(theirs));
}

fn timed(command: &mut Command) -> Duration {
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let began = Instant::now();
    let status = command.status().expect("started");
    let took = began.elapsed();
    assert!(status.success(), "{command:?} ended with {status}");
    took
}

/// The optimised binary, built now, so that an old one is never measured.
fn built() -> PathBuf {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("inside the workspace");
    let built = Command::new(env!("CARGO"))
        .args(["build", "--release", "--quiet", "--bin", "talkstick"])
        .current_dir(workspace)
        .status();
    assert!(built.expect("cargo runs").success(), "talkstick does not build");
    // Beside this benchmark: target/release/deps/run_command-... .
    let own = std::env::current_exe().expect("own path");
    own.ancestors().nth(2).expect("target/release").join("talkstick")
}
