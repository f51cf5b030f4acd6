//! Chords as one key with its modifiers as flags: no modifier is held meanwhile, and none stays down.

use std::{ffi::c_void, ptr::null};

use core_graphics::{
    event::{CGEvent, CGEventFlags, CGEventTapLocation, EventField},
    event_source::{CGEventSource, CGEventSourceStateID},
};
use enigo::EVENT_MARKER;

use crate::desktop::{Chord, Refusal};

const RETURN: u16 = 36;
const TAB: u16 = 48;
const SPACE: u16 = 49;
/// The numbers of the keys that bear letters and digits.
const SIGNS: std::ops::Range<u16> = 0..51;

#[link(name = "CoreGraphics", kind = "framework")]
unsafe extern "C" {
    fn CGEventCreateKeyboardEvent(source: *const c_void, key: u16, down: bool) -> *const c_void;
    fn CGEventKeyboardGetUnicodeString(event: *const c_void, max: usize, length: *mut usize, text: *mut u16);
}

#[link(name = "CoreFoundation", kind = "framework")]
unsafe extern "C" {
    fn CFRelease(object: *const c_void);
}

/// A key, and the modifiers that it is pressed with.
#[derive(Debug, Clone, Copy)]
pub(in crate::desktop) struct KeyStroke {
    key: u16,
    flags: CGEventFlags,
}

/// What `chord` is on this keyboard. `ctrl` stands for Command, by which Macs paste.
pub(super) fn stroke(chord: &Chord) -> Result<KeyStroke, Refusal> {
    let key = match chord.key.as_str() {
        "return" => Some(RETURN),
        "tab" => Some(TAB),
        "space" => Some(SPACE),
        // Macs have no Insert key.
        name => name.bytes().next().filter(|_| name.len() == 1).and_then(bearing),
    };
    let wanted = [
        (chord.ctrl, CGEventFlags::CGEventFlagCommand),
        (chord.shift, CGEventFlags::CGEventFlagShift),
        (chord.alt, CGEventFlags::CGEventFlagAlternate),
    ];
    let flags = wanted.into_iter().filter(|(wanted, _)| *wanted).map(|(_, flag)| flag).collect();
    Ok(KeyStroke { key: key.ok_or_else(|| Refusal::NoSuchKey(chord.to_string()))?, flags })
}

/// The key that bears a sign on the present layout. The layout itself may be asked only on a program's first thread.
fn bearing(sign: u8) -> Option<u16> {
    SIGNS.into_iter().find(|key| sign_of(*key) == Some(sign.into()))
}

fn sign_of(key: u16) -> Option<u16> {
    // SAFETY: without a source; what comes is ours to release.
    let event = unsafe { CGEventCreateKeyboardEvent(null(), key, true) };
    if event.is_null() {
        return None;
    }
    let (mut text, mut length) = ([0; 4], 0);
    // SAFETY: the event is alive; the text has that length and outlives the call. Released once.
    unsafe {
        CGEventKeyboardGetUnicodeString(event, text.len(), &raw mut length, text.as_mut_ptr());
        CFRelease(event);
    }
    (length == 1).then_some(text[0])
}

/// Presses and releases it.
pub(super) fn press(stroke: KeyStroke) -> Result<(), Refusal> {
    const DURING: &str = "pressing keys";
    let broke = |why: &str| Refusal::Disconnected { during: DURING, why: why.into() };
    let source = CGEventSource::new(CGEventSourceStateID::Private).map_err(|()| broke("no source of events"))?;
    let event = |down| {
        let event = CGEvent::new_keyboard_event(source.clone(), stroke.key, down);
        let event = event.map_err(|()| broke("no event"))?;
        event.set_flags(stroke.flags);
        // By which listeners tell our events from a person's.
        event.set_integer_value_field(EventField::EVENT_SOURCE_USER_DATA, EVENT_MARKER.into());
        Ok::<_, Refusal>(event)
    };
    // Both made before the first is posted.
    let (down, up) = (event(true)?, event(false)?);
    down.post(CGEventTapLocation::HID);
    up.post(CGEventTapLocation::HID);
    Ok(())
}
