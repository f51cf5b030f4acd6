//! One connection to one display: its setup, its gates, and how its errors become refusals.

use std::{cell::RefCell, collections::BTreeMap, io, time::Duration};

use lock_core::Moment;
use x11rb::{
    connection::{Connection as _, SequenceNumber},
    errors::{ConnectionError, ReplyError, ReplyOrIdError},
    protocol::{
        ErrorKind, randr::ConnectionExt as _, res::ConnectionExt as _, sync::ConnectionExt as _,
        xfixes::ConnectionExt as _, xinput::ConnectionExt as _, xproto::ConnectionExt as _, xproto::Window,
        xtest::ConnectionExt as _,
    },
    reexports::x11rb_protocol::{parse_display::parse_display, xauth::get_auth},
    rust_connection::{DefaultStream, RustConnection},
};

use super::{atoms::Atoms, own_input::Act, stream::DeadlineStream};
use crate::desktop::Refusal;

/// How long the server may take for an answer. A healthy one needs well under a millisecond; who needs longer is
/// stopped, or another client holds the whole server.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// What a refusal calls the whole server.
pub(super) const SERVER: &str = "X server";

/// Extensions that verified delivery needs, with what for.
pub(super) const NEEDED: [(&str, &str); 5] = [
    ("XTEST", "to press keys"),
    ("XFIXES", "to notice a taken clipboard"),
    ("XInputExtension", "to tell devices apart"),
    ("X-Resource", "to tell processes apart"),
    ("RANDR", "to know the monitors"),
];

pub(super) type X = RustConnection<DeadlineStream>;

/// A connected display.
#[derive(Debug)]
pub(super) struct Display {
    pub(super) x: X,
    pub(super) atoms: Atoms,
    pub(super) root: Window,
    /// As the user named it.
    pub(super) name: String,
    /// Whether a Wayland compositor is behind it.
    pub(super) xwayland: bool,
    /// Whether the server counts how long its devices are idle.
    pub(super) has_sync: bool,
    /// The numbers of our requests for synthetic input whose events are still to come.
    pub(super) synthetic: RefCell<BTreeMap<SequenceNumber, Act>>,
}

/// What to do where the X server is XWayland: there keys go where the compositor leads them, and it tells nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum XWayland {
    /// Refuse it.
    #[default]
    Refuse,
    /// Deliver all the same; every Enter is then claimed as `uncertain`.
    Doubt,
}

impl Display {
    /// Connects, and refuses what cannot be delivered to.
    pub(super) fn connect(name: Option<&str>, xwayland: XWayland) -> Result<Self, Refusal> {
        let mut display = Self::connect_ungated(name)?;
        display.gate(xwayland)?;
        display.has_sync = display.has_extension("SYNC")?;
        if display.has_sync {
            const DOING: &str = "asking for extension versions";
            display.x.sync_initialize(3, 1).during(DOING)?.reply().during(DOING)?;
        }
        Ok(display)
    }

    /// Connects to whatever is there.
    pub(super) fn connect_ungated(name: Option<&str>) -> Result<Self, Refusal> {
        let shown = match name {
            Some(name) => name.to_owned(),
            None => {
                let named = std::env::var("DISPLAY").ok().filter(|named| !named.is_empty());
                named.unwrap_or_else(|| "(DISPLAY is not set)".into())
            }
        };
        let refused = |why: String| Refusal::NoDisplay { display: shown.clone(), why };
        let (x, screen) = open(name).map_err(|error| refused(error.to_string()))?;
        let root = x.setup().roots.get(screen).ok_or_else(|| refused(format!("it has no screen {screen}")))?.root;
        let atoms = Atoms::new(&x)
            .map_err(ReplyError::from)
            .and_then(super::atoms::AtomsCookie::reply)
            .map_err(|error| refused(error.to_string()))?;
        Ok(Self { x, atoms, root, name: shown, xwayland: false, has_sync: false, synthetic: RefCell::default() })
    }

    /// Gates on the server's own answers: environment variables tell what a session was started as, not what it is.
    fn gate(&mut self, xwayland: XWayland) -> Result<(), Refusal> {
        self.answer_soon();
        let refused = |why: String| Refusal::NoDisplay { display: self.name.clone(), why };
        for (extension, what_for) in NEEDED {
            if !self.has_extension(extension)? {
                return Err(refused(format!("its server lacks the extension {extension} ({what_for})")));
            }
        }
        self.xwayland = self.is_xwayland()?;
        if self.xwayland && xwayland == XWayland::Refuse {
            return Err(Refusal::Wayland { seen: format!("{} is XWayland", self.name) });
        }
        self.negotiate().during("asking for extension versions")
    }

    /// Extensions answer only clients that have named a version.
    fn negotiate(&self) -> Result<(), ReplyError> {
        let xtest = self.x.xtest_get_version(2, 2)?;
        let xfixes = self.x.xfixes_query_version(5, 0)?;
        let xinput = self.x.xinput_xi_query_version(2, 2)?;
        let res = self.x.res_query_version(1, 2)?;
        let randr = self.x.randr_query_version(1, 5)?;
        xtest.reply()?;
        xfixes.reply()?;
        xinput.reply()?;
        res.reply()?;
        randr.reply()?;
        Ok(())
    }

    /// Whether the server has an extension.
    pub(super) fn has_extension(&self, extension: &str) -> Result<bool, Refusal> {
        let asked = self.x.query_extension(extension.as_bytes()).during("asking for extensions")?;
        Ok(asked.reply().during("asking for extensions")?.present)
    }

    /// Newer XWayland says so by an extension, older by the names of its outputs.
    pub(super) fn is_xwayland(&self) -> Result<bool, Refusal> {
        const DOING: &str = "asking for the monitors";
        if self.has_extension("XWAYLAND")? {
            return Ok(true);
        }
        let resources = self.x.randr_get_screen_resources_current(self.root).during(DOING)?.reply().during(DOING)?;
        for output in resources.outputs {
            let info = self.x.randr_get_output_info(output, resources.config_timestamp).during(DOING)?;
            if info.reply().during(DOING)?.name.starts_with(b"XWAYLAND") {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Gives the server its usual time for the answers that are asked for next.
    pub(super) fn answer_soon(&self) {
        self.x.stream().answer_until(Moment::now() + ANSWER_WITHIN);
    }

    /// Lets answers take as long as they take.
    pub(super) fn answer_whenever(&self) {
        self.x.stream().answer_until(Moment::from_since_boot_ns(u64::MAX));
    }

    /// Returns when the server has done all that was asked of it so far.
    pub(super) fn round_trip(&self, during: &'static str) -> Result<(), Refusal> {
        self.x.get_input_focus().during(during)?.reply().during(during)?;
        Ok(())
    }

    /// The number that all resources of the client of `window` have in common.
    pub(super) fn client_of(&self, window: Window) -> u32 {
        window & !self.x.setup().resource_id_mask
    }
}

fn open(name: Option<&str>) -> Result<(X, usize), x11rb::errors::ConnectError> {
    let parsed = parse_display(name)?;
    let screen = usize::from(parsed.screen);
    let mut refused = None;
    for address in parsed.connect_instruction() {
        match DefaultStream::connect(&address) {
            Ok((stream, (family, peer))) => {
                // Without a readable authority file the server itself decides who may connect.
                let (auth_name, auth_data) = get_auth(family, &peer, parsed.display).ok().flatten().unwrap_or_default();
                let stream = DeadlineStream::new(stream);
                stream.answer_until(Moment::now() + ANSWER_WITHIN);
                let x = RustConnection::connect_to_stream_with_auth_info(stream, screen, auth_name, auth_data)?;
                return Ok((x, screen));
            }
            Err(error) => refused = Some(error),
        }
    }
    Err(refused.unwrap_or_else(|| io::Error::new(io::ErrorKind::NotFound, "no such display")).into())
}

/// Turns an X error into the refusal of the step that it interrupted.
pub(super) trait During<T> {
    /// `during` completes "the connection broke while ...".
    fn during(self, during: &'static str) -> Result<T, Refusal>;
}

impl<T, E: Into<ReplyOrIdError>> During<T> for Result<T, E> {
    fn during(self, during: &'static str) -> Result<T, Refusal> {
        self.map_err(|error| match error.into() {
            ReplyOrIdError::ConnectionError(ConnectionError::IoError(error))
                if error.kind() == io::ErrorKind::TimedOut =>
            {
                Refusal::Grabbed { device: SERVER }
            }
            error => Refusal::Disconnected { during, why: error.to_string() },
        })
    }
}

/// Turns "there is no such window" into `None`: windows may go between two questions.
pub(super) fn unless_gone<T>(answer: Result<T, ReplyError>, during: &'static str) -> Result<Option<T>, Refusal> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(ReplyError::X11Error(error))
            if matches!(error.error_kind, ErrorKind::Window | ErrorKind::Drawable | ErrorKind::Match) =>
        {
            Ok(None)
        }
        Err(error) => Err(error).during(during),
    }
}
