//! The rules of the house that a program can check.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("inside the workspace").to_owned()
}

/// What git tracks, so that build results and editors' files do not count.
fn tracked() -> Vec<PathBuf> {
    let output =
        Command::new("git").args(["ls-files", "-z"]).current_dir(root()).output().expect("git lists the files");
    let listing = String::from_utf8(output.stdout).expect("paths are UTF-8");
    listing.split_terminator('\0').map(PathBuf::from).collect()
}

fn rust_files() -> impl Iterator<Item = (PathBuf, String)> {
    let rust = |path: &PathBuf| path.extension().is_some_and(|e| e == "rs") && root().join(path).exists();
    tracked().into_iter().filter(rust).map(|path| {
        let text = fs::read_to_string(root().join(&path)).expect("readable");
        (path, text)
    })
}

fn metadata(arguments: &[&str]) -> serde_json::Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--offline"])
        .args(arguments)
        .current_dir(root())
        .output()
        .expect("cargo describes the workspace");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// Which of our crates each of our crates builds on, tests aside.
fn arrows() -> BTreeMap<String, BTreeSet<String>> {
    let metadata = metadata(&["--no-deps"]);
    let name = |value: &serde_json::Value| value["name"].as_str().expect("a name").to_owned();
    let packages = metadata["packages"].as_array().expect("packages");
    let ours: BTreeSet<String> = packages.iter().map(name).collect();
    let builds_on = |package: &serde_json::Value| {
        let dependencies = package["dependencies"].as_array().expect("dependencies").iter();
        dependencies.filter(|d| d["kind"].is_null()).map(name).filter(|d| ours.contains(d)).collect()
    };
    packages.iter().map(|package| (name(package), builds_on(package))).collect()
}

#[test]
fn dependencies_point_only_downward() {
    let allowed = [
        ("lock-core", &[][..]),
        ("lock-file", &["lock-core"]),
        ("lock-redis", &["lock-core"]),
        ("lock-sqlite", &["lock-core"]),
        ("deliver", &["lock-core"]),
        ("cli", &["deliver", "lock-core", "lock-file", "lock-redis", "lock-sqlite"]),
        ("tests", &["cli", "deliver", "lock-core", "lock-file", "lock-redis", "lock-sqlite"]),
    ];
    let arrows = arrows();
    assert_eq!(arrows.len(), allowed.len(), "packages of the workspace: {:?}", arrows.keys());
    for (package, may) in allowed {
        let upward: Vec<_> = arrows[package].iter().filter(|d| !may.contains(&d.as_str())).collect();
        assert!(upward.is_empty(), "{package} must not build on {upward:?}");
    }
}

/// enigo sends each key by every way in that is compiled and connects: two would type twice.
#[test]
fn enigo_has_one_way_in() {
    let metadata = metadata(&["--filter-platform", "x86_64-unknown-linux-gnu"]);
    let nodes = metadata["resolve"]["nodes"].as_array().expect("what is built");
    let is_enigo = |node: &&serde_json::Value| {
        node["id"].as_str().is_some_and(|id| id.contains("/enigo@") || id.contains("#enigo@"))
    };
    let features: Vec<_> = nodes.iter().filter(is_enigo).map(|node| &node["features"]).collect();
    assert_eq!(features, [&serde_json::json!(["x11rb"])]);
}

#[test]
fn only_one_file_lists_the_backends() {
    let names = ["lock_file::", "lock_redis::", "lock_sqlite::"];
    for (path, text) in rust_files() {
        let inside = path.starts_with("cli/src") && path != Path::new("cli/src/backends.rs");
        let names_one = names.iter().any(|name| text.contains(name));
        let contract = path.starts_with("lock-core/src") || path.starts_with("deliver/src");
        assert!(!(names_one && (inside || contract)), "{} names a backend", path.display());
    }
}

#[test]
fn only_one_file_reads_clocks() {
    for (path, text) in rust_files().filter(|(path, _)| path.components().any(|c| c.as_os_str() == "src")) {
        let reads = ["SystemTime::now", "clock_gettime"].into_iter().find(|clock| text.contains(clock));
        let excepted = path == Path::new("lock-core/src/clock.rs") || path.starts_with("tests");
        assert!(reads.is_none() || excepted, "{} reads a clock: {reads:?}", path.display());
    }
}

#[test]
fn code_is_ascii_and_finished() {
    for (path, text) in rust_files() {
        let odd = text.lines().position(|line| !line.is_ascii());
        assert!(odd.is_none(), "{}:{} is not ASCII", path.display(), odd.unwrap_or(0) + 1);
        for word in ["TODO", "FIXME", "XXX"] {
            assert!(!text.contains(word) || path.ends_with("it/tidy.rs"), "{} holds a {word}", path.display());
        }
    }
}

#[test]
fn files_stay_small() {
    for (path, text) in rust_files() {
        let lines = text.lines().count();
        assert!(lines <= 500, "{} has {lines} lines", path.display());
    }
}

#[test]
fn names_say_what_a_file_holds() {
    for path in tracked() {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let vague = ["util", "utils", "helper", "helpers", "manager", "common", "misc"].contains(&stem.as_str());
        assert!(!vague, "{} has a name that says nothing", path.display());
    }
}

#[test]
fn documents_are_current() {
    let version = env!("CARGO_PKG_VERSION");
    let changelog = fs::read_to_string(root().join("CHANGELOG.md")).expect("a changelog");
    assert!(changelog.contains(&format!("## [{version}]")), "CHANGELOG.md does not know {version}");
    let architecture = fs::read_to_string(root().join("ARCHITECTURE.md")).expect("the map");
    assert!(architecture.lines().count() <= 200, "ARCHITECTURE.md must fit one sitting");
    for package in arrows().keys() {
        assert!(architecture.contains(package.as_str()), "ARCHITECTURE.md does not speak of {package}");
    }
    let readme = fs::read_to_string(root().join("README.md")).expect("a readme");
    for command in ["cargo run --release -- demo", "./tests/run"] {
        assert!(readme.lines().take(40).any(|line| line.contains(command)), "README's first screen lacks `{command}`");
    }
}
