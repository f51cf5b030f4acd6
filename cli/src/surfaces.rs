//! The ways into agents, opened by name.

use std::sync::Arc;

use deliver::{Surface, SurfaceKind};

use crate::error::{CommandError, ErrorKind};

/// Opens the surface. Connects to nothing yet.
pub(crate) fn open(kind: SurfaceKind) -> Result<Arc<dyn Surface>, CommandError> {
    kind.check_built().map_err(|error| CommandError::chain(ErrorKind::NotBuilt, &error))?;
    Err(CommandError::not_built(&format!("the surface `{kind}`")))
}
