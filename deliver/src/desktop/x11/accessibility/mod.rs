//! Which input box of a window takes the keys, as far as the window's program tells.
//!
//! To X11 a window is one client with one focus. Toolkits and browsers tell more to assistive programs, over the D-Bus of
//! AT-SPI (<https://docs.gtk.org/atspi2/>): here a program is found by the pid that the X server gives for its window, and
//! asked what in that window has the focus and what under the point can be typed into. Nothing is started for it: where
//! accessibility is off, nothing is told, and nothing is claimed.

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
    bus::{Bus, FocusEvents, Object},
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
/// How long one look may take, before a key.
const LOOK_WITHIN: Duration = Duration::from_millis(100);
/// Asked again this often even without news: a program may tell of a focus before it has moved.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(50);

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

    /// What the program says, within `limit`; nothing where it fails or takes longer.
    fn ask(&self, limit: Duration, question: impl Future<Output = zbus::Result<Told>> + Send) -> Told {
        let Some(runtime) = &self.runtime else { return Told::Nothing };
        apart(runtime, limit, question).unwrap_or_else(|error| {
            tracing::debug!(%error, "the target's program tells nothing of its input boxes");
            Told::Nothing
        })
    }

    /// Waits until the box at the point has the focus, or until `until`.
    fn await_focus(&self, pid: u32, shown: &Shown, until: Moment) -> Told {
        // The last look is over by then, too: what it found is told, and not that time ran out.
        self.ask(until.remaining() + LOOK_WITHIN, async {
            let Some(program) = self.bus.program(pid).await? else { return Ok(Told::Nothing) };
            let mut events = FocusEvents::of(&self.bus, &program).await?;
            loop {
                let told = self.look(&program, shown).await?;
                // Where nothing is told there is nothing to wait for.
                if !matches!(told, Told::Elsewhere { .. }) || until.is_past() {
                    return Ok(told);
                }
                events.wait(until.remaining().min(LOOK_AGAIN_AFTER)).await;
            }
        })
    }

    /// Whether the box that had the focus still has it; if not, who has.
    fn still(&self, pid: u32, shown: &Shown, before: &Object) -> Told {
        self.ask(LOOK_WITHIN, async {
            // Boxes move while text is put into them, so the same one counts wherever it is.
            if self.bus.states(before).await.is_ok_and(|states| states.focused()) {
                return Ok(Told::Focused(before.clone()));
            }
            match self.bus.program(pid).await? {
                Some(program) => self.look(&program, shown).await,
                None => Ok(Told::Nothing),
            }
        })
    }

    async fn look(&self, program: &Object, shown: &Shown) -> zbus::Result<Told> {
        let mut frames = Vec::new();
        for frame in self.bus.children(program).await? {
            let area = self.bus.area(&frame).await;
            if area.is_ok_and(|area| shown.windows.iter().any(|window| window.is_about(area))) {
                frames.push(frame);
            }
        }
        // Of two frames at one place nothing says which one is the window.
        let [frame] = &frames[..] else { return Ok(Told::Nothing) };
        let focused = self.bus.focused(frame).await?;
        let told = input_box::judge(shown.point, &focused, &[]);
        if matches!(told, Told::Focused(_)) {
            return Ok(told);
        }
        let boxes = self.bus.boxes(frame).await?;
        Ok(input_box::judge(shown.point, &focused, &boxes))
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
        let done = scope.spawn(|| runtime.block_on(limited)).join();
        done.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
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
                self.focused_box = Some(FocusedBox { pid, object });
                Ok(InputBox::Focused)
            }
            Told::Elsewhere { on } => Err(Refusal::AnotherBox { on }),
            Told::Nothing => Ok(InputBox::NotTold),
        }
    }

    /// Refuses if the box that was seen to have the focus has it no longer. To be asked outside of a grab: a program that
    /// waits for the X server would not answer.
    pub(super) fn refuse_another_box(&self, target: &Target) -> Result<(), Refusal> {
        let (Some(accessibility), Some(FocusedBox { pid, object })) = (&self.accessibility, &self.focused_box) else {
            return Ok(());
        };
        match accessibility.still(*pid, &self.shown(target)?, object) {
            Told::Elsewhere { on } => Err(Refusal::AnotherBox { on }),
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
