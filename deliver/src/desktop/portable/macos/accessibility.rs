//! What the accessibility service and the event system tell: permissions, who is focused, what lies under a point.

use std::{
    ffi::{c_int, c_void},
    ptr::null,
    time::Duration,
};

use core_foundation::{
    base::{CFType, TCFType as _},
    string::{CFString, CFStringRef},
};

use crate::desktop::Refusal;

/// Events of every kind.
const ANY_INPUT: u32 = u32::MAX;
type Element = *const c_void;
/// The state of the devices themselves, without synthetic events.
const DEVICES: c_int = 1;
const SHIFT: u64 = 0x2_0000;
const CONTROL: u64 = 0x4_0000;
const OPTION: u64 = 0x8_0000;
const COMMAND: u64 = 0x10_0000;
/// In seconds: a program that hangs does not answer.
const ANSWER_WITHIN: f32 = 1.0;

#[link(name = "ApplicationServices", kind = "framework")]
unsafe extern "C" {
    fn AXIsProcessTrusted() -> u8;
    fn AXUIElementCreateSystemWide() -> Element;
    fn AXUIElementSetMessagingTimeout(element: Element, seconds: f32) -> i32;
    fn AXUIElementCopyElementAtPosition(element: Element, x: f32, y: f32, found: *mut Element) -> i32;
    fn AXUIElementCopyAttributeValue(element: Element, name: CFStringRef, value: *mut Element) -> i32;
    fn AXUIElementGetPid(element: Element, pid: *mut c_int) -> i32;
}

#[link(name = "CoreGraphics", kind = "framework")]
unsafe extern "C" {
    fn CGPreflightPostEventAccess() -> bool;
    fn CGEventSourceFlagsState(state: c_int) -> u64;
    fn CGEventSourceButtonState(state: c_int, button: u32) -> bool;
    fn CGEventSourceSecondsSinceLastEventType(state: c_int, kind: u32) -> f64;
}

#[link(name = "Carbon", kind = "framework")]
unsafe extern "C" {
    fn IsSecureEventInputEnabled() -> u8;
}

/// What this program may do here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Permissions {
    /// It may ask programs what they show and who is focused.
    pub(super) accessibility: bool,
    /// It may post events.
    pub(super) post_events: bool,
    /// A program reads a password and keeps all others from the keyboard.
    pub(super) secure_input: bool,
}

impl Permissions {
    pub(super) fn now() -> Self {
        // SAFETY: each takes nothing, asks nobody, and gives a truth value.
        unsafe {
            Self {
                accessibility: AXIsProcessTrusted() != 0,
                post_events: CGPreflightPostEventAccess(),
                secure_input: IsSecureEventInputEnabled() != 0,
            }
        }
    }

    /// Refuses what cannot work: macOS drops events without a word.
    pub(super) fn refuse(self) -> Result<(), Refusal> {
        let why = match self {
            Self { accessibility: false, .. } => {
                "this program is not allowed under Privacy & Security, Accessibility, in the System Settings"
            }
            Self { post_events: false, .. } => "this program is not allowed to post events",
            Self { secure_input: true, .. } => return Err(Refusal::Grabbed { device: "keyboard (secure input)" }),
            _ => return Ok(()),
        };
        Err(Refusal::NoDisplay { display: "of this session".into(), why: why.into() })
    }
}

/// How long ago a device was used.
pub(super) fn last_input_ago() -> Duration {
    // SAFETY: takes numbers, and gives one.
    let seconds = unsafe { CGEventSourceSecondsSinceLastEventType(DEVICES, ANY_INPUT) };
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}

/// Refuses while a person holds a modifier or a button.
pub(super) fn refuse_held() -> Result<(), Refusal> {
    // SAFETY: takes a number, and gives one.
    let flags = unsafe { CGEventSourceFlagsState(DEVICES) };
    let names = [(SHIFT, "Shift"), (CONTROL, "Control"), (OPTION, "Option"), (COMMAND, "Command")];
    if let Some((_, name)) = names.into_iter().find(|(flag, _)| flags & flag != 0) {
        return Err(Refusal::Interference { device: format!("the keyboard: {name} is held") });
    }
    // SAFETY: takes numbers, and gives a truth value.
    match (0..3).any(|button| unsafe { CGEventSourceButtonState(DEVICES, button) }) {
        true => Err(Refusal::Interference { device: "the mouse: a button is held".into() }),
        false => Ok(()),
    }
}

/// The process whose element is under a point.
pub(super) fn pid_at((x, y): (i32, i32)) -> Option<i32> {
    let all = everything()?;
    let mut found = null();
    // SAFETY: `all` is alive, and `found` outlives the call.
    let told = unsafe { AXUIElementCopyElementAtPosition(all.as_CFTypeRef(), x as f32, y as f32, &raw mut found) };
    pid_of(owned(told, found)?)
}

/// The process that has the keyboard, if its element that is focused is its own.
pub(super) fn focused_pid() -> Option<i32> {
    let application = pid_of(attribute("AXFocusedApplication")?)?;
    let element = pid_of(attribute("AXFocusedUIElement")?)?;
    (application == element).then_some(application)
}

fn everything() -> Option<CFType> {
    // SAFETY: takes nothing; what comes is ours to release.
    let all = owned(0, unsafe { AXUIElementCreateSystemWide() })?;
    // SAFETY: `all` is alive.
    unsafe { AXUIElementSetMessagingTimeout(all.as_CFTypeRef(), ANSWER_WITHIN) };
    Some(all)
}

fn attribute(name: &str) -> Option<CFType> {
    let (all, name) = (everything()?, CFString::new(name));
    let mut value = null();
    // SAFETY: both are alive, and `value` outlives the call.
    let told = unsafe { AXUIElementCopyAttributeValue(all.as_CFTypeRef(), name.as_concrete_TypeRef(), &raw mut value) };
    owned(told, value)
}

/// What a call of the copy rule gave, if it gave anything.
fn owned(told: i32, element: Element) -> Option<CFType> {
    // SAFETY: not null, and ours to release.
    (told == 0 && !element.is_null()).then(|| unsafe { CFType::wrap_under_create_rule(element) })
}

fn pid_of(element: CFType) -> Option<i32> {
    let mut pid = 0;
    // SAFETY: the element is alive, and `pid` outlives the call.
    (unsafe { AXUIElementGetPid(element.as_CFTypeRef(), &raw mut pid) } == 0).then_some(pid)
}
