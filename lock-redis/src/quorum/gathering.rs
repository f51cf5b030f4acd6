//! One question to all servers at once, until enough of them have answered.

use std::{future::Future, pin::Pin, sync::Arc, task::Poll, time::Duration};

use lock_core::{Moment, background};

use crate::{backend::Client, error::Trouble};

/// A call to one server. It lives on without who asked.
type Call<T> = Pin<Box<dyn Future<Output = Result<T, Trouble>> + Send>>;

/// What each server has said so far, in their order; `None` for one that is still asked.
#[derive(Debug)]
pub(crate) struct Answers<T>(Vec<Option<Result<T, Trouble>>>);

/// A question on its way. What has not been answered when it is dropped is brought to its end all the same, within twice the
/// timeout: a server that is slower than the majority must know of the lease too, and one that hangs must be found to hang.
pub(crate) struct Gathering<T: Send + 'static> {
    calls: Vec<Option<Call<T>>>,
    answers: Answers<T>,
    begun: Moment,
    timeout: Duration,
}

impl<T> Answers<T> {
    /// How many have said this.
    pub(crate) fn count(&self, is: impl Fn(&T) -> bool) -> usize {
        self.given().filter(|(_, said)| is(said)).count()
    }

    /// How many have answered other than by an error.
    pub(crate) fn known(&self) -> usize {
        self.given().count()
    }

    /// How many may still say anything.
    pub(crate) fn pending(&self) -> usize {
        self.silent().count()
    }

    /// Those that may still say anything.
    pub(crate) fn silent(&self) -> impl Iterator<Item = usize> {
        self.0.iter().enumerate().filter(|(_, answer)| answer.is_none()).map(|(at, _)| at)
    }

    /// What was said, and by which server.
    pub(crate) fn given(&self) -> impl Iterator<Item = (usize, &T)> {
        self.0.iter().enumerate().filter_map(|(at, answer)| Some((at, answer.as_ref()?.as_ref().ok()?)))
    }

    /// What has gone wrong.
    pub(crate) fn troubles(&self) -> Vec<Trouble> {
        self.0.iter().filter_map(|answer| answer.as_ref()?.as_ref().err().cloned()).collect()
    }
}

impl<T: Send + 'static> Gathering<T> {
    /// Asks each of the servers.
    pub(crate) fn of<F>(servers: &[Arc<Client>], ask: impl Fn(Arc<Client>) -> F) -> Self
    where
        F: Future<Output = Result<T, Trouble>> + Send + 'static,
    {
        Self {
            calls: servers.iter().map(|server| Some(Box::pin(ask(Arc::clone(server))) as Call<T>)).collect(),
            answers: Answers(servers.iter().map(|_| None).collect()),
            begun: Moment::now(),
            timeout: servers.iter().map(|server| server.link.config.timeout).max().unwrap_or_default(),
        }
    }

    /// Returns when `enough` have answered, or all.
    pub(crate) async fn until(&mut self, mut enough: impl FnMut(&Answers<T>) -> bool) -> &Answers<T> {
        std::future::poll_fn(|context| {
            for (call, answer) in self.calls.iter_mut().zip(&mut self.answers.0) {
                // All of them before any is judged: the first look is what sends the calls.
                if let Some(running) = call
                    && let Poll::Ready(said) = running.as_mut().poll(context)
                {
                    (*call, *answer) = (None, Some(said));
                }
            }
            let is_over = self.answers.pending() == 0 || enough(&self.answers);
            if is_over { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        &self.answers
    }

    /// What was said until now.
    pub(crate) const fn answers(&self) -> &Answers<T> {
        &self.answers
    }

    /// Gives the others as long again as the ones before have taken, and 5 ms, but no longer than `at_most`: servers that
    /// are well answer at about the same time, and nobody is to wait for one that hangs.
    pub(crate) async fn and_others(&mut self, at_most: Duration) -> Result<&Answers<T>, Trouble> {
        let patience = (self.begun.elapsed() * 2 + Duration::from_millis(5)).min(at_most);
        tokio::select! {
            biased;
            _ = self.until(|_| false) => {}
            slept = background::sleep_until(Moment::now() + patience) => slept?,
        }
        Ok(&self.answers)
    }
}

impl<T: Send + 'static> Drop for Gathering<T> {
    fn drop(&mut self) {
        let limit = self.timeout * 2;
        for call in self.calls.iter_mut().filter_map(Option::take) {
            // Without a background thread nothing was sent either.
            if let Ok(runtime) = background::handle() {
                // The timer is made there, for here may be no runtime. Nobody waits for the outcome any more.
                drop(runtime.spawn(async move { drop(tokio::time::timeout(limit, call).await) }));
            }
        }
    }
}
