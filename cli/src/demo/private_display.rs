//! An X server that the demo starts for itself, and the proof that a display is one.

use std::{
    fs::OpenOptions,
    io::{self, Write},
    os::unix::{fs::OpenOptionsExt, net::UnixStream, process::CommandExt},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use lock_core::Moment;
use rustix::process::{Pid, Signal};
use x11rb::{
    connection::Connection,
    protocol::xproto::{Atom, AtomEnum, ConnectionExt as _, PropMode},
    rust_connection::{DefaultStream, RustConnection},
    wrapper::ConnectionExt as _,
};

use super::{
    backstage::{Backstage, Player},
    error::DemoError,
    own_helper,
};
use crate::{
    env_vars,
    error::{CommandError, ErrorKind},
};

/// The server's program.
pub(crate) const PROGRAM: &str = "Xvfb";
/// Room for eight windows side by side.
const SCREEN: &str = "1600x1200x24";
/// How long the server may take to start. It takes 50 to 70 ms on a machine with nothing else to do.
const START_WITHIN: Duration = Duration::from_secs(20);
/// The property of the root window that marks a private display.
const MARK: &[u8] = b"_TALKSTICK_DEMO";
/// The only way of authorization that every server knows.
const COOKIE_NAME: &[u8] = b"MIT-MAGIC-COOKIE-1";

/// A display that is proven to be an X server which a demo started for itself: no windows but the demo's are on it, and
/// nobody looks at it or types there. Only on such a one may anything be typed without the lock.
///
/// There are two ways to one: to start the server, and to be told the secret that it is marked with.
#[derive(Debug)]
pub(crate) struct PrivateDisplay {
    name: String,
    /// Kept open: as long as it lives, the display's number cannot become another server's.
    _connection: RustConnection,
}

/// A running private X server. It ends when this is dropped, and when this process ends in any way.
#[derive(Debug)]
pub(crate) struct PrivateServer {
    display: PrivateDisplay,
    secret: String,
    authority: PathBuf,
    server: Player,
}

impl PrivateDisplay {
    /// The display of the environment, if it is marked with `secret`.
    pub(crate) fn prove(secret: &str) -> Result<Self, CommandError> {
        let failed = |error: &dyn std::error::Error| CommandError::chain(ErrorKind::Backend, error);
        let name = env_vars::text(env_vars::DISPLAY).unwrap_or_default();
        let (connection, screen) = x11rb::connect(Some(&name)).map_err(|error| failed(&error))?;
        let root = connection.setup().roots[screen].root;
        let mark = mark(&connection).map_err(|error| failed(error.as_ref()))?;
        let marked = connection
            .get_property(false, root, mark, AtomEnum::STRING, 0, 64)
            .map_err(|error| failed(&error))?
            .reply()
            .map_err(|error| failed(&error))?;
        // A missing property reads as an empty one.
        if secret.is_empty() || marked.value != secret.as_bytes() {
            return Err(CommandError::usage(format!(
                "the display {name} is none that the demo started; nothing is typed there without the lock"
            )));
        }
        Ok(Self { name, _connection: connection })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}

impl PrivateServer {
    /// Starts one whose files are in `folder`; only who can read them gets in.
    pub(crate) fn start(backstage: &mut Backstage, folder: &Path) -> Result<Self, DemoError> {
        let (cookie, secret) = (random()?, hex(&random()?));
        let authority = folder.join("xauthority");
        write_authority(&authority, &cookie)
            .map_err(|source| DemoError::System { what: "write the display's authority file", source })?;
        let mut command = own_helper("demo-display")?;
        command.arg(std::process::id().to_string()).arg(&authority);
        let mut server = backstage.start(PROGRAM, &mut command)?;
        let number = display_number(backstage, &server);
        let number = number.inspect_err(|_| server.terminate())?;
        let marked = connect(number, &cookie).and_then(|connection| {
            put_mark(&connection, &secret)?;
            Ok(connection)
        });
        let connection = marked.map_err(DemoError::Display).inspect_err(|_| server.terminate())?;
        let display = PrivateDisplay { name: format!(":{number}"), _connection: connection };
        Ok(Self { display, secret, authority, server })
    }

    pub(crate) const fn display(&self) -> &PrivateDisplay {
        &self.display
    }

    /// What proves to another process that the display is private.
    pub(crate) fn secret(&self) -> &str {
        &self.secret
    }

    /// Lets a child find the display.
    pub(crate) fn let_in(&self, command: &mut Command) {
        command.env(env_vars::DISPLAY, self.display.name()).env(env_vars::XAUTHORITY, &self.authority);
        command.env_remove(env_vars::WAYLAND_DISPLAY);
    }
}

impl Drop for PrivateServer {
    fn drop(&mut self) {
        // Killed, it would leave its socket and its lock file.
        self.server.terminate();
    }
}

/// Becomes the X server: the process that [`PrivateServer::start`] starts.
///
/// The kernel ends it when the demo is killed; that survives the exec, which needs no code between fork and exec.
pub(crate) fn become_server(parent: &str, authority: &Path) -> CommandError {
    let parent = parent.parse().ok().and_then(Pid::from_raw);
    if let Err(error) = rustix::process::set_parent_process_death_signal(Some(Signal::TERM)) {
        return CommandError::chain(ErrorKind::Backend, &error);
    }
    // A parent that died before the line above sends no signal any more.
    if parent.is_none() || rustix::process::getppid() != parent {
        return CommandError::usage("this is a part of `talkstick demo`");
    }
    // Without -noreset it would forget everything each time its last client leaves.
    let failed = Command::new(PROGRAM)
        .args(["-displayfd", "1", "-noreset", "-nolisten", "tcp", "-screen", "0", SCREEN, "-auth"])
        .arg(authority)
        .exec();
    CommandError::chain(ErrorKind::Backend, &failed)
}

fn display_number(backstage: &mut Backstage, server: &Player) -> Result<u32, DemoError> {
    let line = backstage.line(&[server], Moment::now() + START_WITHIN)?;
    let (_, line) = line.ok_or(DemoError::NotReady { name: PROGRAM })?;
    line.trim().parse().map_err(|_| DemoError::Unexpected { name: PROGRAM, line })
}

type Boxed = Box<dyn std::error::Error + Send + Sync>;

/// With our own cookie, whatever the environment has for other displays.
fn connect(number: u32, cookie: &[u8]) -> Result<RustConnection, Boxed> {
    let socket = UnixStream::connect(format!("/tmp/.X11-unix/X{number}"))?;
    let (stream, _) = DefaultStream::from_unix_stream(socket)?;
    Ok(RustConnection::connect_to_stream_with_auth_info(stream, 0, COOKIE_NAME.to_vec(), cookie.to_vec())?)
}

fn put_mark(connection: &RustConnection, secret: &str) -> Result<(), Boxed> {
    let root = connection.setup().roots[0].root;
    let mark = mark(connection)?;
    let put = connection.change_property8(PropMode::REPLACE, root, mark, AtomEnum::STRING, secret.as_bytes())?;
    Ok(put.check()?)
}

fn mark(connection: &RustConnection) -> Result<Atom, Boxed> {
    Ok(connection.intern_atom(false, MARK)?.reply()?.atom)
}

fn random() -> Result<[u8; 16], DemoError> {
    let mut bytes = [0; 16];
    let filled = getrandom::fill(&mut bytes).map_err(io::Error::other);
    filled.map_err(|source| DemoError::System { what: "make a secret", source })?;
    Ok(bytes)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// One entry that fits every display: the server chooses its number later.
fn write_authority(path: &Path, cookie: &[u8]) -> io::Result<()> {
    const FAMILY_WILD: u16 = 65535;
    let mut entry = FAMILY_WILD.to_be_bytes().to_vec();
    for field in [b"".as_slice(), b"", COOKIE_NAME, cookie] {
        let length = u16::try_from(field.len()).map_err(io::Error::other)?;
        entry.extend(length.to_be_bytes());
        entry.extend(field);
    }
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?.write_all(&entry)
}
