//! Delivers three messages to two agents on a simulated desktop, and looks at what arrived.
//!
//! Run it with `cargo run -p deliver --example deliver`. It starts itself a second time as the desktop. On a real desktop
//! the surface differs, and the locks would be ones that other processes share, the host's own among them.

use std::{error::Error, path::Path, process::Command, sync::Arc};

use deliver::{
    Agent, Deliverer, DesktopLocks, Journal, Message, Profile, SendOptions, SurfaceKind,
    desktop::{DesktopSurface, Place, WindowIdentity},
    simulated::{Address, Control, DesktopConfig, DesktopProcess, SimulatedDesktop, serve},
};
use lock_core::{DistributedLock, LockKey, ThreadLock};

/// The argument that makes this program the desktop.
const BE_THE_DESKTOP: &str = "be-the-desktop";

fn main() -> Result<(), Box<dyn Error>> {
    if std::env::args().nth(1).is_some_and(|argument| argument == BE_THE_DESKTOP) {
        return Ok(serve(&DesktopConfig::default(), std::io::stdin(), std::io::stdout())?);
    }
    let mut itself = Command::new(std::env::current_exe()?);
    itself.arg(BE_THE_DESKTOP);
    let desktop = DesktopProcess::spawn(itself)?;
    // The journal's folder, made for this run; an application has one of its own.
    let root = std::env::temp_dir().join(format!("deliver-example-{}", std::process::id()));
    let runtime = tokio::runtime::Runtime::new()?;
    let sent = runtime.block_on(send_three(desktop.address(), &root));
    std::fs::remove_dir_all(&root)?;
    sent?;
    let log = Control::connect(desktop.address())?.log()?;
    let arrived = |window: usize| log.windows[window].submitted.iter().map(|s| s.text.as_str()).collect::<Vec<_>>();
    assert_eq!(arrived(0), ["hello", "are you there?"]);
    assert_eq!(arrived(1), ["two\nlines"]);
    Ok(())
}

async fn send_three(desktop: &Address, root: &Path) -> Result<(), Box<dyn Error>> {
    let key = LockKey::new("desktop/example")?;
    let journal = Journal::open(root, &key)?;
    let lock: Arc<dyn DistributedLock> = Arc::new(ThreadLock::new());
    let address = desktop.clone();
    let surface = DesktopSurface::new(move || Ok(Box::new(SimulatedDesktop::connect(&address)?)));
    let deliverer = Deliverer::new(DesktopLocks::alone(lock, key), Arc::new(surface), journal);
    for (to, text) in [("Agent-1", "hello"), ("Agent-2", "two\r\nlines\n"), ("Agent-1", "are \x1b[1myou there?")] {
        let (message, cleaned) = Message::new(text)?;
        let receipt = deliverer.send(&message, &agent(to), &SendOptions::default()).await?;
        let note = if cleaned.is_nothing() { String::new() } else { format!(" ({cleaned})") };
        say(&format!("{receipt}{note}, {:.1} ms under the lock", receipt.took.as_secs_f64() * 1e3))?;
    }
    Ok(())
}

fn agent(name: &str) -> Agent {
    let window = WindowIdentity { title: Some(name.to_owned()), ..WindowIdentity::default() };
    Agent {
        name: name.to_owned(),
        surface: SurfaceKind::Simulated,
        place: Place { point: None, window: Some(window) },
        profile: Profile::default(),
    }
}

fn say(line: &str) -> std::io::Result<()> {
    use std::io::Write;
    writeln!(std::io::stdout(), "{line}")
}
