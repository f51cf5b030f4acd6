//! A request as tests make it.

use crate::{FencingToken, Owner, Priority, Request, RequestId, Secret};

/// A request of this process with the id `id`: normal, never numbered, and of a client that has seen no token.
///
/// # Panics
/// Without a source of random numbers.
#[must_use]
pub fn request(id: u128) -> Request {
    Request {
        id: RequestId(id),
        owner: Owner::current("test"),
        priority: Priority::Normal,
        ttl: crate::TTL_DEFAULT,
        floor: FencingToken(0),
        secret_hash: Secret::random().expect("a random source").hash(),
        number: None,
    }
}
