//! What a display offers, as plain data for a person's diagnosis.

use x11rb::protocol::xproto::{AtomEnum, ConnectionExt as _};

use super::{
    accessibility::Accessibility,
    connection::{Display, During as _, NEEDED, unless_gone},
    keeper,
    screens::{Screen, Screens},
};
use crate::desktop::Refusal;

/// What a display offers.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Probe {
    /// As it was asked for.
    pub display: String,
    /// The server's vendor.
    pub vendor: String,
    /// Needed extensions, and whether they are there.
    pub extensions: Vec<(String, bool)>,
    /// Whether it is XWayland, where verified delivery is refused.
    pub xwayland: bool,
    /// What the window manager calls itself; `None` where there is none, which is no hindrance.
    pub window_manager: Option<String>,
    /// The monitors, in desktop coordinates.
    pub screens: Vec<Screen>,
    /// Whether a clipboard keeper of this user runs; `Err` as text when that cannot be told.
    pub keeper: Result<bool, String>,
    /// Whether the session has an accessibility bus, on which programs may tell which of their input boxes has the focus.
    pub accessibility: bool,
}

/// Looks at a display without touching anything; `None` is the one that DISPLAY names.
///
/// # Errors
/// It cannot be connected to, or stops answering.
pub fn probe(display: Option<&str>) -> Result<Probe, Refusal> {
    use x11rb::connection::Connection as _;
    let display = Display::connect_ungated(display)?;
    let mut extensions = Vec::new();
    for (name, _) in NEEDED {
        extensions.push((name.to_owned(), display.has_extension(name)?));
    }
    let has_monitors = display.has_extension("RANDR")?;
    Ok(Probe {
        vendor: String::from_utf8_lossy(&display.x.setup().vendor).into_owned(),
        extensions,
        xwayland: has_monitors && display.is_xwayland()?,
        window_manager: display.window_manager()?,
        screens: if has_monitors { Screens::read(&display)?.list } else { Vec::new() },
        keeper: keeper::is_running(&display.name).map_err(|error| error.to_string()),
        accessibility: Accessibility::connect().is_some(),
        display: display.name,
    })
}

impl Display {
    fn window_manager(&self) -> Result<Option<String>, Refusal> {
        const DOING: &str = "asking for the window manager";
        let check = self.atoms._NET_SUPPORTING_WM_CHECK;
        let asked = self.x.get_property(false, self.root, check, AtomEnum::WINDOW, 0, 1).during(DOING)?;
        let window = unless_gone(asked.reply(), DOING)?.and_then(|property| property.value32()?.next());
        let Some(window) = window else { return Ok(None) };
        // A window manager that was killed leaves its mark on the root window, but not its own window.
        let asked = self.x.get_geometry(window).during(DOING)?;
        if unless_gone(asked.reply(), DOING)?.is_none() {
            return Ok(None);
        }
        let labels = self.labels(&[window])?;
        Ok(labels.into_iter().next().map(|labels| labels.title.unwrap_or_else(|| "(without a name)".into())))
    }
}
