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

/// The MUST's 50 ms, as a median: a single one also measures what else the machine has to do.
#[test]
fn the_holder_is_told_of_deleted_files_within_50_ms() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let delete: [fn(&Path); 3] = [
        |dir| std::fs::remove_dir_all(dir).unwrap(),
        |dir| std::fs::remove_file(dir.join("k.lock")).unwrap(),
        |dir| std::fs::rename(dir, dir.with_extension("aside")).unwrap(),
    ];
    for delete in delete {
        let mut told: Vec<Duration> = (0..9)
            .map(|_| {
                let folder = tempfile::tempdir().unwrap();
                let dir = folder.path().join("locks");
                runtime.block_on(async {
                    let lock = open(&dir).unwrap();
                    let guard = lock.acquire(&key(), &within(Duration::ZERO)).await.unwrap();
                    delete(&dir);
                    let deleted = lock_core::Moment::now();
                    assert_eq!(guard.lost().await, lock_core::LossReason::StoreGone);
                    let told = deleted.elapsed();
                    assert!(guard.check().is_err(), "the next act is stopped");
                    told
                })
            })
            .collect();
        told.sort_unstable();
        assert!(told[4] < Duration::from_millis(50), "{told:?}");
    }
}

/// The holder is told, and who waits goes on in the new folder without being asked again.
#[test]
fn a_folder_that_is_deleted_while_one_holds_and_others_wait() {
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
        std::fs::remove_dir_all(&dir).unwrap();
        guard.lost().await;
        drop(guard);
        for waiter in waiters {
            tokio::time::timeout(Duration::from_secs(15), waiter).await.expect("the line goes on").unwrap().unwrap();
        }
    });
}
