//! Tests that need a program say so: they are skipped at home and fail in CI where it is missing.

use std::io::Write as _;
use std::path::PathBuf;

/// Returns from the calling test, loudly, when one of the named programs is missing.
///
/// ```
/// # fn shows_a_window() {
/// tests::require!("Xvfb", "xterm");
/// # }
/// ```
///
/// # Panics
/// When a program is missing and the environment has `CI`: there, a skipped test would pass for a tested one.
#[macro_export]
macro_rules! require {
    ($($tool:expr),+ $(,)?) => {
        if !$crate::require::require_tools(&[$($tool),+]) {
            return;
        }
    };
}

/// Whether all `tools` are there; says on the terminal which is not, and how to install it.
///
/// # Panics
/// When one is missing and the environment has `CI`.
pub fn require_tools(tools: &[&str]) -> bool {
    let missing: Vec<&str> = tools.iter().copied().filter(|tool| !is_there(tool)).collect();
    if missing.is_empty() {
        return true;
    }
    let packages: Vec<&str> = missing.iter().map(|tool| debian_package(tool)).collect();
    require_that(Err(format!("missing {}: apt-get install {}", missing.join(", "), packages.join(" "))))
}

/// Whether something else that a test needs is there; says on the terminal what is missing.
///
/// # Panics
/// When it is missing and the environment has `CI`.
pub fn require_that(there: Result<(), String>) -> bool {
    let Err(advice) = there else { return true };
    assert!(std::env::var_os("CI").is_none(), "{advice}");
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    // Written to the stream itself: the test runner swallows what `eprintln!` says in a test that passes.
    let _ = writeln!(std::io::stderr(), "SKIPPED {test}: {advice}");
    false
}

/// Programs are looked for on `PATH`; what Python programs import is imported.
fn is_there(tool: &str) -> bool {
    let import = match tool {
        "python3-tk" => "import tkinter",
        "python3-gi" => "import gi; gi.require_version('Gtk', '3.0'); from gi.repository import Gtk",
        program => return find_on_path(program).is_some(),
    };
    let mut python = std::process::Command::new("/usr/bin/python3");
    python.args(["-c", import]).stderr(std::process::Stdio::null()).status().is_ok_and(|status| status.success())
}

/// Where a program is, by `PATH`.
pub fn find_on_path(tool: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(tool)).find(|candidate| candidate.is_file())
}

/// The Debian package that holds a program, where the names differ.
fn debian_package(tool: &str) -> &str {
    match tool {
        "Xvfb" => "xvfb",
        "Xwayland" => "xwayland",
        "Xvnc" => "tigervnc-standalone-server",
        "setxkbmap" | "xkbcomp" => "x11-xkb-utils",
        "xdpyinfo" | "xprop" | "xwininfo" => "x11-utils",
        "convert" | "import" => "imagemagick",
        "python3-gi" => "python3-gi gir1.2-gtk-3.0",
        "redis-cli" => "redis-tools",
        "ip" => "iproute2",
        "dbus-send" => "dbus-bin",
        "/usr/libexec/at-spi-bus-launcher" => "at-spi2-core",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn what_is_on_the_path_is_found_and_what_is_not_is_missed() {
        assert!(find_on_path("sh").is_some());
        assert!(find_on_path("no-such-program-anywhere").is_none());
    }
}
