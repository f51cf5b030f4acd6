//! Input that is not ours: a person's, or another program's.
//!
//! Raw events tell the device that they come from, and come to everybody whatever is grabbed. From a synthetic device they
//! are ours if they answer a request of ours: each event carries the number of the last request that the server has read
//! from us, one request makes one event, and no other client acts during our grabs. One that a frozen device held back comes
//! later instead, once for each request. What happened before we watched is told by each device's idle counter.

use std::{collections::HashMap, time::Duration};

use lock_core::Moment;
use x11rb::{
    connection::SequenceNumber,
    protocol::{
        Event,
        sync::ConnectionExt as _,
        xinput::{ConnectionExt as _, Device as Devices, DeviceId, DeviceType, EventMask, XIDeviceInfo, XIEventMask},
    },
};

use super::{
    X11Desktop,
    connection::{Display, During as _},
    own_input,
};
use crate::desktop::Refusal;

const DOING: &str = "watching the input devices";
/// Counters are read one after the other; a busy machine may pause in between.
const READ_WITHIN: Duration = Duration::from_millis(50);

/// The input devices and what was seen of them, since the watch began.
#[derive(Debug, Default)]
pub(super) struct OtherInput {
    on: bool,
    devices: HashMap<DeviceId, InputDevice>,
    /// The last input that was not ours.
    last: Option<Used>,
    /// Whether any of it may have put something into an input box.
    may_type: bool,
    /// The last synthetic one among it, of this watch or an earlier one: no counter tells it from what senders make.
    stranger: Option<Used>,
    /// What was used while events of ours were still to come.
    mixed: Option<String>,
    /// Synthetic input is not ours to judge: we do not hold the lock and other senders may, or another connection acts for us.
    real_only: bool,
}

#[derive(Debug)]
struct InputDevice {
    /// As a person would call it.
    name: String,
    synthetic: bool,
}

#[derive(Debug, Clone)]
struct Used {
    at: Moment,
    device: String,
}

impl OtherInput {
    fn begin(&mut self, real_only: bool, devices: &[XIDeviceInfo]) {
        let devices = devices.iter().map(name).collect();
        *self = Self { on: true, real_only, devices, stranger: self.stranger.take(), ..Self::default() };
    }

    fn refuse(&self) -> Result<(), Refusal> {
        let Some(Used { at, device }) = &self.last else { return Ok(()) };
        Err(Refusal::Person { device: device.clone(), ago: at.elapsed(), may_type: self.may_type })
    }

    fn note(&mut self, source: DeviceId, may_type: bool, ours_to_come: bool) {
        let device = match self.devices.get(&source) {
            Some(device) if device.synthetic && self.real_only => return,
            Some(device) => device.name.clone(),
            None => format!("an input device (number {source})"),
        };
        if ours_to_come {
            self.mixed.get_or_insert_with(|| device.clone());
        }
        self.may_type |= may_type;
        let used = Used { at: Moment::now(), device };
        if self.devices.get(&source).is_some_and(|device| device.synthetic) {
            self.stranger = Some(used.clone());
        }
        self.last = Some(used);
    }

    /// Who was at work within `idle`, by what was seen.
    fn within(&self, idle: Duration) -> Option<Refusal> {
        let recent = [&self.last, &self.stranger].into_iter().flatten().filter(|used| used.at.elapsed() < idle);
        let Used { at, device } = recent.max_by_key(|used| used.at)?;
        Some(Refusal::Person { device: device.clone(), ago: at.elapsed(), may_type: self.may_type })
    }
}

impl X11Desktop {
    /// Watches from now on, and looks back as far as `idle`.
    pub(super) fn begin_watch(&mut self, real_only: bool, idle: Duration) -> Result<Vec<String>, Refusal> {
        self.end_watch();
        // The wait for the lock came before this, and may have been long.
        self.display.answer_soon();
        self.display.select_input(true)?;
        let devices = self.display.devices()?;
        self.other_input.borrow_mut().begin(real_only, &devices);
        let idle_for = self.display.idle_counters()?;
        self.drain_events()?;
        let mut watched = self.other_input.borrow_mut();
        let mut unknown = Vec::new();
        // A device that nobody has used yet counts from the start of the server, as long as any device can be idle.
        let server_age = idle_for.values().max().copied().unwrap_or_default();
        let mut used = watched.last.take();
        for (id, device) in watched.devices.iter().filter(|(_, device)| !device.synthetic) {
            match idle_for.get(id).copied() {
                None => unknown.push(device.name.clone()),
                Some(for_long) if for_long >= idle || for_long + READ_WITHIN >= server_age => {}
                Some(ago) => {
                    let this = Used { at: before_now(ago), device: device.name.clone() };
                    used = used.into_iter().chain([this]).max_by_key(|used| used.at);
                }
            }
        }
        watched.last = used;
        let all_synthetic = watched.devices.values().all(|device| device.synthetic);
        watched.refuse()?;
        drop(watched);
        let mut notes = Vec::new();
        if all_synthetic {
            notes.push("this display has no real input devices: a person at it cannot be observed".into());
        }
        if !unknown.is_empty() {
            self.watch_for(idle)?;
            let what = unknown.join(", ");
            notes.push(format!("the server does not tell how long {what} was idle; it was watched instead"));
        }
        Ok(notes)
    }

    /// As [`Self::begin_watch`], where another connection makes our synthetic input: that of strangers is not told from it.
    #[cfg(not(target_os = "macos"))]
    pub(in crate::desktop) fn begin_watch_of_real_devices(&mut self, idle: Duration) -> Result<Vec<String>, Refusal> {
        let mut unseen = self.begin_watch(true, idle)?;
        unseen.push("synthetic input of other programs is not told from ours".into());
        Ok(unseen)
    }

    /// Watches for as long as `idle`: what the server does not tell of the past is waited for.
    fn watch_for(&self, idle: Duration) -> Result<(), Refusal> {
        let until = Moment::now() + idle;
        while !until.is_past() {
            self.await_event(until)?;
            self.refuse_other_input()?;
        }
        Ok(())
    }

    pub(super) fn end_watch(&mut self) {
        if !std::mem::take(&mut self.other_input.borrow_mut().on) {
            return;
        }
        self.display.synthetic.borrow_mut().clear();
        self.display.answer_soon();
        // Nothing of this watch is left on its way, to be taken for a part of the next one.
        let ended = self.display.select_input(false).and_then(|()| self.display.round_trip(DOING));
        if let Err(refusal) = ended.and_then(|()| self.drain_events()) {
            tracing::debug!(%refusal, "the watch ended with its connection");
        }
    }

    /// Whether somebody was at work within `idle`, by what was seen.
    pub(super) fn recently_used(&self, idle: Duration) -> Option<Refusal> {
        self.other_input.borrow().within(idle)
    }

    /// Asked in each grab after an answer was read: what came before the grab has been noted then.
    pub(super) fn refuse_other_input(&self) -> Result<(), Refusal> {
        self.refuse_taken_mark()?;
        self.other_input.borrow().refuse()
    }

    /// What was used while synthetic events of ours were on their way, since the last call.
    pub(super) fn mixed_input(&self) -> Option<String> {
        self.other_input.borrow_mut().mixed.take()
    }

    /// Notes an event if it is input.
    pub(super) fn note_input(&self, event: &Event, number: SequenceNumber) {
        let mut watched = self.other_input.borrow_mut();
        if !watched.on {
            return;
        }
        if let Event::XinputHierarchy(_) = event {
            let device = "an input device: one was plugged in or out".to_owned();
            watched.last = Some(Used { at: Moment::now(), device });
            return;
        }
        let Some(source) = own_input::source(event) else { return };
        let synthetic = watched.devices.get(&source).is_some_and(|device| device.synthetic);
        let mut ours = self.display.synthetic.borrow_mut();
        if synthetic && own_input::take(&mut ours, number, own_input::act(event)) {
            return;
        }
        watched.note(source, own_input::may_type(event), !ours.is_empty());
    }
}

impl Display {
    fn select_input(&self, watching: bool) -> Result<(), Refusal> {
        let raw = XIEventMask::RAW_KEY_PRESS
            | XIEventMask::RAW_KEY_RELEASE
            | XIEventMask::RAW_BUTTON_PRESS
            | XIEventMask::RAW_BUTTON_RELEASE
            | XIEventMask::RAW_MOTION
            | XIEventMask::RAW_TOUCH_BEGIN
            | XIEventMask::RAW_TOUCH_UPDATE
            | XIEventMask::RAW_TOUCH_END;
        let none = XIEventMask::from(0u32);
        let (raw, hierarchy) = if watching { (raw, XIEventMask::HIERARCHY) } else { (none, none) };
        let masks = [
            EventMask { deviceid: Devices::ALL_MASTER.into(), mask: vec![raw] },
            EventMask { deviceid: Devices::ALL.into(), mask: vec![hierarchy] },
        ];
        self.x.xinput_xi_select_events(self.root, &masks).during(DOING)?;
        Ok(())
    }

    /// The devices that a person may use, and the synthetic ones.
    fn devices(&self) -> Result<Vec<XIDeviceInfo>, Refusal> {
        let devices = self.x.xinput_xi_query_device(Devices::ALL).during(DOING)?.reply().during(DOING)?;
        let slaves = [DeviceType::SLAVE_KEYBOARD, DeviceType::SLAVE_POINTER];
        Ok(devices.infos.into_iter().filter(|device| device.enabled && slaves.contains(&device.type_)).collect())
    }

    /// How long each device was idle, as far as the server tells.
    fn idle_counters(&self) -> Result<HashMap<DeviceId, Duration>, Refusal> {
        if !self.has_sync {
            return Ok(HashMap::new());
        }
        let counters = self.x.sync_list_system_counters().during(DOING)?.reply().during(DOING)?.counters;
        let mut asked = Vec::new();
        for counter in counters {
            let name = String::from_utf8_lossy(&counter.name);
            let Some(id) = name.strip_prefix("DEVICEIDLETIME ").and_then(|id| id.parse().ok()) else { continue };
            asked.push((id, self.x.sync_query_counter(counter.counter).during(DOING)?));
        }
        let mut idle_for = HashMap::new();
        for (id, cookie) in asked {
            // The counter of a device that was unplugged just now has gone with it.
            let Ok(value) = cookie.reply() else { continue };
            let value = i64::from(value.counter_value.hi) << 32 | i64::from(value.counter_value.lo);
            idle_for.insert(id, Duration::from_millis(u64::try_from(value).unwrap_or_default()));
        }
        Ok(idle_for)
    }
}

fn before_now(ago: Duration) -> Moment {
    let ago = u64::try_from(ago.as_nanos()).unwrap_or(u64::MAX);
    Moment::from_since_boot_ns(Moment::now().since_boot_ns().saturating_sub(ago))
}

fn name(device: &XIDeviceInfo) -> (DeviceId, InputDevice) {
    let name: String = String::from_utf8_lossy(&device.name).chars().filter(|c| !c.is_control()).collect();
    let synthetic = name.contains("XTEST");
    let name = match (synthetic, device.type_) {
        (true, _) => "synthetic input that is not ours (such as xdotool or x11vnc)".into(),
        (_, DeviceType::SLAVE_KEYBOARD) => format!("the keyboard ({name})"),
        _ => format!("the mouse ({name})"),
    };
    (device.deviceid, InputDevice { name, synthetic })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watched() -> OtherInput {
        let device = |name: &str, synthetic| InputDevice { name: name.into(), synthetic };
        let devices = HashMap::from([(4, device("synthetic input", true)), (6, device("the mouse (m)", false))]);
        OtherInput { devices, ..OtherInput::default() }
    }

    #[test]
    fn synthetic_input_of_others_is_a_stranger_s_only_under_the_lock() {
        let mut watched = watched();
        watched.note(4, true, false);
        assert!(watched.refuse().is_err());
        let mut watched = OtherInput { real_only: true, ..self::watched() };
        watched.note(4, true, false);
        assert_eq!(watched.refuse(), Ok(()));
        watched.note(6, true, false);
        assert!(watched.refuse().unwrap_err().to_string().starts_with("somebody used the mouse (m) 0.0 s ago"));
    }

    #[test]
    fn input_among_ours_is_told_apart_from_input_after_it() {
        let mut watched = watched();
        watched.note(6, true, false);
        assert_eq!(watched.mixed, None);
        watched.note(6, true, true);
        assert_eq!(watched.mixed.as_deref(), Some("the mouse (m)"));
    }
}
