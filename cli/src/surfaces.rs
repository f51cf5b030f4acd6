//! The ways into agents, opened by name.

use std::sync::Arc;

use deliver::{
    Surface, SurfaceKind,
    desktop::{Desktop, DesktopSurface, Refusal},
    simulated::SimulatedDesktop,
};

use crate::{
    error::{CommandError, ErrorKind},
    settings::Settings,
};

/// Opens the surface. Connects to nothing yet.
pub(crate) fn open(kind: SurfaceKind, settings: &Settings) -> Result<Arc<dyn Surface>, CommandError> {
    kind.check_built().map_err(|error| CommandError::chain(ErrorKind::NotBuilt, &error))?;
    let settings = settings.clone();
    Ok(Arc::new(DesktopSurface::new(move || connect(kind, &settings))))
}

/// Connects to the desktop of that kind.
pub(crate) fn connect(kind: SurfaceKind, settings: &Settings) -> Result<Box<dyn Desktop>, Refusal> {
    match kind {
        SurfaceKind::Simulated => simulated(settings),
        _ => screen(),
    }
}

fn simulated(settings: &Settings) -> Result<Box<dyn Desktop>, Refusal> {
    let address = settings.simulated.as_ref().ok_or_else(|| Refusal::NoDisplay {
        display: "of the simulation".into(),
        why: "`simulated.address` is not set".into(),
    })?;
    Ok(Box::new(SimulatedDesktop::connect(address)?))
}

fn screen() -> Result<Box<dyn Desktop>, Refusal> {
    Err(Refusal::NoDisplay { display: String::new(), why: "no driver".into() })
}
