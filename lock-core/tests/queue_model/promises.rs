//! What must be true of every state.

use stateright::{Model, Property};

use crate::{
    client::Client,
    protocol::Protocol,
    state::{FREE_MAX, State},
};

pub(crate) const EXCLUSION: &str = "at most one valid holder";
pub(crate) const FENCING: &str = "tokens grow";
pub(crate) const ORDER: &str = "each grant goes to the one whose turn it is";
pub(crate) const PROGRESS: &str = "a live head is granted in time";

pub(crate) fn promises() -> Vec<Property<Protocol>> {
    vec![
        Property::always(EXCLUSION, |_, state: &State| {
            state.clients.iter().filter(|client| client.holds()).count() <= 1
        }),
        Property::always(FENCING, |_, state: &State| state.server.tokens_grow),
        // Of those who are silent for too long none keeps its turn, so where some may be it is not asked.
        Property::always(ORDER, |_, state: &State| state.order_kept),
        Property::always("nobody is passed too often", |_, state: &State| {
            state.server.line.iter().all(|ticket| ticket.passed <= lock_core::queue::PASSED_MAX)
        }),
        // What follows is promised only where messages arrive.
        Property::always(PROGRESS, |protocol: &Protocol, state: &State| !protocol.punctual || state.free <= FREE_MAX),
        Property::always("it ends only when everybody is done", |protocol: &Protocol, state: &State| {
            let mut actions = Vec::new();
            protocol.actions(state, &mut actions);
            !actions.is_empty() || state.clients.iter().all(Client::is_out)
        }),
        Property::sometimes("everybody is done", |_, state: &State| {
            state.clients.iter().all(Client::is_out) && state.net.messages().is_empty()
        }),
    ]
}
