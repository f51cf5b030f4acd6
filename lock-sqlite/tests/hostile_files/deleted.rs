//! Files that are deleted while somebody holds or waits.

use std::{
    io::{BufRead, BufReader, Lines, Write},
    path::Path,
    process::{Child, ChildStdout},
    sync::Arc,
    time::Duration,
};

use lock_core::DistributedLockExt;
use tests::{
    probe::{READY_WITHIN, until},
    role::role,
};

use super::{acquire_once, acquire_within, blocking, key, open, soon, told};

/// The holder is told; nobody is granted before it lets go; who waits goes on in the new database.
#[test]
fn a_database_that_is_deleted_while_one_holds_and_others_wait() {
    let folder = tempfile::tempdir().unwrap();
    let clients: Vec<_> = (0..4).map(|_| open(folder.path()).unwrap()).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let guard = clients[0].acquire(&key(), &soon()).await.unwrap();
        let token = guard.token();
        let (order, mut granted) = tokio::sync::mpsc::unbounded_channel();
        for i in 0..8 {
            let (client, order) = (Arc::clone(&clients[i % 4]), order.clone());
            tokio::spawn(async move {
                let guard = client.acquire(&key(), &soon()).await.unwrap();
                order.send((i, guard.token())).unwrap();
                guard.release().await.unwrap();
            });
            while clients[0].inspect(&key()).await.unwrap().queue.len() != i + 1 {
                tokio::task::yield_now().await;
            }
        }
        for suffix in ["", "-wal", "-shm"] {
            std::fs::remove_file(folder.path().join(format!("locks.sqlite{suffix}"))).unwrap();
        }
        assert!(guard.verify().await.is_err(), "the first look tells");
        guard.lost().await;
        assert!(guard.permit().check().is_err());
        assert!(granted.try_recv().is_err(), "granted while the holder had not let go");
        drop(guard);
        let mut all = Vec::new();
        while all.len() < 8 {
            all.push(granted.recv().await.unwrap());
        }
        assert!(all[0].1 > token && all.windows(2).all(|pair| pair[0].1 < pair[1].1), "tokens grow");
        // Each client puts its own tickets back as soon as it looks; they are in their order.
        for client in 0..4 {
            let own: Vec<_> = all.iter().map(|(i, _)| *i).filter(|i| i % 4 == client).collect();
            assert_eq!(own, [client, client + 4]);
        }
    });
}

#[test]
fn a_holder_whose_baton_is_deleted_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let lock = blocking(folder.path());
    let guard = lock.acquire(&key(), &soon()).unwrap();
    std::fs::remove_dir_all(folder.path().join("locks.sqlite.batons")).unwrap();
    until(READY_WITHIN, "the holder is told", || guard.check().is_err());
}

const HOLDER: &str = "TALKSTICK_TEST_HOLDER";

/// Not a test of its own: another process, for SQLite shares what it has open among the clients of one. It holds until it
/// is told that its lease is lost, and takes the lock once more at each line it reads.
#[test]
fn holder() {
    let Some(folder) = std::env::var_os(HOLDER) else { return };
    let lock = blocking(Path::new(&folder));
    let guard = lock.acquire(&key(), &soon()).unwrap();
    println!("\nTOKEN {}", guard.token());
    while guard.check().is_ok() {
        std::thread::yield_now();
    }
    println!("\nLOST");
    std::io::stdin().read_line(&mut String::new()).unwrap();
    drop(guard);
    loop {
        match lock.acquire(&key(), &soon()) {
            Ok(guard) => println!("\nTOKEN {}", guard.token()),
            Err(error) => println!("\nERROR {}", told(&error)),
        }
        if std::io::stdin().read_line(&mut String::new()).unwrap() == 0 {
            return;
        }
    }
}

struct HolderProcess {
    child: Child,
    said: Lines<BufReader<ChildStdout>>,
}

impl HolderProcess {
    fn start(folder: &Path) -> Self {
        let mut child = role("deleted::holder").env(HOLDER, folder).spawn().unwrap();
        let said = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, said }
    }

    fn says(&mut self, word: &str) -> String {
        let known = |line: &String| ["TOKEN", "LOST", "ERROR"].iter().any(|word| line.starts_with(word));
        let line = self.said.by_ref().map(Result::unwrap).find(known).unwrap();
        line.strip_prefix(word).unwrap_or_else(|| panic!("{line}")).trim().to_owned()
    }

    fn token(&mut self) -> u64 {
        self.says("TOKEN").parse().unwrap()
    }

    fn goes_on(&mut self) {
        self.child.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
    }
}

impl Drop for HolderProcess {
    fn drop(&mut self) {
        let _already_ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// The database without its log is an older one, and knows nothing of the lease: nobody is granted while that lives.
fn gives_no_second_lease_without(deleted: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let mut holder = HolderProcess::start(folder.path());
    let token = holder.token();
    for suffix in deleted {
        std::fs::remove_file(folder.path().join(format!("locks.sqlite{suffix}"))).unwrap();
    }
    let error = acquire_once(folder.path()).expect_err("its state is unknown, not free");
    assert!(told(&error).contains("1 lease"), "{}", told(&error));
    holder.says("LOST");
    holder.goes_on();
    let next = holder.token();
    let ours = acquire_once(folder.path()).unwrap();
    holder.goes_on();
    assert!(token < next && next < ours && ours < holder.token(), "tokens grow");
}

#[test]
fn a_log_that_is_deleted_under_a_holder_gives_no_second_lease() {
    gives_no_second_lease_without(&["-wal"]);
}

#[test]
fn a_log_and_its_index_that_are_deleted_under_a_holder_give_no_second_lease() {
    gives_no_second_lease_without(&["-wal", "-shm"]);
}

/// The log has all of it: no row is lost, and who has the old index open goes over to the new one.
#[test]
fn an_index_that_is_deleted_costs_no_row() {
    let folder = tempfile::tempdir().unwrap();
    let mut holder = HolderProcess::start(folder.path());
    let token = holder.token();
    std::fs::remove_file(folder.path().join("locks.sqlite-shm")).unwrap();
    let error = acquire_within(folder.path(), Duration::ZERO).unwrap_err();
    assert!(told(&error).contains("held it for"), "{}", told(&error));
    holder.says("LOST");
    holder.goes_on();
    assert!(holder.token() > token);
}

/// SQLite shares an index among the connections of a process: the clients of one must leave the old one together.
#[test]
fn clients_of_one_process_go_on_whatever_was_deleted_beside_the_database() {
    for deleted in [&["-wal"][..], &["-shm"], &["-wal", "-shm"], &["", "-wal", "-shm"]] {
        let folder = tempfile::tempdir().unwrap();
        let clients = [blocking(folder.path()), blocking(folder.path()), blocking(folder.path())];
        let mut last = None;
        for _ in 0..3 {
            for client in &clients {
                let guard = client.acquire(&key(), &soon()).unwrap_or_else(|e| panic!("{deleted:?}: {}", told(&e)));
                assert!(last < Some(guard.token()), "{deleted:?}: tokens grow");
                last = Some(guard.token());
                guard.release().unwrap();
                assert_eq!(client.inspect(&key()).unwrap().holder, lock_core::Holder::Free);
            }
            for suffix in deleted {
                std::fs::remove_file(folder.path().join(format!("locks.sqlite{suffix}"))).unwrap();
            }
        }
    }
}

/// Whatever each of them meets in the middle of a deletion: none hangs, and afterwards all go on.
#[test]
fn clients_at_work_in_one_process_go_on_after_files_were_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let clients = [blocking(folder.path()), blocking(folder.path()), blocking(folder.path())];
    std::thread::scope(|scope| {
        let (tried, tries) = std::sync::mpsc::channel();
        for client in &clients {
            let tried = tried.clone();
            scope.spawn(move || while tried.send(client.acquire(&key(), &soon()).map(drop)).is_ok() {});
        }
        let mut turns = 0;
        for round in 0..100 {
            turns += tries.iter().take(5).filter(Result::is_ok).count();
            for suffix in [&["-wal"][..], &["-shm"], &["-wal", "-shm"], &["", "-wal", "-shm"]][round % 4] {
                // It may not be there again yet.
                let _missing = std::fs::remove_file(folder.path().join(format!("locks.sqlite{suffix}")));
            }
        }
        assert!(turns > 100, "only {turns} turns");
        // The clients end when nobody hears of them any more.
        drop(tries);
    });
    for client in &clients {
        client.acquire(&key(), &soon()).unwrap_or_else(|error| panic!("{}", told(&error))).release().unwrap();
    }
}
