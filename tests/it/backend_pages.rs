//! What docs/ says of the backends, held to the code.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use lock_core::{Capabilities, DistributedLock, ThreadLock, background};
use lock_file::{FileConfig, FileLock};
use lock_redis::{QuorumLock, RedisConfig, RedisLock};
use lock_sqlite::{SqliteConfig, SqliteLock};
use tests::{redis_quorum::RedisQuorum, redis_server::RedisServer, require};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the repository").to_owned()
}

fn page(name: &str) -> String {
    std::fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// A row of the table: what the capability means to a user, and each backend's.
type Row = (&'static str, fn(&Capabilities) -> String);

const ROWS: [Row; 6] = [
    ("excludes other processes", |c| yes(c.cross_process)),
    ("excludes other hosts", |c| yes(c.cross_host)),
    ("grants by priority, then in the order of asking", |c| yes(c.ordered)),
    ("the kernel proves the death of a holder or waiter", |c| yes(c.proves_death)),
    ("a lease ends by itself unless renewed", |c| yes(c.expires)),
    ("a held lease is checked every", |c| format!("{} ms", c.check_every.as_millis())),
];

fn yes(is_so: bool) -> String {
    if is_so { "yes" } else { "no" }.to_owned()
}

fn table(backends: &[(&str, Capabilities)]) -> String {
    let head: String = backends.iter().map(|(name, _)| format!(" {name} |")).collect();
    let mut lines = vec![format!("| |{head}"), format!("|---|{}", "---|".repeat(backends.len()))];
    for (meaning, of) in ROWS {
        let cells: String = backends.iter().map(|(_, capabilities)| format!(" {} |", of(capabilities))).collect();
        lines.push(format!("| {meaning} |{cells}"));
    }
    lines.join("\n")
}

#[test]
fn the_table_of_capabilities_is_what_the_backends_say() {
    require!("redis-server");
    let folder = tempfile::tempdir().expect("a folder");
    let server = RedisServer::start();
    let redis = RedisLock::open(RedisConfig::parse(&server.url()).expect("a URL"));
    let servers = RedisQuorum::start(3, &[]);
    let quorum = QuorumLock::open(RedisConfig::parse(&servers.url()).expect("a URL"));
    let backends: [(&str, Arc<dyn DistributedLock>); 5] = [
        ("thread", Arc::new(ThreadLock::new())),
        ("file", Arc::new(FileLock::open(FileConfig::new(folder.path().join("locks"))).expect("opened"))),
        ("sqlite", Arc::new(SqliteLock::open(SqliteConfig::new(folder.path().join("db"))).expect("opened"))),
        ("redis", Arc::new(background::handle().expect("a runtime").block_on(redis).expect("opened"))),
        ("redis+quorum", Arc::new(background::handle().expect("a runtime").block_on(quorum).expect("opened"))),
    ];
    let table = table(&backends.map(|(name, backend)| (name, backend.capabilities())));
    assert!(page("docs/backends.md").contains(&table), "docs/backends.md must have this table:\n{table}");
}

/// Blocks of Rust in a page, each without what stands around it.
fn excerpts(page: &str) -> Vec<String> {
    let after = page.split("```rust\n").skip(1);
    after.map(|rest| rest.split("```").next().expect("a block ends").trim_end().to_owned()).collect()
}

/// Every line that is in the page is in the example, in the same order and without another one between; `// ...` stands for
/// any number of lines.
#[test]
fn the_code_of_the_guide_is_the_example() {
    let code = |text: &str| text.lines().map(str::trim).collect::<Vec<_>>().join("\n");
    let example = code(&page("lock-core/examples/custom_backend.rs"));
    let excerpts = excerpts(&page("docs/write-a-backend.md"));
    assert!(excerpts.len() >= 4, "the guide shows code");
    for excerpt in excerpts {
        let mut rest = example.as_str();
        for part in code(&excerpt).split("\n// ...\n") {
            let at = rest.find(part).unwrap_or_else(|| panic!("not in the example, or not there:\n{part}"));
            rest = &rest[at + part.len()..];
        }
    }
}
