//! A server, and a network between it and one of its clients.

use std::{sync::Arc, time::Duration};

use lock_core::{AcquireOptions, DistributedLock, DistributedLockExt, Guard, Holder, KeyState, Moment};
use tests::{probe::READY_WITHIN, proxy::Proxy, redis_server::RedisServer};

use crate::client::client_with_timeout;
pub(crate) use crate::client::{key, options};

/// How long an impatient client waits for an answer: what is lost is asked for again after it, and must be answered in as long.
const ANSWER_WITHIN: Duration = Duration::from_secs(3);

/// A server, a network to it, and one client on each side of the network. Both are patient: a network that loses what they wait for
/// must say so, by a reset.
pub(crate) struct Site {
    pub(crate) server: RedisServer,
    pub(crate) network: Proxy,
    /// Through the network.
    pub(crate) far: Arc<dyn DistributedLock>,
    /// Beside the server.
    pub(crate) near: Arc<dyn DistributedLock>,
}

impl Site {
    pub(crate) async fn open() -> Self {
        Self::with(&[]).await
    }

    pub(crate) async fn with(options: &[&str]) -> Self {
        let server = RedisServer::start_with(options);
        let network = Proxy::to(&server.socket());
        let far = client(&url_through(&network)).await;
        let near = client(&server.url()).await;
        // The server knows the scripts from now on, so that each call is one question and one answer.
        near.acquire(&key(), &AcquireOptions::default()).await.unwrap().release().await.unwrap();
        Self { server, network, far, near }
    }

    /// Another one through the network, that finds out by silence alone that an answer is lost.
    pub(crate) async fn impatient(&self) -> Arc<dyn DistributedLock> {
        client_with_timeout(&url_through(&self.network), ANSWER_WITHIN).await
    }

    pub(crate) async fn state(&self) -> KeyState {
        self.near.inspect(&key()).await.unwrap()
    }

    /// Waits until the server's state is as `question` wants it.
    pub(crate) async fn until<T>(&self, what: &str, question: impl Fn(&KeyState) -> Option<T>) -> T {
        let deadline = Moment::now() + READY_WITHIN;
        loop {
            let state = self.state().await;
            if let Some(answer) = question(&state) {
                return answer;
            }
            assert!(!deadline.is_past(), "{what}: {state:?}");
            tokio::task::yield_now().await;
        }
    }
}

fn url_through(network: &Proxy) -> String {
    format!("redis://127.0.0.1:{}", network.port())
}

async fn client(url: &str) -> Arc<dyn DistributedLock> {
    client_with_timeout(url, READY_WITHIN).await
}

pub(crate) fn acquire(lock: &Arc<dyn DistributedLock>, options: AcquireOptions) -> tokio::task::JoinHandle<Guard> {
    let lock = Arc::clone(lock);
    tokio::spawn(async move { lock.acquire(&key(), &options).await.unwrap() })
}

pub(crate) fn is_held(state: &KeyState) -> Option<u64> {
    match &state.holder {
        Holder::Lease { token, .. } => Some(token.0),
        _ => None,
    }
}
