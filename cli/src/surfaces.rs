//! The ways into agents, opened by name.

use std::sync::Arc;

use deliver::{
    Surface, SurfaceKind,
    desktop::{Desktop, DesktopSurface, Refusal, portable::PortableDesktop},
    simulated::SimulatedDesktop,
};

use crate::{
    error::{CommandError, ErrorKind},
    settings::{Driver, Settings},
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
        _ => match settings.driver {
            Driver::Verified => verified(),
            Driver::Portable => portable(),
        },
    }
}

fn simulated(settings: &Settings) -> Result<Box<dyn Desktop>, Refusal> {
    let address = settings.simulated.as_ref().ok_or_else(|| Refusal::NoDisplay {
        display: "of the simulation".into(),
        why: "`simulated.address` is not set".into(),
    })?;
    Ok(Box::new(SimulatedDesktop::connect(address)?))
}

/// The keeper of the clipboard outlives this process, so it is this program in another process.
#[cfg(unix)]
fn keeper() -> Result<deliver::desktop::x11::keeper::KeeperCommand, Refusal> {
    let program = std::env::current_exe().map_err(|error| Refusal::NoDisplay {
        display: crate::env_vars::text(crate::env_vars::DISPLAY).unwrap_or_default(),
        why: format!("the clipboard keeper cannot be started, as this program does not find itself: {error}"),
    })?;
    Ok(deliver::desktop::x11::keeper::KeeperCommand::new(program, crate::commands::KEEPER_ARGUMENTS))
}

#[cfg(unix)]
fn verified() -> Result<Box<dyn Desktop>, Refusal> {
    Ok(Box::new(deliver::desktop::x11::X11Desktop::connect(None, &keeper()?)?))
}

#[cfg(not(unix))]
fn verified() -> Result<Box<dyn Desktop>, Refusal> {
    let why = "verified delivery needs X11; set `desktop.driver = \"portable\"`".into();
    Err(Refusal::NoDisplay { display: "of this system".into(), why })
}

#[cfg(all(unix, not(target_os = "macos")))]
fn portable() -> Result<Box<dyn Desktop>, Refusal> {
    Ok(Box::new(PortableDesktop::connect(None, &keeper()?)?))
}

#[cfg(any(windows, target_os = "macos"))]
fn portable() -> Result<Box<dyn Desktop>, Refusal> {
    Ok(Box::new(PortableDesktop::connect()?))
}
