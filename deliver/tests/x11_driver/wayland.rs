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

/// Each message arrives, for this XWayland is a whole desktop in one window; but nothing says so.
fn insist(connect: impl Fn(&str) -> Result<Box<dyn Desktop>, Refusal> + Send + Sync + 'static) {
    let xwayland = Xwayland::start();
    let mut windows = AgentWindowsProcess::start(xwayland.display(), &Options { count: 2, ..Options::default() });
    let display = xwayland.display().to_owned();
    let sender = Sender::by(move || connect(&display));
    for nth in 0..4 {
        let (x, y) = windows.windows()[nth % 2].centre();
        let place = Place { point: Some((x.into(), y.into())), window: None };
        let receipt = sender.send(&format!("Agent-{nth}"), place, &Profile::default(), &format!("message {nth}"));
        let code = receipt.reason.as_ref().map(|reason| reason.code.as_ref());
        let claim = (receipt.state, receipt.submitted, code);
        assert_eq!(claim, (State::Uncertain, false, Some("unobservable")), "{receipt:?}");
    }
    let arrived = windows.settle().0.into_iter().map(|taken| (taken.window, taken.text));
    assert_eq!(arrived.collect::<Vec<_>>(), [0, 1, 2, 3].map(|nth| (nth % 2, format!("message {nth}"))));
}

#[test]
fn who_insists_on_xwayland_is_never_told_submitted() {
    require!("weston", "Xwayland");
    insist(|display| Ok(Box::new(X11Desktop::connect_even_to(XWayland::Doubt, Some(display), &keeper_command())?)));
    insist(|display| Ok(Box::new(PortableDesktop::connect(XWayland::Doubt, Some(display), &keeper_command())?)));
}
