//! The display, and the agents' places on it.

use deliver::{
    Agent, SurfaceKind,
    desktop::{Desktop, portable},
};

use super::Check;
use crate::{
    settings::{Driver, Settings},
    surfaces,
};

/// Looks at the screen, and finds each agent's target as a delivery would, without touching anything.
pub(super) fn checks(settings: &Settings) -> Vec<Check> {
    let mut checks = vec![driver(settings.driver)];
    checks.extend(screen(settings));
    for kind in [SurfaceKind::Desktop, SurfaceKind::Simulated] {
        let agents: Vec<&Agent> =
            settings.agents.iter().map(|(agent, _)| agent).filter(|agent| agent.surface == kind).collect();
        if agents.is_empty() {
            continue;
        }
        match surfaces::connect(kind, settings) {
            Ok(mut desktop) => checks.extend(agents.iter().map(|agent| target(agent, desktop.as_mut()))),
            Err(refusal) => {
                let advice = "agents cannot be reached; start this where DISPLAY names a usable X11 display";
                checks.push(Check::fail(format!("{kind} surface"), refusal.to_string(), advice));
            }
        }
    }
    let later = settings.agents.iter().filter_map(|(agent, _)| Some((agent, agent.surface.check_built().err()?)));
    checks.extend(later.map(|(agent, error)| {
        Check::fail(format!("agent {}", agent.name), error.to_string(), "give it a desktop window instead")
    }));
    checks
}

fn target(agent: &Agent, desktop: &mut dyn Desktop) -> Check {
    let name = format!("agent {}", agent.name);
    match desktop.bind(&agent.place) {
        Ok(bound) => {
            let (x, y) = bound.point;
            Check::ok(name, format!("{} at ({x}, {y})", bound.description))
        }
        Err(refusal) => {
            let advice = format!("open its window, or correct its place: `talkstick agents add {} ...`", agent.name);
            Check::fail(name, refusal.to_string(), advice)
        }
    }
}

/// What delivers, and what it can prove.
fn driver(driver: Driver) -> Check {
    match driver {
        Driver::Verified => Check::ok("driver", "verified: each act is checked and done as one"),
        Driver::Portable => Check::ok("driver", format!("portable: {}", portable::PROVES)),
    }
}

#[cfg(any(windows, target_os = "macos"))]
fn screen(_: &Settings) -> Vec<Check> {
    let check = |finding: portable::Finding| match finding.advice {
        None => Check::ok(finding.name, finding.seen),
        Some(advice) => Check::fail(finding.name, finding.seen, advice),
    };
    portable::findings().into_iter().map(check).collect()
}

#[cfg(all(unix, not(target_os = "macos")))]
fn screen(settings: &Settings) -> Vec<Check> {
    use deliver::desktop::x11;

    use crate::env_vars;

    let probe = match x11::probe(None) {
        Ok(probe) => probe,
        Err(refusal) => {
            let advice = match env_vars::is_set(env_vars::WAYLAND_DISPLAY) {
                true => {
                    "Wayland lets no program type into another's window; use tmux, inbox or exec, or an X11 session"
                }
                false => "set DISPLAY to a running X server (and XAUTHORITY to its key)",
            };
            return vec![Check::fail("display", refusal.to_string(), advice)];
        }
    };
    let missing: Vec<&str> =
        probe.extensions.iter().filter(|(_, there)| !there).map(|(name, _)| name.as_str()).collect();
    let display = match (missing.is_empty(), probe.xwayland) {
        (false, _) => {
            let seen = format!("{} lacks the extensions {}", probe.display, missing.join(", "));
            Check::fail("display", seen, "enable them in the X server: verified delivery needs each of them")
        }
        (true, true) => {
            let seen = format!("{} is XWayland, where nothing says where keys go", probe.display);
            match settings.allow_wayland {
                true => {
                    Check::warn("display", seen, "allowed by `desktop.allow_wayland`: each delivery is `uncertain`")
                }
                false => Check::fail("display", seen, "use tmux, inbox or exec, or an X11 session"),
            }
        }
        (true, false) => Check::ok("display", format!("{} ({})", probe.display, probe.vendor)),
    };
    let screens: Vec<String> =
        probe.screens.iter().map(|s| format!("{}x{}{:+}{:+}", s.width, s.height, s.x, s.y)).collect();
    let keeper = match &probe.keeper {
        Ok(true) => Check::ok("clipboard keeper", "it runs"),
        Ok(false) => Check::ok("clipboard keeper", "not running; the next delivery starts it"),
        Err(why) => Check::warn("clipboard keeper", why.clone(), "check the owner and permissions of its folder"),
    };
    let manager = probe.window_manager.unwrap_or_else(|| "none, which is no hindrance".to_owned());
    let accessibility = match probe.accessibility {
        true => "on: the input box inside a window is checked where its program tells of it",
        false => "off: which input box inside a window takes the keys is not checked",
    };
    vec![
        display,
        Check::ok("screens", screens.join(", ")),
        Check::ok("window manager", manager),
        keeper,
        Check::ok("accessibility", accessibility),
    ]
}
