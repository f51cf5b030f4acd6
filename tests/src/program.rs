//! How the programs of the tests are started: with a small known environment, and our own ones by their path.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use tempfile::TempDir;

/// A command with nothing in its environment but `PATH`, a UTF-8 locale and `home` as its home.
///
/// The user's session (message bus, session manager, input method, X authority, resources) does not reach into a test.
pub fn isolated(program: impl AsRef<std::ffi::OsStr>, home: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("HOME", home).env("LC_ALL", "C.UTF-8").current_dir(home);
    command.env("XDG_RUNTIME_DIR", home).env("TMPDIR", home);
    if let Some(path) = std::env::var_os("PATH") {
        command.env("PATH", path);
    }
    command
}

/// A fresh folder, removed with the fixture that holds it.
///
/// # Panics
/// When the system's temporary folder cannot be written.
pub fn fresh_folder() -> TempDir {
    tempfile::Builder::new().prefix("talkstick-test-").tempdir().expect("a temporary folder")
}

/// Where a program of this package is: `agent-windows`, `line-editor`.
///
/// Cargo builds them for the integration tests of this package only, so tests of other packages have them built here.
///
/// # Panics
/// When it cannot be built.
pub fn own_program(name: &str) -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(own_program_folder).join(name)
}

fn own_program_folder() -> PathBuf {
    let this = std::env::current_exe().expect("the path of this test");
    // target/PROFILE/deps/test-HASH: the programs lie one folder up.
    let folder = this.ancestors().nth(2).expect("a test binary lies in target/PROFILE/deps").to_owned();
    if std::env::var("CARGO_PKG_NAME").is_ok_and(|package| package == env!("CARGO_PKG_NAME")) {
        return folder;
    }
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build.args(["build", "--quiet", "--offline", "--bins", "--manifest-path"]);
    build.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"));
    build.arg("--target-dir").arg(folder.parent().expect("a profile lies in a target folder"));
    if folder.ends_with("release") {
        build.arg("--release");
    }
    let output = build.output().expect("cargo starts");
    assert!(output.status.success(), "cannot build the test programs: {}", String::from_utf8_lossy(&output.stderr));
    folder
}
