//! Where the demo plays. The type tells whether anything may be typed there without the lock: a [`Playground`] is had
//! from a [`PrivateStage`] alone.

use std::{path::Path, process::Command};

use deliver::{
    desktop::{Desktop, Place, WindowIdentity},
    simulated::{Control, DesktopProcess, SimulatedDesktop},
};

use super::{
    backstage::Backstage,
    error::DemoError,
    own_helper,
    plan::{DesktopAddress, Playground},
    score::{Arrived, Seen},
};
#[cfg(target_os = "linux")]
use super::{private_display::PrivateServer, windows::Windows};

/// Where the demo plays.
#[derive(Debug)]
pub(crate) enum Stage {
    /// Where nobody else is.
    Private(PrivateStage),
    /// A display that somebody may be using.
    #[cfg(target_os = "linux")]
    Real {
        /// Its name.
        display: String,
    },
}

/// Where nobody else is.
#[derive(Debug)]
pub(crate) enum PrivateStage {
    /// A new simulated desktop for each run.
    Simulated,
    /// An X server of our own.
    #[cfg(target_os = "linux")]
    Xvfb(Box<PrivateServer>),
}

/// Open agent windows, for one run.
#[derive(Debug)]
pub(crate) struct Scene {
    windows: SceneWindows,
    /// How a protected sender finds the desktop.
    pub(crate) desktop: DesktopAddress,
    /// Each window as a protected sender names it.
    pub(crate) places: Vec<Place>,
    /// The middle of each window.
    pub(crate) points: Vec<(i32, i32)>,
}

#[derive(Debug)]
enum SceneWindows {
    Simulated(DesktopProcess),
    #[cfg(target_os = "linux")]
    X11(Windows),
}

impl PrivateStage {
    #[cfg(target_os = "linux")]
    pub(crate) fn xvfb(backstage: &mut Backstage, folder: &Path) -> Result<Self, DemoError> {
        Ok(Self::Xvfb(Box::new(PrivateServer::start(backstage, folder)?)))
    }

    #[cfg(not(target_os = "linux"))]
    pub(crate) fn xvfb(_backstage: &mut Backstage, _folder: &Path) -> Result<Self, DemoError> {
        let source = std::io::ErrorKind::Unsupported.into();
        Err(DemoError::System { what: "start an X server on this system", source })
    }

    /// Lets a child find the display.
    #[cfg_attr(
        not(target_os = "linux"),
        allow(unused_variables, reason = "a simulated desktop is told by its address")
    )]
    pub(crate) fn let_in(&self, command: &mut Command) {
        match self {
            Self::Simulated => {}
            #[cfg(target_os = "linux")]
            Self::Xvfb(server) => server.let_in(command),
        }
    }

    /// Opens windows, and says what unprotected senders are to play on.
    #[cfg_attr(not(target_os = "linux"), allow(unused_variables, reason = "only real windows are heard backstage"))]
    pub(crate) fn open(&self, backstage: &mut Backstage, count: usize) -> Result<(Scene, Playground), DemoError> {
        match self {
            Self::Simulated => {
                let (scene, address) = Scene::simulated(count)?;
                Ok((scene, Playground::Simulated(address)))
            }
            #[cfg(target_os = "linux")]
            Self::Xvfb(server) => {
                let options = window_options(server.display().name(), count, false);
                let windows = Windows::open(backstage, &options, |command| server.let_in(command))?;
                let scene = Scene::x11(windows, server.display().name());
                Ok((scene, Playground::Xvfb(server.secret().to_owned())))
            }
        }
    }
}

impl Stage {
    /// The stage, where nobody else is on it.
    pub(crate) const fn private(&self) -> Option<&PrivateStage> {
        match self {
            Self::Private(stage) => Some(stage),
            #[cfg(target_os = "linux")]
            Self::Real { .. } => None,
        }
    }

    /// Opens windows.
    pub(crate) fn open(&self, backstage: &mut Backstage, count: usize) -> Result<Scene, DemoError> {
        match self {
            Self::Private(stage) => Ok(stage.open(backstage, count)?.0),
            #[cfg(target_os = "linux")]
            Self::Real { display } => {
                let windows = Windows::open(backstage, &window_options(display, count, true), |_| {})?;
                Ok(Scene::x11(windows, display))
            }
        }
    }

    /// Lets a sender find the display.
    pub(crate) fn let_in(&self, command: &mut Command) {
        match self {
            #[cfg(target_os = "linux")]
            Self::Real { .. } => {}
            Self::Private(stage) => stage.let_in(command),
        }
    }

    /// The word for `--json`.
    pub(crate) const fn surface(&self) -> &'static str {
        match self {
            Self::Private(PrivateStage::Simulated) => "simulated",
            #[cfg(target_os = "linux")]
            Self::Private(PrivateStage::Xvfb(_)) | Self::Real { .. } => "x11",
        }
    }

    /// In words, as in "on a simulated desktop".
    pub(crate) fn words(&self) -> String {
        match self {
            Self::Private(PrivateStage::Simulated) => "a simulated desktop".to_owned(),
            #[cfg(target_os = "linux")]
            Self::Private(PrivateStage::Xvfb(server)) => {
                format!("a private X server (Xvfb {})", server.display().name())
            }
            #[cfg(target_os = "linux")]
            Self::Real { display } => format!("the display {display}"),
        }
    }
}

impl Scene {
    /// With the address of the simulated desktop.
    fn simulated(count: usize) -> Result<(Self, String), DemoError> {
        let mut command = own_helper("simulated-desktop")?;
        command.arg("--windows").arg(count.to_string());
        super::backstage::apart_from_terminal(&mut command);
        let process = DesktopProcess::spawn(command)?;
        let places: Vec<Place> = (1..=count).map(|number| titled(format!("Agent-{number}"), None)).collect();
        let refused =
            |refusal| DemoError::System { what: "find the agents' windows", source: std::io::Error::other(refusal) };
        let mut desktop = SimulatedDesktop::connect(process.address()).map_err(refused)?;
        let points = places.iter().map(|place| Ok(desktop.bind(place).map_err(refused)?.point));
        let points = points.collect::<Result<_, DemoError>>()?;
        let address = process.address().to_string();
        let desktop = DesktopAddress::Simulated(address.clone());
        Ok((Self { windows: SceneWindows::Simulated(process), desktop, places, points }, address))
    }

    #[cfg(target_os = "linux")]
    fn x11(windows: Windows, display: &str) -> Self {
        let places = windows.windows().iter().map(|window| titled(window.title.clone(), Some(windows.pid()))).collect();
        let point = |window: &deliver::agent_windows::AgentWindow| {
            let (x, y) = window.centre();
            (i32::from(x), i32::from(y))
        };
        let points = windows.windows().iter().map(point).collect();
        Self { windows: SceneWindows::X11(windows), desktop: DesktopAddress::X11(display.to_owned()), places, points }
    }

    /// What stands in the windows now that all senders have done.
    #[cfg_attr(not(target_os = "linux"), allow(unused_variables, reason = "only real windows are heard backstage"))]
    pub(crate) fn seen(&mut self, backstage: &mut Backstage) -> Result<Seen, DemoError> {
        match &mut self.windows {
            SceneWindows::Simulated(process) => seen_simulated(process),
            #[cfg(target_os = "linux")]
            SceneWindows::X11(windows) => windows.seen(backstage),
        }
    }
}

fn seen_simulated(process: &DesktopProcess) -> Result<Seen, DemoError> {
    let log = Control::connect(process.address())?.log()?;
    let mut arrived = Vec::new();
    let mut unsent = Vec::new();
    for (window, log_of_window) in log.windows.into_iter().enumerate() {
        for submitted in log_of_window.submitted {
            // Milliseconds of a run of minutes fit.
            let at_ns = log.started_ns + (submitted.at_ms * 1e6) as u64;
            arrived.push((submitted.order, Arrived { window, text: submitted.text, at_ns }));
        }
        unsent.extend(Some(log_of_window.draft).filter(|draft| !draft.is_empty()));
    }
    arrived.sort_by_key(|(order, _)| *order);
    Ok(Seen { arrived: arrived.into_iter().map(|(_, arrived)| arrived).collect(), unsent })
}

fn titled(title: String, pid: Option<u32>) -> Place {
    Place { point: None, window: Some(WindowIdentity { class: None, title: Some(title), pid }) }
}

/// On a display of our own past any window manager; on somebody's as that one's window manager wants them.
#[cfg(target_os = "linux")]
fn window_options(display: &str, count: usize, managed: bool) -> deliver::agent_windows::Options {
    deliver::agent_windows::Options {
        display: Some(display.to_owned()),
        count,
        managed,
        ..deliver::agent_windows::Options::default()
    }
}
