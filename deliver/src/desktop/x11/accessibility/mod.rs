//! Which input box of a window takes the keys, as far as the window's program tells.
//!
//! To X11 a window is one client with one focus. Toolkits and browsers tell more to assistive programs, over the D-Bus of
//! AT-SPI (<https://docs.gtk.org/atspi2/>): here a program is found by the pid that the X server gives for its window, and
//! asked what lies under the point there, and whether that has the focus. Where accessibility is off, nothing is asked, told or
//! claimed.

mod bus;
mod input_box;

use std::{
    fmt,
    future::Future,
    io::{self, ErrorKind::TimedOut},
    time::Duration,
};

use lock_core::Moment;
use tokio::{runtime::Runtime, time::timeout};
use x11rb::protocol::xproto::{ConnectionExt as _, Window};

use self::{
    bus::{Bus, Object, States},
    input_box::{Area, Told},
};
use super::{
    X11Desktop,
    bind::Target,
    connection::{Display, During as _, unless_gone},
};
use crate::desktop::{InputBox, Refusal};

/// How long finding the bus may take, before the lock.
const CONNECT_WITHIN: Duration = Duration::from_millis(250);
/// How long one look may take, under the lock.
const LOOK_WITHIN: Duration = Duration::from_millis(500);
/// How long a program may take to tell of a text that was pasted. One that was pasted over as much text is not told apart.
const TEXT_WITHIN: Duration = Duration::from_millis(250);
/// First pause between two looks: browsers gather what they tell for some tens of milliseconds.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(2);
/// Longest pause between two looks.
const LOOK_AGAIN_AT_LATEST: Duration = Duration::from_millis(50);
/// Levels of a window that are looked through for what lies at a point: pages nest deeply, but a browser says the deepest.
const DEPTH_MAX: usize = 64;
/// Levels of what lies in an input box: paragraphs, lines and words.
const TEXT_DEPTH_MAX: usize = 8;

/// The connection to the accessibility bus of the session.
pub(super) struct Accessibility {
    /// Taken when it is dropped.
    runtime: Option<Runtime>,
    bus: Bus,
}

impl Accessibility {
    /// Connects where the session has such a bus already.
    pub(super) fn connect() -> Option<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.inspect_err(|error| tracing::debug!(%error, "no accessibility")).ok()?;
        let bus = apart(&runtime, CONNECT_WITHIN, Bus::connect());
        let bus = bus.inspect_err(|error| tracing::debug!(%error, "no accessibility")).ok()?;
        Some(Self { runtime: Some(runtime), bus })
    }

    /// What the program says; nothing where it fails or takes too long.
    fn ask<T: Send>(&self, question: impl Future<Output = zbus::Result<T>> + Send) -> Option<T> {
        let told = apart(self.runtime.as_ref()?, LOOK_WITHIN, question);
        told.inspect_err(|error| tracing::debug!(%error, "the target's program tells nothing of its input boxes")).ok()
    }

    fn characters(&self, object: &Object) -> Option<i32> {
        self.ask(self.bus.characters(object))
    }

    /// Waits until the box at the point has the focus, or until `until`.
    fn await_focus(&self, pid: u32, shown: &Shown, until: Moment) -> Told {
        let (mut program, mut pause) = (None, LOOK_AGAIN_AFTER);
        loop {
            let told = self.ask(self.look(pid, &mut program, shown)).unwrap_or(Told::Nothing);
            // Where nothing is told there is nothing to wait for.
            if told != Told::NotFocused || until.is_past() {
                return told;
            }
            // Programs tell of a focus that moves only those who have said that they listen, and of Chromium it was seen that
            // listening and asking together end it.
            std::thread::sleep(pause.min(until.remaining()));
            pause = (pause * 2).min(LOOK_AGAIN_AT_LATEST);
        }
    }

    /// Whether the box that had the focus still has it. A program may have put another one in its place meanwhile.
    fn still(&self, FocusedBox { pid, object, characters }: &FocusedBox, shown: &Shown, pasted: bool) -> Told {
        let told = self.ask(async {
            if let Some(before) = characters.filter(|_| pasted) {
                self.await_text(object, before).await;
            }
            // Boxes move while text is put into them, so the same one counts wherever it is.
            match self.bus.states(object).await {
                Ok(states) if states.focused() || states.proposes() || states.takes_text() => {
                    Ok(Told::of(object.clone(), states))
                }
                // It has gone. Only another one in its place, with the focus, is as good.
                _ => match self.look(*pid, &mut None, shown).await? {
                    another @ Told::Focused(_) => Ok(another),
                    Told::NotFocused | Told::Nothing => Ok(Told::NotFocused),
                },
            }
        });
        told.unwrap_or(Told::Nothing)
    }

    /// Waits until the program tells of the text that was pasted: what it tells of the focus then is no older. Browsers tell of
    /// both some tens of milliseconds late.
    async fn await_text(&self, object: &Object, before: i32) {
        let until = Moment::now() + TEXT_WITHIN;
        let mut pause = LOOK_AGAIN_AFTER;
        while !until.is_past() && self.bus.characters(object).await.is_ok_and(|count| count == before) {
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LOOK_AGAIN_AT_LATEST);
        }
    }

    /// Looks at what is under the point. The `program` of that process is found once.
    async fn look(&self, pid: u32, program: &mut Option<Object>, shown: &Shown) -> zbus::Result<Told> {
        if program.is_none() {
            *program = self.bus.program(pid).await?;
        }
        let Some(program) = program else { return Ok(Told::Nothing) };
        let Some(frame) = self.frame(program, shown).await? else { return Ok(Told::Nothing) };
        let found = self.box_at(&frame, shown.point).await?;
        Ok(found.map_or(Told::Nothing, |(object, states)| Told::of(object, states)))
    }

    /// The program's window that is where the target is; of several the active one.
    async fn frame(&self, program: &Object, shown: &Shown) -> zbus::Result<Option<Object>> {
        let (mut frames, mut active) = (Vec::new(), Vec::new());
        for frame in self.bus.children(program).await? {
            let area = self.bus.area(&frame).await;
            if !area.is_ok_and(|area| shown.windows.iter().any(|window| window.is_about(area))) {
                continue;
            }
            if self.bus.states(&frame).await?.active() {
                active.push(frame.clone());
            }
            frames.push(frame);
        }
        let mut frames = if frames.len() > 1 { active } else { frames };
        // Of two frames at one place nothing says which one is the window.
        Ok(if frames.len() == 1 { frames.pop() } else { None })
    }

    /// What can be typed into at a point: the deepest object there, or the nearest one that it lies in.
    async fn box_at(&self, frame: &Object, point: (i32, i32)) -> zbus::Result<Option<(Object, States)>> {
        let mut here = frame.clone();
        for _ in 0..DEPTH_MAX {
            let Some(deeper) = self.bus.at(&here, point).await? else { break };
            here = deeper;
        }
        for _ in 0..TEXT_DEPTH_MAX {
            let states = self.bus.states(&here).await?;
            if states.takes_text() {
                return Ok(Some((here, states)));
            }
            let Some(parent) = self.bus.parent(&here).await? else { break };
            here = parent;
        }
        Ok(None)
    }
}

impl Drop for Accessibility {
    fn drop(&mut self) {
        // A runtime must not wait for its end inside another one.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl fmt::Debug for Accessibility {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Accessibility")
    }
}

/// Runs `question` on a thread of its own: a runtime must not be entered from inside another one, and an embedding program
/// may have one.
fn apart<T: Send>(
    runtime: &Runtime,
    limit: Duration,
    question: impl Future<Output = zbus::Result<T>> + Send,
) -> zbus::Result<T> {
    let limited = async { timeout(limit, question).await.unwrap_or_else(|_| Err(io::Error::from(TimedOut).into())) };
    std::thread::scope(|scope| {
        let asked = std::thread::Builder::new().spawn_scoped(scope, || runtime.block_on(limited));
        asked.map_err(zbus::Error::from)?.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Where the target is on the screen.
struct Shown {
    point: (i32, i32),
    /// Its windows, from the outermost to the deepest.
    windows: Vec<Area>,
}

/// The input box that was seen to have the focus.
#[derive(Debug, Clone)]
pub(super) struct FocusedBox {
    pid: u32,
    object: Object,
    /// How much text was in it.
    characters: Option<i32>,
}

impl X11Desktop {
    /// Waits until the input box at the target's point has the focus of its program; refuses if that says to the end that
    /// another one has.
    pub(super) fn await_box(&mut self, target: &Target, until: Moment) -> Result<InputBox, Refusal> {
        self.focused_box = None;
        let Some(accessibility) = &self.accessibility else { return Ok(InputBox::NotTold) };
        let labels = self.display.labels(&[target.window])?;
        let Some(pid) = labels.first().and_then(|labels| labels.pid) else { return Ok(InputBox::NotTold) };
        let shown = self.shown(target)?;
        match accessibility.await_focus(pid, &shown, until) {
            Told::Focused(object) => {
                let characters = accessibility.characters(&object);
                self.focused_box = Some(FocusedBox { pid, object, characters });
                Ok(InputBox::Focused)
            }
            Told::NotFocused => Err(Refusal::AnotherBox),
            Told::Nothing => Ok(InputBox::NotTold),
        }
    }

    /// Refuses if the box that was seen to have the focus has it no longer. To be asked outside of a grab: a program that
    /// waits for the X server would not answer.
    pub(super) fn refuse_another_box(&self, target: &Target) -> Result<(), Refusal> {
        let (Some(accessibility), Some(focused)) = (&self.accessibility, &self.focused_box) else { return Ok(()) };
        let pasted = self.offer.as_ref().is_some_and(|offer| offer.pasted_at.is_some());
        match accessibility.still(focused, &self.shown(target)?, pasted) {
            Told::NotFocused => Err(Refusal::AnotherBox),
            Told::Focused(_) | Told::Nothing => Ok(()),
        }
    }

    fn shown(&self, target: &Target) -> Result<Shown, Refusal> {
        let point = (target.point.0.into(), target.point.1.into());
        Ok(Shown { point, windows: self.display.areas(&target.chain)? })
    }
}

impl Display {
    /// Where `windows` are, without the root and those that have gone.
    fn areas(&self, windows: &[Window]) -> Result<Vec<Area>, Refusal> {
        const DOING: &str = "looking at the target's place";
        let windows = windows.iter().filter(|window| **window != self.root);
        let asked: Vec<_> = windows
            .map(|window| {
                let place = self.x.translate_coordinates(*window, self.root, 0, 0).during(DOING)?;
                Ok((place, self.x.get_geometry(*window).during(DOING)?))
            })
            .collect::<Result<_, Refusal>>()?;
        let mut areas = Vec::with_capacity(asked.len());
        for (place, size) in asked {
            let (place, size) = (unless_gone(place.reply(), DOING)?, unless_gone(size.reply(), DOING)?);
            if let (Some(place), Some(size)) = (place, size) {
                let (x, y) = (place.dst_x.into(), place.dst_y.into());
                areas.push(Area { x, y, width: size.width.into(), height: size.height.into() });
            }
        }
        Ok(areas)
    }
}
