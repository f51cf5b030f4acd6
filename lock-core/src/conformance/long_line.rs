//! A line that is longer than a case of the suite can have it on every backend.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::sync::{mpsc, oneshot};

use crate::{AcquireOptions, DistributedLock, DistributedLockExt, LockEvent, LockKey, Observer, Priority};

/// As long as the whole line may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Tasks of all `clients`, `length` together, wait in one line and are granted in the order of their asking, the last one
/// first: it is urgent. Must be called inside a runtime.
///
/// # Panics
/// When one is not.
pub async fn a_long_line_is_granted_in_order(clients: &[Arc<dyn DistributedLock>], key: &LockKey, length: usize) {
    let options = AcquireOptions::default().timeout(PATIENCE);
    let guard = clients[0].acquire(key, &options).await.expect("acquired");
    let (order, mut granted) = mpsc::unbounded_channel();
    for nth in 0..length {
        let (client, key, order) = (Arc::clone(&clients[nth % clients.len()]), key.clone(), order.clone());
        let (queued, in_line) = oneshot::channel();
        let queued = Mutex::new(Some(queued));
        let observer = Observer::new(move |event| {
            if matches!(event, LockEvent::Queued { .. })
                && let Some(queued) = queued.lock().unwrap_or_else(PoisonError::into_inner).take()
            {
                queued.send(()).expect("somebody waits for it");
            }
        });
        let priority = if nth == length - 1 { Priority::Urgent } else { Priority::Normal };
        let options = options.clone().priority(priority).observer(observer);
        tokio::spawn(async move {
            let guard = client.acquire(&key, &options).await.expect("acquired");
            order.send((nth, guard.token())).expect("somebody counts");
            guard.release().await.expect("released");
        });
        in_line.await.expect("it stands in line");
    }
    guard.release().await.expect("released");
    let mut all = Vec::new();
    while all.len() < length {
        all.push(granted.recv().await.expect("one more"));
    }
    assert!(clients[0].inspect(key).await.expect("a state").queue.is_empty());
    assert!(all.windows(2).all(|pair| pair[0].1 < pair[1].1), "tokens grow");
    let order: Vec<usize> = all.into_iter().map(|(nth, _)| nth).collect();
    assert_eq!(order, std::iter::once(length - 1).chain(0..length - 1).collect::<Vec<_>>());
}
