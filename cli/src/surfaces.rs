//! The ways into agents, opened by name.

use std::sync::Arc;

use deliver::{
    Surface, SurfaceKind,
    desktop::{Desktop, DesktopSurface, Refusal, portable::PortableDesktop},
    simulated::SimulatedDesktop,
};

#[cfg(unix)]
use deliver::desktop::x11::{X11Desktop, XWayland, keeper::KeeperCommand};

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
            Driver::Verified => verified(settings),
            Driver::Portable => portable(settings),
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
pub(crate) fn keeper() -> Result<KeeperCommand, Refusal> {
    let program = std::env::current_exe().map_err(|error| Refusal::NoDisplay {
        display: crate::env_vars::text(crate::env_vars::DISPLAY).unwrap_or_default(),
        why: format!("the clipboard keeper cannot be started, as this program does not find itself: {error}"),
    })?;
    let secrets = crate::env_vars::secrets().into_iter().map(|(name, _)| name);
    Ok(KeeperCommand::new(program, crate::args::KEEPER_ARGUMENTS).without(secrets))
}

#[cfg(unix)]
fn xwayland(settings: &Settings) -> XWayland {
    if settings.allow_wayland { XWayland::Doubt } else { XWayland::Refuse }
}

/// Without any X server, a Wayland session says better than a missing display what can be done.
#[cfg(unix)]
fn name_wayland(refusal: Refusal) -> Refusal {
    use crate::env_vars::{DISPLAY, WAYLAND_DISPLAY, is_set};
    match refusal {
        Refusal::NoDisplay { why, .. } if is_set(WAYLAND_DISPLAY) && !is_set(DISPLAY) => {
            Refusal::Wayland { seen: format!("{WAYLAND_DISPLAY} is set, and no X server answers: {why}") }
        }
        other => other,
    }
}

#[cfg(unix)]
fn verified(settings: &Settings) -> Result<Box<dyn Desktop>, Refusal> {
    let desktop = X11Desktop::connect_even_to(xwayland(settings), None, &keeper()?);
    Ok(Box::new(desktop.map_err(name_wayland)?))
}

#[cfg(not(unix))]
fn verified(_: &Settings) -> Result<Box<dyn Desktop>, Refusal> {
    let why = "verified delivery needs X11; set `desktop.driver = \"portable\"`".into();
    Err(Refusal::NoDisplay { display: "of this system".into(), why })
}

#[cfg(all(unix, not(target_os = "macos")))]
fn portable(settings: &Settings) -> Result<Box<dyn Desktop>, Refusal> {
    let desktop = PortableDesktop::connect(xwayland(settings), None, &keeper()?);
    Ok(Box::new(desktop.map_err(name_wayland)?))
}

#[cfg(any(windows, target_os = "macos"))]
fn portable(_: &Settings) -> Result<Box<dyn Desktop>, Refusal> {
    Ok(Box::new(PortableDesktop::connect()?))
}
