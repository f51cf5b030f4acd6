//! What `talkstick send` does, message after message: the deliverer with the lock that was asked for.

use std::{sync::Arc, thread, time::Duration};

#[cfg(unix)]
use deliver::desktop::x11::X11Desktop;
use deliver::{
    Agent, Deliverer, Journal, Message, Profile, SendOptions, State, Stop, SurfaceKind,
    desktop::DesktopSurface,
    simulated::{Address, SimulatedDesktop},
};
use lock_core::{Gate, LockKey, Moment, StoreConfig};

use super::{say, wait_for_the_end, wait_for_the_word};
#[cfg(unix)]
use crate::surfaces;
use crate::{
    backends,
    demo::{
        plan::{DesktopAddress, Protected, Said},
        scenario::Planned,
    },
    error::{CommandError, ErrorKind},
    gates::GuardedDesktop,
    runtime,
};

/// How long a message may wait in line. Far above what a line of the demo takes: what is shown is the order, not this.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Sends all messages.
pub(super) fn send(protected: &Protected, messages: &[Planned]) -> Result<(), CommandError> {
    let runtime = runtime::start()?;
    let deliverer = runtime.block_on(deliverer(protected))?;
    let agents = agents(protected);
    if !wait_for_the_word()? {
        return Ok(());
    }
    let stop = Stop::new();
    let demo_ended = stop.clone();
    // A delivery that has begun is finished; none is begun when the demo has gone.
    thread::spawn(move || {
        wait_for_the_end();
        demo_ended.request("the end of the demo");
    });
    for message in messages {
        let agent = agents.get(message.window).ok_or_else(|| CommandError::usage("no such window"))?;
        let options = SendOptions {
            timeout: TIMEOUT,
            label: format!("sender-{}", message.sender + 1),
            stop: stop.clone(),
            ..SendOptions::default()
        };
        say(&runtime.block_on(send_one(&deliverer, message, agent, &options))?)?;
    }
    say(&Said::Done)?;
    runtime.block_on(stop.wait());
    Ok(())
}

async fn send_one(
    deliverer: &Deliverer,
    planned: &Planned,
    agent: &Agent,
    options: &SendOptions,
) -> Result<Said, CommandError> {
    let (message, _) = Message::new(&planned.text).map_err(|error| CommandError::usage(error.to_string()))?;
    let ordered = deliverer.locks().gates().next().is_some_and(|gate| gate.lock.capabilities().ordered);
    let asked_ns = Moment::now().since_boot_ns();
    let (ticket, problem) = match deliverer.send(&message, agent, options).await {
        Ok(receipt) if receipt.state == State::Submitted => (receipt.ticket, None),
        Ok(receipt) => (receipt.ticket, Some(receipt.to_string())),
        Err(error) => (None, Some(crate::error::chain(&error))),
    };
    // Where the lock promises no order, a ticket's number is no promise either.
    let ticket = ticket.filter(|_| ordered);
    Ok(Said::Message { number: planned.number, asked_ns, ticket, problem })
}

async fn deliverer(protected: &Protected) -> Result<Deliverer, CommandError> {
    let key = LockKey::new(&protected.key)?;
    let store = StoreConfig::new(&protected.backend, &protected.root);
    let lock = backends::registry(&protected.redis).open(store.clone()).await?;
    let display = match &protected.desktop {
        DesktopAddress::Simulated(_) => None,
        DesktopAddress::X11(display) => Some(display.as_str()),
    };
    let locks = GuardedDesktop::of_demo(store, key.clone(), display).locks(Gate::new(lock, key.clone()), None)?;
    let journal = Journal::open(&protected.root, &key).map_err(|error| failed(&error))?;
    Ok(Deliverer::new(locks, Arc::new(surface(&protected.desktop)?), journal))
}

fn surface(desktop: &DesktopAddress) -> Result<DesktopSurface, CommandError> {
    match desktop {
        DesktopAddress::Simulated(address) => {
            let address: Address = address.parse().map_err(|error| failed(&error))?;
            Ok(DesktopSurface::new(move || Ok(Box::new(SimulatedDesktop::connect(&address)?))))
        }
        DesktopAddress::X11(display) => x11_surface(display),
    }
}

#[cfg(unix)]
fn x11_surface(display: &str) -> Result<DesktopSurface, CommandError> {
    let display = display.to_owned();
    let keeper = surfaces::keeper().map_err(|error| failed(&error))?;
    Ok(DesktopSurface::new(move || Ok(Box::new(X11Desktop::connect(Some(&display), &keeper)?))))
}

#[cfg(not(unix))]
fn x11_surface(_display: &str) -> Result<DesktopSurface, CommandError> {
    Err(CommandError::usage("there is no X11 on this system"))
}

fn agents(protected: &Protected) -> Vec<Agent> {
    let surface = match protected.desktop {
        DesktopAddress::Simulated(_) => SurfaceKind::Simulated,
        DesktopAddress::X11(_) => SurfaceKind::Desktop,
    };
    let agent = |(place, number): (&deliver::desktop::Place, usize)| Agent {
        name: format!("Agent-{number}"),
        surface,
        place: place.clone(),
        profile: Profile::default(),
    };
    protected.places.iter().zip(1..).map(agent).collect()
}

fn failed(error: &dyn std::error::Error) -> CommandError {
    CommandError::chain(ErrorKind::Backend, error)
}
