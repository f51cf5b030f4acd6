//! XWayland, the X server inside a real Wayland session: seen for what it is, and never claimed on.

use deliver::{
    Profile, State,
    agent_windows::Options,
    desktop::{
        Desktop, Place, Refusal,
        portable::PortableDesktop,
        x11::{self, X11Desktop, XWayland},
    },
};
use tests::{
    agent_windows_process::AgentWindowsProcess,
    require,
    weston::{Weston, Xwayland},
};

use crate::{desk::keeper_command, sender::Sender};

#[test]
fn xwayland_is_seen_and_refused_with_advice() {
    require!("weston", "Xwayland");
    let weston = Weston::start();
    let probe = x11::probe(Some(weston.display())).unwrap();
    assert!(probe.xwayland, "{probe:?}");
    let keeper = keeper_command();
    let verified = X11Desktop::connect(Some(weston.display()), &keeper).unwrap_err();
    let portable = PortableDesktop::connect(XWayland::Refuse, Some(weston.display()), &keeper).unwrap_err();
    for refusal in [verified, portable] {
        assert!(matches!(&refusal, Refusal::Wayland { seen } if seen.contains("XWayland")), "{refusal:?}");
        assert!(refusal.to_string().contains("use a tmux, inbox or exec surface"), "{refusal}");
    }
}

/// This XWayland is a whole desktop in one window, so what is pressed arrives; but nothing says so. Its compositor may lead
/// the focus away in the middle, and then Enter is not pressed.
fn insist(connect: impl Fn(&str) -> Result<Box<dyn Desktop>, Refusal> + Send + Sync + 'static) {
    let xwayland = Xwayland::start();
    let mut windows = AgentWindowsProcess::start(xwayland.display(), &Options { count: 2, ..Options::default() });
    let display = xwayland.display().to_owned();
    let sender = Sender::by(move || connect(&display));
    let mut pressed = Vec::new();
    for nth in 0..4 {
        let (x, y) = windows.windows()[nth % 2].centre();
        let place = Place { point: Some((x.into(), y.into())), window: None };
        let receipt = sender.send(&format!("Agent-{nth}"), place, &Profile::default(), &format!("message {nth}"));
        let code = receipt.reason.as_ref().map(|reason| reason.code.as_ref());
        assert_eq!((receipt.state, receipt.submitted), (State::Uncertain, false), "{receipt:?}");
        match code {
            Some("unobservable") => pressed.push(nth),
            Some("press_not_seen") => {}
            _ => panic!("{receipt:?}"),
        }
    }
    let arrived = windows.settle().0;
    assert_eq!(arrived.len(), pressed.len(), "{pressed:?}: {arrived:?}");
    for (taken, nth) in arrived.iter().zip(&pressed) {
        // Glued to what a press that was not seen has left there, if any.
        assert_eq!(taken.window, nth % 2, "{arrived:?}");
        assert!(taken.text.ends_with(&format!("message {nth}")), "{arrived:?}");
    }
    assert!(!pressed.is_empty(), "nothing was pressed at all");
}

#[test]
fn who_insists_on_xwayland_is_never_told_submitted() {
    require!("weston", "Xwayland");
    insist(|display| Ok(Box::new(X11Desktop::connect_even_to(XWayland::Doubt, Some(display), &keeper_command())?)));
    insist(|display| Ok(Box::new(PortableDesktop::connect(XWayland::Doubt, Some(display), &keeper_command())?)));
}
