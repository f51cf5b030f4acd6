//! Errors as their readers see them.

use std::error::Error;

/// The error with all its sources.
pub fn told(error: &dyn Error) -> String {
    let sources = std::iter::successors(error.source(), |&error| error.source());
    sources.fold(error.to_string(), |text, source| format!("{text}: {source}"))
}
