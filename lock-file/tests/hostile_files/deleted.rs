//! Files that are damaged or deleted while they are in use.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use lock_core::DistributedLockExt;

use super::{key, open, within};

/// Tickets come back under their numbers, and the line goes on, whatever happens to its file meanwhile.
#[test]
fn a_line_that_is_damaged_while_many_wait_keeps_its_order() {
    let damage: [fn(&Path); 3] = [
        |line| std::fs::write(line, "garbage").unwrap(),
        |line| std::fs::OpenOptions::new().write(true).open(line).unwrap().set_len(100).unwrap(),
        |line| std::fs::write(line, [0; 64]).unwrap(),
    ];
    for damage in damage {
        let folder = tempfile::tempdir().unwrap();
        let clients: Vec<_> = (0..4).map(|_| open(folder.path()).unwrap()).collect();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let granted = runtime.block_on(async {
            let guard = clients[0].acquire(&key(), &within(Duration::ZERO)).await.unwrap();
            let (order, mut granted) = tokio::sync::mpsc::unbounded_channel();
            for i in 0..8 {
                let (client, order) = (Arc::clone(&clients[i % 4]), order.clone());
                tokio::spawn(async move {
                    let guard = client.acquire(&key(), &within(Duration::from_secs(20))).await.unwrap();
                    order.send(i).unwrap();
                    guard.release().await.unwrap();
                });
                while clients[0].inspect(&key()).await.unwrap().queue.len() != i + 1 {
                    tokio::task::yield_now().await;
                }
            }
            damage(&folder.path().join(".talkstick/k/line"));
            // At the latest at their second sweep all tickets are back.
            while clients[0].inspect(&key()).await.unwrap().queue.len() != 8 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            guard.release().await.unwrap();
            let mut all = Vec::new();
            while all.len() < 8 {
                all.push(granted.recv().await.unwrap());
            }
            all
        });
        assert_eq!(granted, (0..8).collect::<Vec<_>>());
    }
}

/// By the first look that begins afterwards, whoever asks for it; without being asked it looks every 20 ms.
#[test]
fn the_holder_is_told_of_deleted_files_within_50_ms() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let delete: [fn(&Path); 3] = [
        |dir| std::fs::remove_dir_all(dir).unwrap(),
        |dir| std::fs::remove_file(dir.join("k.lock")).unwrap(),
        |dir| std::fs::rename(dir, dir.with_extension("aside")).unwrap(),
    ];
    for delete in delete {
        for asked in [true, false] {
            let folder = tempfile::tempdir().unwrap();
            let dir = folder.path().join("locks");
            runtime.block_on(async {
                let lock = open(&dir).unwrap();
                assert!(lock.capabilities().check_every <= Duration::from_millis(20));
                let guard = lock.acquire(&key(), &within(Duration::ZERO)).await.unwrap();
                delete(&dir);
                if asked {
                    assert!(guard.verify().await.is_err(), "the next act is stopped");
                }
                assert_eq!(guard.lost().await, lock_core::LossReason::StoreGone);
                assert!(guard.check().is_err(), "the next act is stopped");
            });
        }
    }
}

/// One at a time takes the files away; a waiter that looks meanwhile waits for the end of that.
fn in_steps(dir: &Path, waiter: &mut dyn FnMut() -> bool) {
    // Whoever looks in between puts a file of its own there again.
    while std::fs::remove_dir_all(dir.join(".talkstick/k/waiters")).is_err() {}
    // It looks within a tenth of a second.
    let until = lock_core::Moment::now() + Duration::from_millis(300);
    while !until.is_past() {
        assert!(waiter(), "it gave up in the middle of a deletion");
        std::thread::yield_now();
    }
    std::fs::rename(dir, dir.with_extension("aside")).unwrap();
}

/// The holder is told, and who waits goes on in the new folder without being asked again.
#[test]
fn a_folder_that_is_deleted_while_one_holds_and_others_wait() {
    // At once, as a sweep in the middle of a deletion would put new files into it.
    deleted_while_others_wait(|dir, _| std::fs::rename(dir, dir.with_extension("aside")).unwrap());
    deleted_while_others_wait(in_steps);
}

fn deleted_while_others_wait(delete: fn(&Path, &mut dyn FnMut() -> bool)) {
    let folder = tempfile::tempdir().unwrap();
    let dir: PathBuf = folder.path().join("locks");
    let clients: Vec<_> = (0..3).map(|_| open(&dir).unwrap()).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let guard = clients[0].acquire(&key(), &within(Duration::ZERO)).await.unwrap();
        let mut waiters = Vec::new();
        for (i, client) in clients.iter().enumerate() {
            let client = Arc::clone(client);
            waiters.push(tokio::spawn(async move {
                let guard = client.acquire(&key(), &within(Duration::from_secs(20))).await.unwrap();
                guard.release().await
            }));
            while clients[0].inspect(&key()).await.unwrap().queue.len() != i + 1 {
                tokio::task::yield_now().await;
            }
        }
        delete(&dir, &mut || waiters.iter().all(|waiter| !waiter.is_finished()));
        guard.lost().await;
        drop(guard);
        for waiter in waiters {
            tokio::time::timeout(Duration::from_secs(15), waiter).await.expect("the line goes on").unwrap().unwrap();
        }
    });
}
