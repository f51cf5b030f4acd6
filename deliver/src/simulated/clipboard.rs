//! One selection of the simulated desktop.

use std::{collections::HashMap, time::Instant};

/// Who put something on a clipboard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Actor {
    Client(u64),
    Stranger,
}

#[derive(Debug, Default)]
pub(super) struct Clipboard {
    pub(super) text: String,
    pub(super) owner: Option<Actor>,
    /// What its owner will give back.
    saved: Option<String>,
    /// Fetches of the present text by window.
    fetches: HashMap<usize, u32>,
    by_manager: u32,
    last_fetch: Option<Instant>,
}

impl Clipboard {
    /// Puts a text there; what a client found is kept for [`Clipboard::give_back`].
    pub(super) fn take(&mut self, actor: Actor, text: String) {
        let found = std::mem::replace(&mut self.text, text);
        let saved = if self.owner == Some(actor) { self.saved.take() } else { None };
        *self = Self {
            text: std::mem::take(&mut self.text),
            owner: Some(actor),
            saved: saved.or(Some(found)),
            ..Self::default()
        };
    }

    /// Gives back what was found, if the clipboard is still the client's.
    pub(super) fn give_back(&mut self, actor: Actor) {
        if self.owner == Some(actor) {
            *self = Self { text: self.saved.take().unwrap_or_default(), ..Self::default() };
        }
    }

    /// A window reads; `None`: the manager does.
    pub(super) fn fetch(&mut self, window: Option<usize>, now: Instant) -> String {
        match window {
            Some(window) => *self.fetches.entry(window).or_default() += 1,
            None => self.by_manager += 1,
        }
        self.last_fetch = Some(now);
        self.text.clone()
    }

    /// Fetches of the present text by the window, and by others.
    pub(super) fn fetches(&self, window: usize) -> (u32, u32) {
        let all: u32 = self.fetches.values().sum();
        let by_window = self.fetches.get(&window).copied().unwrap_or(0);
        (by_window, all - by_window + self.by_manager)
    }

    pub(super) const fn last_fetch(&self) -> Option<Instant> {
        self.last_fetch
    }
}
