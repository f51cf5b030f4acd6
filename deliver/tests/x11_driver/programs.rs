//! Real programs as targets, with and without a window manager.

use deliver::{
    Profile, State,
    agent_windows::{Behaviour, Options, Waiting},
    desktop::{Place, x11::X11Desktop},
};
use tests::{agent_windows_process::AgentWindowsProcess, chromium::Chromium, openbox::Openbox, require, xvfb::Xvfb};

use crate::desk::{DEADLINE, Desk, ONCE, deliver, guard, keeper_command, titled};
use crate::sender::Sender;

#[test]
fn managed_windows_are_raised_and_told_apart() {
    require!("Xvfb", "openbox");
    let xvfb = Xvfb::start();
    let _manager = Openbox::start(xvfb.display());
    let behaviour = Behaviour { waiting: Waiting::Impatient, focus_on_click: false, ..Behaviour::default() };
    let options = Options { count: 4, managed: true, behaviour, ..Options::default() };
    let desk = Desk { windows: AgentWindowsProcess::start(xvfb.display(), &options), xvfb };
    let (mut driver, guard) = (desk.driver(), guard());
    for nth in 0..80 {
        let title = format!("Agent-{}", nth % 4 + 1);
        deliver(&mut driver, &guard, &titled(&title), &nth.to_string(), ONCE)
            .unwrap_or_else(|refusal| panic!("{title}: {refusal}"));
    }
    let mut submitted = desk.submitted(80);
    submitted.sort_by_key(|(_, text)| text.parse::<usize>().unwrap());
    let expected: Vec<_> = (0..80).map(|nth| (nth % 4, nth.to_string())).collect();
    assert_eq!(submitted, expected);
}

#[test]
fn chromium_gets_every_message_in_the_right_box() {
    require!("Xvfb", "chromium");
    let xvfb = Xvfb::start();
    let browser = Chromium::start(xvfb.display());
    let display = xvfb.display().to_owned();
    let sender = Sender::by(move || Ok(Box::new(X11Desktop::connect(Some(&display), &keeper_command())?)));
    let (boxes, profile) = (browser.boxes().len(), Profile::named("chromium").unwrap());
    let mut took = Vec::new();
    for nth in 0..60 {
        let (x, y) = browser.boxes()[nth % boxes].centre();
        let place = Place { point: Some((x.into(), y.into())), window: None };
        let text = format!("message {nth}\nsecond line");
        let receipt = sender.send(&format!("Agent-{}", nth % boxes), place, &profile, &text);
        assert_eq!(receipt.state, State::Submitted, "{nth}: {receipt:?}");
        took.push(receipt.took);
    }
    let messages = browser.wait_messages(60, DEADLINE);
    took.sort();
    println!("chromium: p50 {:?}, max {:?}", took[30], took[59]);
    let arrived: Vec<_> = messages.into_iter().map(|message| (message.index, message.text)).collect();
    let expected: Vec<_> = (0..60).map(|nth| (nth % boxes, format!("message {nth}\nsecond line"))).collect();
    assert_eq!(arrived, expected);
}
